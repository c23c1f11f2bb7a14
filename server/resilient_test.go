package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// A script is what Mavera answers; beyond its end 200.
type script struct {
	mu    sync.Mutex
	steps []http.HandlerFunc // Guarded by mu.
	calls []time.Duration    // When they came. Guarded by mu.
	begin time.Time
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.calls = append(s.calls, time.Since(s.begin))
	step := answers(200, `{"id": "p-1"}`)
	if len(s.steps) > 0 {
		step, s.steps = s.steps[0], s.steps[1:]
	}
	s.mu.Unlock()
	step(w, r)
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// scripted starts a harness before a script.
func scripted(t *testing.T, steps []http.HandlerFunc, change ...func(*Options)) (*harness, *script) {
	t.Helper()
	s := &script{steps: steps, begin: time.Now()}
	return newHarness(t, s.ServeHTTP, change...), s
}

// answering is a status with headers and no body.
func answering(status int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
	}
}

// silent never answers.
func silent(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // see hangs
	<-r.Context().Done()
}

// cutting closes the connection.
func cutting(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// brief is what a caller learns of a failure: code, reason, domain, attempts, time
// waited, the seconds to wait before a repeat, whose quota.
func brief(t *testing.T, err error, trailer metadata.MD) string {
	t.Helper()
	st := status.Convert(err)
	text := st.Code().String()
	var delay *errdetails.RetryInfo
	quota := ""
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			m := d.GetMetadata()
			text += fmt.Sprintf(" %s %s attempts=%s waited_ms=%s retryable=%s", d.GetReason(), d.GetDomain(), m["attempts"], m["waited_ms"], m["retryable"])
			if m["outcome"] != "" {
				text += " outcome=" + m["outcome"]
			}
			if got := strings.Join(trailer.Get(attemptsKey), ","); got != m["attempts"] {
				t.Errorf("the trailer says attempts %s, the metadata %s", got, m["attempts"])
			}
		case *errdetails.RetryInfo:
			delay = d
		case *errdetails.QuotaFailure:
			quota = " quota=" + d.GetViolations()[0].GetSubject()
		}
	}
	pushback, err := strconv.Atoi(strings.Join(trailer.Get(pushbackKey), ","))
	if err != nil {
		t.Errorf("pushback: %v", err)
	}
	if delay == nil {
		return text + quota + " pushback=" + strconv.Itoa(pushback)
	}
	if wait := delay.GetRetryDelay().AsDuration(); wait != time.Duration(pushback)*time.Millisecond {
		t.Errorf("RetryInfo %s, pushback %d ms", wait, pushback)
	}
	return text + quota + " wait=" + strconv.Itoa(pushback)
}

// near replaces wait=<ms> by the delay it was made of, which lies up to a fifth below.
func near(text string, delay time.Duration) string {
	before, ms, found := strings.Cut(text, " wait=")
	got, err := strconv.Atoi(ms)
	if low := int(delay.Milliseconds()); !found || err != nil || got < low || got > low+low/5+1 {
		return text
	}
	return before + " wait=" + delay.String()
}

func (h *harness) sendMave(ctx context.Context) (metadata.MD, error) {
	var trailer metadata.MD
	_, err := h.mave.SendMaveMessage(ctx, &maverav1.SendMaveMessageRequest{Message: "Why?"}, grpc.Trailer(&trailer))
	return trailer, err
}

func (h *harness) createFolder(ctx context.Context) (metadata.MD, error) {
	var trailer metadata.MD
	_, err := h.folders.CreateFolder(ctx, &maverav1.CreateFolderRequest{Name: "F", WorkspaceId: "ws"}, grpc.Trailer(&trailer))
	return trailer, err
}

func (h *harness) deleteFolder(ctx context.Context) (metadata.MD, error) {
	var trailer metadata.MD
	_, err := h.folders.DeleteFolder(ctx, &maverav1.DeleteFolderRequest{Id: "f-1"}, grpc.Trailer(&trailer))
	return trailer, err
}

