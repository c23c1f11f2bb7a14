package server

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// verdict is code, reason, and what the metadata says of the outcome.
func verdict(err error) string {
	st := status.Convert(err)
	text := st.Code().String()
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			text += " " + info.GetReason() + " " + info.GetDomain()
			if outcome := info.GetMetadata()["outcome"]; outcome != "" {
				text += " outcome=" + outcome
			}
		}
	}
	return text
}

// TestAttemptTimeout lets Mavera be silent, with callers that have all the time
// in the world.
func TestAttemptTimeout(t *testing.T) {
	for _, row := range []struct {
		name  string
		call  func(context.Context, *harness) error
		after time.Duration
		want  string
	}{
		{"idempotent", func(ctx context.Context, h *harness) error {
			_, _, err := h.getPersona(ctx, "p-1")
			return err
		}, time.Minute, "Unavailable UPSTREAM_TIMEOUT mavera.io"},
		{"not idempotent", func(ctx context.Context, h *harness) error {
			_, err := h.folders.CreateFolder(ctx, &maverav1.CreateFolderRequest{Name: "F", WorkspaceId: "ws"})
			return err
		}, time.Minute, "Unknown OUTCOME_UNKNOWN mavera.io outcome=unknown"},
		{"Mave", func(ctx context.Context, h *harness) error {
			_, err := h.mave.SendMaveMessage(ctx, &maverav1.SendMaveMessageRequest{Message: "Why?"})
			return err
		}, 3 * time.Minute, "Unknown OUTCOME_UNKNOWN mavera.io outcome=unknown"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				arrived, left := make(chan struct{}, 1), make(chan struct{}, 1)
				h := newHarness(t, hangs(arrived, left), attempts(1))
				begin := time.Now()
				err := row.call(t.Context(), h)
				if got := verdict(err); got != row.want {
					t.Errorf("got %s, want %s", got, row.want)
				}
				if passed := time.Since(begin); passed != row.after {
					t.Errorf("after %s, want %s", passed, row.after)
				}
				<-left // Mavera's side is freed
			})
		})
	}
}

// TestTotalTimeout shows who sets the deadline of what lies below.
func TestTotalTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := func(ctx context.Context, _ any) (any, error) {
			ctx, release := callOf(ctx).life.below(ctx)
			defer release()
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		for _, row := range []struct {
			name     string
			deadline time.Duration // of the caller
			after    time.Duration
			want     error
		}{
			{"the gateway's", 0, 2 * time.Minute, mavera.ErrTotalTimeout},
			{"a shorter one of the caller's", time.Second, time.Second, context.DeadlineExceeded},
			{"a longer one of the caller's", time.Hour, time.Hour, context.DeadlineExceeded},
		} {
			c := &call{plan: &transcode.Plan{TotalTimeout: 2 * time.Minute}, start: time.Now()}
			ctx, cancel := context.WithValue(t.Context(), callKey{}, c), context.CancelFunc(func() {})
			if row.deadline > 0 {
				ctx, cancel = context.WithTimeout(ctx, row.deadline)
			}
			begin := time.Now()
			_, err := limits{newRunning(), newRunning()}.unary(ctx, nil, nil, below)
			cancel()
			if !errors.Is(err, row.want) || time.Since(begin) != row.after {
				t.Errorf("%s: %v after %s, want %v after %s", row.name, err, time.Since(begin), row.want, row.after)
			}
		}
	})
}

