package server

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// TestBreakerResults tells by a second call whether the first counted as a failure.
func TestBreakerResults(t *testing.T) {
	timeout := func(d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
		return func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, d) }
	}
	cancel := func(d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
		return func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(d, cancel)
			return ctx, cancel
		}
	}
	long := timeout(time.Hour)
	for _, row := range []struct {
		name    string
		step    http.HandlerFunc
		caller  func(context.Context) (context.Context, context.CancelFunc)
		failure bool
	}{
		{"500", answering(500), long, true},
		{"501", answering(501), long, true},
		{"503", answering(503), long, true},
		{"504", answering(504), long, true},
		{"the connection is lost", cutting, long, true},
		{"the attempt's timeout", silent, long, true},
		{"200", answers(200, `{}`), long, false},
		{"200 with HTML", answers(200, `<html>`), long, false},
		{"400", answering(400), long, false},
		{"408", answering(408), long, false},
		{"429", answering(429, "Retry-After", "0"), long, false},
		{"the caller leaves at once", silent, cancel(time.Second), false},
		{"the caller leaves late", silent, cancel(50 * time.Second), false},
		{"a short deadline", silent, timeout(9 * time.Second), false},
		{"a long deadline", silent, timeout(11 * time.Second), true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, _ := scripted(t, []http.HandlerFunc{row.step}, policy(func(p *resilience.Policy) { p.Attempts, p.Breaker.Failures = 1, 1 }))
				ctx, stop := row.caller(t.Context())
				_, _, _ = h.getPersona(ctx, "p-1")
				stop()
				synctest.Wait() // a caller who left is noticed
				_, _, err := h.getPersona(t.Context(), "p-1")
				if refused := strings.Contains(verdict(err), "CIRCUIT_OPEN"); refused != row.failure || !refused && err != nil {
					t.Errorf("then got %v", err)
				}
			})
		})
	}
}

// TestLeavingAfterSend has callers leave in the pause after an attempt: what they are
// told is in the log.
func TestLeavingAfterSend(t *testing.T) {
	for _, row := range []struct {
		name string
		call func(context.Context, *harness) error
		want string // outcome of the call
	}{
		{"idempotent", func(ctx context.Context, h *harness) error {
			_, _, err := h.getPersona(ctx, "p-1")
			return err
		}, "Canceled CANCELLED: the caller cancelled the call: context canceled"},
		{"not idempotent", func(ctx context.Context, h *harness) error {
			_, err := h.createFolder(ctx)
			return err
		}, "Canceled CANCELLED: the caller cancelled the call; the call may have been carried out: look for its result before you repeat it: context canceled"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, _ := scripted(t, []http.HandlerFunc{answering(503, "Retry-After", "20")})
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(7*time.Second, cancel)
				if err := row.call(ctx, h); err == nil {
					t.Error("no error")
				}
				synctest.Wait()
				lines := h.log.lines(t)
				last := lines[len(lines)-1]
				if last["error"] != row.want || last["waited_ms"] != 7000.0 || last["attempts"] != 1.0 {
					t.Errorf("the log has %v", last)
				}
			})
		})
	}
}

// TestUnreadableRetryAfter goes on as if there were none, and counts it.
func TestUnreadableRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := scripted(t, []http.HandlerFunc{answering(503, "Retry-After", "soon"), answering(404)})
		begin := time.Now()
		if _, _, err := h.getPersona(t.Context(), "p-1"); status.Code(err) != codes.NotFound {
			t.Error(err)
		}
		if took := time.Since(begin); took >= 500*time.Millisecond { // the first pause at its longest
			t.Errorf("took %s", took)
		}
		if ignored := h.server.Snapshot().Window.Ignored; ignored != 1 {
			t.Errorf("%d counted", ignored)
		}
	})
}

// TestRateHeaders reads what may be unreadable.
func TestRateHeaders(t *testing.T) {
	date := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name   string
		header http.Header
		date   time.Time
		want   resilience.Headers
	}{
		{"none", nil, time.Time{}, resilience.Headers{}},
		{
			"all",
			http.Header{"X-Ratelimit-Limit": {"60"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"1772366430"}},
			date,
			resilience.Headers{Limit: 60, HasLimit: true, HasRemaining: true, Reset: time.Unix(1772366430, 0), Date: date},
		},
		{
			"words: nonsense, which is counted",
			http.Header{"X-Ratelimit-Limit": {"many"}, "X-Ratelimit-Remaining": {"few"}, "X-Ratelimit-Reset": {"soon"}},
			time.Time{},
			resilience.Headers{Limit: -1, HasLimit: true, Remaining: -1, HasRemaining: true, Reset: time.Unix(-1, 0)},
		},
	} {
		if diff := cmp.Diff(row.want, rateHeaders(&mavera.Report{Header: row.header, Date: row.date})); diff != "" {
			t.Errorf("%s, -want +got:\n%s", row.name, diff)
		}
	}
}