// TestRetries compares what callers get of calls that fail once or more.
func TestRetries(t *testing.T) {
	get := func(ctx context.Context, h *harness) (metadata.MD, error) {
		_, trailer, err := h.getPersona(ctx, "p-1")
		return trailer, err
	}
	create := func(ctx context.Context, h *harness) (metadata.MD, error) { return h.createFolder(ctx) }
	remove := func(ctx context.Context, h *harness) (metadata.MD, error) { return h.deleteFolder(ctx) }
	always := func(step http.HandlerFunc) []http.HandlerFunc {
		return []http.HandlerFunc{step, step, step, step, step}
	}
	still := policy(func(p *resilience.Policy) { p.Backoff = resilience.Backoff{Base: 1, Cap: 1} }) // no jitter in what was waited
	for _, row := range []struct {
		name   string
		steps  []http.HandlerFunc
		call   func(context.Context, *harness) (metadata.MD, error)
		change func(*Options)
		wait   time.Duration
		want   string // empty: success
		calls  int
	}{
		{"503 once", []http.HandlerFunc{answering(503)}, create, still, 0, "", 2},
		{"500 three times", []http.HandlerFunc{answering(500), answering(500), answering(500)}, create, still, 0, "", 4},
		{"503 for ever", always(answering(503)), get, still, time.Second, "Unavailable HTTP_503 mavera.io attempts=4 waited_ms=0 retryable=true wait=1s", 4},
		{"429, then 500, then 404", []http.HandlerFunc{answering(429, "Retry-After", "2"), answering(500), answering(404)}, get, still, 0, "NotFound HTTP_404 mavera.io attempts=3 waited_ms=2000 retryable=false pushback=-1", 3},
		{"429 without Retry-After", []http.HandlerFunc{answering(429)}, get, still, 0, "", 2},
		{"429 with a Retry-After that is too long", always(answering(429, "Retry-After", "121")), get, still, 121 * time.Second, "ResourceExhausted HTTP_429 mavera.io attempts=1 waited_ms=0 retryable=true quota=api_key:gateway wait=2m1s", 1},
		{"502, idempotent", always(answering(502)), get, still, time.Second, "Unavailable HTTP_502 mavera.io attempts=4 waited_ms=0 retryable=true wait=1s", 4},
		{"502, not idempotent", always(answering(502)), create, still, 0, "Unknown OUTCOME_UNKNOWN mavera.io attempts=1 waited_ms=0 retryable=false outcome=unknown pushback=-1", 1},
		{"502, not idempotent, repeated by policy", []http.HandlerFunc{answering(502)}, create, policy(func(p *resilience.Policy) { p.RepeatUnknown = true }), 0, "", 2},
		{"408, idempotent", []http.HandlerFunc{answering(408)}, get, still, 0, "", 2},
		{"400", always(answering(400)), get, still, 0, "InvalidArgument HTTP_400 mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1", 1},
		{"the breaker opens", always(answering(503)), get, policy(func(p *resilience.Policy) { p.Breaker.Failures = 1 }), 30 * time.Second, "Unavailable HTTP_503 mavera.io attempts=1 waited_ms=0 retryable=true wait=30s", 1},
		{"a DELETE that was carried out", []http.HandlerFunc{answering(504), answering(404)}, remove, still, 0, "", 2},
		{"a DELETE of what never was", []http.HandlerFunc{answering(503), answering(404)}, remove, still, 0, "NotFound HTTP_404 mavera.io attempts=2 waited_ms=0 retryable=false pushback=-1", 2},
		{"a GET of what is gone", []http.HandlerFunc{answering(504), answering(404)}, get, still, 0, "NotFound HTTP_404 mavera.io attempts=2 waited_ms=0 retryable=false pushback=-1", 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, upstream := scripted(t, row.steps, row.change)
				trailer, err := row.call(t.Context(), h)
				got := ""
				if err != nil {
					got = near(brief(t, err, trailer), row.wait)
				} else if attempts := strings.Join(trailer.Get(attemptsKey), ","); attempts != strconv.Itoa(row.calls) {
					t.Errorf("the trailer says attempts %s", attempts)
				}
				if got != row.want || upstream.count() != row.calls {
					t.Errorf("got %s after %d requests\nwant %s after %d", got, upstream.count(), row.want, row.calls)
				}
			})
		})
	}
}