// TestCallerLeaves stops the exchange as soon as nobody waits for it.
func TestCallerLeaves(t *testing.T) {
	for _, row := range []struct {
		name  string
		leave func(context.Context) (context.Context, context.CancelFunc)
		want  string // "reason": of the log
	}{
		{"by a cancel", context.WithCancel, "CANCELLED"},
		{"by a deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 20*time.Second)
		}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				arrived, left := make(chan struct{}, 1), make(chan struct{}, 1)
				h := newHarness(t, hangs(arrived, left))
				ctx, cancel := row.leave(t.Context())
				done := make(chan error, 1)
				go func() {
					_, _, err := h.getPersona(ctx, "p-1")
					done <- err
				}()
				<-arrived
				begin := time.Now()
				if row.want != "" {
					cancel()
				}
				<-left
				err := <-done
				cancel()
				synctest.Wait()
				lines := h.log.lines(t)
				if len(lines) != 1 || row.want != "" && lines[0]["reason"] != row.want {
					t.Errorf("the log has %v", lines)
				}
				if passed := time.Since(begin); row.want != "" && passed != 0 || passed > 20*time.Second {
					t.Errorf("Mavera was left after %s (%v)", passed, err)
				}
			})
		})
	}
}

// TestStop ends what runs at the limit, and tells watchers of the health first.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrived, left := make(chan struct{}, 2), make(chan struct{}, 2)
		h := newHarness(t, hangs(arrived, left))
		watch, err := grpc_health_v1.NewHealthClient(h.conn).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var health []string
		watched := make(chan error, 1)
		go func() {
			for {
				answer, err := watch.Recv()
				if err != nil {
					watched <- err
					return
				}
				health = append(health, answer.GetStatus().String())
			}
		}()
		get, create := make(chan error, 1), make(chan error, 1)
		go func() {
			_, _, err := h.getPersona(t.Context(), "p-1")
			get <- err
		}()
		go func() {
			_, err := h.folders.CreateFolder(t.Context(), &maverav1.CreateFolderRequest{Name: "F", WorkspaceId: "ws"})
			create <- err
		}()
		<-arrived
		<-arrived
		if !h.server.Ready() {
			t.Error("not ready while serving")
		}

		begin := time.Now()
		stopped := make(chan struct{})
		go func() {
			h.server.Stop(10 * time.Second)
			close(stopped)
		}()
		synctest.Wait()
		if h.server.Ready() {
			t.Error("ready while stopping")
		}
		if got, want := verdict(<-get), "Unavailable SHUTTING_DOWN gateway.mavera.io"; got != want {
			t.Errorf("idempotent: got %s, want %s", got, want)
		}
		cut := <-create
		if got, want := verdict(cut), "Unknown OUTCOME_UNKNOWN mavera.io outcome=unknown"; got != want {
			t.Errorf("not idempotent: got %s, want %s", got, want)
		}
		if got, want := status.Convert(cut).Message(), "CreateFolder: this gateway shut down before Mavera's answer was there; the call may have been carried out: look for its result before you repeat it"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got, want := verdict(<-watched), "Unavailable SHUTTING_DOWN gateway.mavera.io"; got != want {
			t.Errorf("a watcher: got %s, want %s", got, want)
		}
		if got := watch.Trailer().Get(pushbackKey); len(got) != 1 || got[0] != "0" {
			t.Errorf("a watcher: pushback %q", got)
		}
		<-stopped
		if passed := time.Since(begin); passed != 10*time.Second {
			t.Errorf("stopped after %s", passed)
		}
		if diff := cmp.Diff([]string{"SERVING", "NOT_SERVING"}, health); diff != "" {
			t.Errorf("health, -want +got:\n%s", diff)
		}
	})
}

// TestStreams sends streams through the chain: they get trailers, a caller, and
// refusals like calls.
func TestStreams(t *testing.T) {
	h := newHarness(t, answers(200, "{}"))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "r-9", "x-caller-id", "two words")
	watch, err := grpc_health_v1.NewHealthClient(h.conn).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = watch.Recv()
	if got, want := verdict(err), "InvalidArgument INVALID_REQUEST gateway.mavera.io"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	trailer := watch.Trailer()
	delete(trailer, "content-type")
	delete(trailer, "grpc-status-details-bin")
	if diff := cmp.Diff(metadata.MD{requestIDKey: {"r-9"}, pushbackKey: {"-1"}}, trailer); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	_, err = grpc_health_v1.NewHealthClient(h.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "none"})
	if status.Code(err) != codes.NotFound || len(status.Convert(err).Details()) != 0 {
		t.Errorf("a status of health's own: %v", err)
	}
}