// TestRefusals fills up what can be full, one call after the other, and looks at the
// last one.
func TestRefusals(t *testing.T) {
	get := func(pairs ...string) func(context.Context, *harness) (metadata.MD, error) {
		return func(ctx context.Context, h *harness) (metadata.MD, error) {
			_, trailer, err := h.getPersona(ctx, "p-1", pairs...)
			return trailer, err
		}
	}
	mave := func(ctx context.Context, h *harness) (metadata.MD, error) { return h.sendMave(ctx) }
	window := func(limit, factor int) func(*Options) {
		return func(o *Options) { o.Policies.Window.StartLimit, o.Policies.Queue.Factor = limit, factor }
	}
	for _, row := range []struct {
		name   string
		steps  []http.HandlerFunc
		before []func(context.Context, *harness) (metadata.MD, error)
		call   func(context.Context, *harness) (metadata.MD, error)
		change func(*Options)
		wait   time.Duration
		after  time.Duration // when the refusal comes, with a deadline of 10 s
		want   string
		calls  int
	}{
		{
			"the breaker is open",
			[]http.HandlerFunc{answering(503)},
			[]func(context.Context, *harness) (metadata.MD, error){get()},
			get(),
			policy(func(p *resilience.Policy) { p.Attempts, p.Breaker.Failures = 1, 1 }), 30 * time.Second, 0,
			"Unavailable CIRCUIT_OPEN gateway.mavera.io attempts=0 waited_ms=0 retryable=true wait=30s", 1,
		},
		{
			"the window is full", nil,
			[]func(context.Context, *harness) (metadata.MD, error){get()},
			get(),
			window(1, 1), 60250 * time.Millisecond, 0,
			"ResourceExhausted RATE_LIMITED_LOCALLY gateway.mavera.io attempts=0 waited_ms=0 retryable=true quota=api_key:gateway wait=1m0.25s", 1,
		},
		{
			"the window is full for batch calls alone", nil,
			[]func(context.Context, *harness) (metadata.MD, error){get("x-priority", "batch")},
			get("x-priority", "batch"),
			window(4, 1), 15 * time.Second, 0,
			"ResourceExhausted RATE_LIMITED_LOCALLY gateway.mavera.io attempts=0 waited_ms=0 retryable=true quota=api_key:gateway wait=15s", 1,
		},
		{
			"the slots are taken",
			[]http.HandlerFunc{silent},
			[]func(context.Context, *harness) (metadata.MD, error){mave},
			mave,
			policy(func(p *resilience.Policy) { p.Caps.Slots = 1 }), 9750 * time.Millisecond, 9750 * time.Millisecond,
			"ResourceExhausted CONCURRENCY_LIMITED gateway.mavera.io attempts=0 waited_ms=9750 retryable=true quota=api_key:gateway wait=9.75s", 1,
		},
		{
			"the queue for the slots is full",
			[]http.HandlerFunc{silent},
			[]func(context.Context, *harness) (metadata.MD, error){mave, mave},
			mave,
			policy(func(p *resilience.Policy) { p.Caps.Slots, p.Caps.Queue = 1, 1 }), time.Second, 0,
			"ResourceExhausted QUEUE_FULL gateway.mavera.io attempts=0 waited_ms=0 retryable=true quota=api_key:gateway wait=1s", 1,
		},
		{
			"a retry, and no budget for one soon", nil,
			[]func(context.Context, *harness) (metadata.MD, error){get("grpc-previous-rpc-attempts", "1")},
			get("x-envoy-attempt-count", "2"),
			policy(func(p *resilience.Policy) { p.Budget.Stock = 1 }), 10 * time.Second, 0,
			"ResourceExhausted RATE_LIMITED_LOCALLY gateway.mavera.io attempts=0 waited_ms=0 retryable=true quota=api_key:gateway wait=10s", 1,
		},
		{
			"a retry, and no budget ever", nil, nil, get("grpc-previous-rpc-attempts", "3"),
			policy(func(p *resilience.Policy) { p.Budget = resilience.BudgetPolicy{} }), 0, 0,
			"ResourceExhausted RATE_LIMITED_LOCALLY gateway.mavera.io attempts=0 waited_ms=0 retryable=false quota=api_key:gateway pushback=-1", 0,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, upstream := scripted(t, row.steps, row.change)
				ctx, cancel := context.WithCancel(t.Context())
				var before sync.WaitGroup
				for _, call := range row.before {
					before.Go(func() { _, _ = call(ctx, h) })
					synctest.Wait()
				}
				begin := time.Now()
				short, stop := context.WithTimeout(t.Context(), 10*time.Second)
				defer stop()
				trailer, err := row.call(short, h)
				if got := near(brief(t, err, trailer), row.wait); got != row.want {
					t.Errorf("got  %s\nwant %s", got, row.want)
				}
				if passed := time.Since(begin); passed != row.after || upstream.count() != row.calls {
					t.Errorf("after %s and %d requests, want %s and %d", passed, upstream.count(), row.after, row.calls)
				}
				reason := strings.Fields(row.want)[1]
				if n := h.tally.count("personas refused "+reason) + h.tally.count("mave refused "+reason); n != 1 {
					t.Errorf("counted %d refusals, want one", n)
				}
				cancel()
				before.Wait()
			})
		})
	}
}

// TestQueueFull has as many calls in the queue of the window as may be.
func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := scripted(t, nil, func(o *Options) { o.Policies.Window.StartLimit, o.Policies.Queue.Factor = 1, 1 })
		var waiting sync.WaitGroup
		for range 2 {
			waiting.Go(func() {
				if _, _, err := h.getPersona(t.Context(), "p-1"); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, trailer, err := h.getPersona(ctx, "p-1")
		want := "ResourceExhausted QUEUE_FULL gateway.mavera.io attempts=0 waited_ms=0 retryable=true quota=api_key:gateway wait=2m0.5s"
		if got := near(brief(t, err, trailer), 120500*time.Millisecond); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		waiting.Wait()
	})
}

// TestPriority sends calls of both classes at once, and one of none.
func TestPriority(t *testing.T) {
	for _, row := range []struct {
		priority []string
		second   time.Duration // when the second of two calls is sent
	}{
		{nil, 0},
		{[]string{"x-priority", "interactive"}, 0},
		{[]string{"x-priority", "batch"}, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, upstream := scripted(t, nil)
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() {
					if _, _, err := h.getPersona(t.Context(), "p-1", row.priority...); err != nil {
						t.Errorf("%v: %v", row.priority, err)
					}
				})
			}
			both.Wait()
			if diff := cmp.Diff([]time.Duration{0, row.second}, upstream.calls); diff != "" {
				t.Errorf("%v, -want +got:\n%s", row.priority, diff)
			}
		})
	}
	for _, priority := range []string{"urgent", "", "Batch", "poll"} {
		synctest.Test(t, func(t *testing.T) {
			h, upstream := scripted(t, nil)
			_, _, err := h.getPersona(t.Context(), "p-1", "x-priority", priority)
			bad := ""
			for _, detail := range status.Convert(err).Details() {
				if d, ok := detail.(*errdetails.BadRequest); ok {
					v := d.GetFieldViolations()[0]
					bad = v.GetField() + ": " + v.GetDescription()
				}
			}
			if verdict(err) != "InvalidArgument INVALID_REQUEST gateway.mavera.io" || bad != "metadata:x-priority: must be interactive or batch" || upstream.count() != 0 {
				t.Errorf("%q: got %s, %q after %d requests", priority, verdict(err), bad, upstream.count())
			}
		})
	}
}

// TestKeysApart gives every key its own window, budget and breaker.
func TestKeysApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := scripted(t, []http.HandlerFunc{answering(503)}, func(o *Options) { o.AllowCallerKeys = true },
			policy(func(p *resilience.Policy) { p.Attempts, p.Breaker.Failures = 1, 1 }))
		var got []string
		for _, pairs := range [][]string{nil, nil, {"x-mavera-api-key", "mvra_live_another"}, nil} {
			_, _, err := h.getPersona(t.Context(), "p-1", pairs...)
			got = append(got, verdict(err))
		}
		_, err := h.sendMave(t.Context()) // and every family its own breaker
		got = append(got, verdict(err))
		want := []string{
			"Unavailable HTTP_503 mavera.io", "Unavailable CIRCUIT_OPEN gateway.mavera.io", "OK",
			"Unavailable CIRCUIT_OPEN gateway.mavera.io", "OK",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}
