package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// limits ends what takes too long. A call without a deadline of its own gets the
// total timeout of its RPC. At the end of the drain calls are ended while their
// statuses can still be sent. Streams that end by themselves, those of an exchange,
// are calls in this; the others would go on for ever and hold up the drain, so they
// are ended as soon as health watchers have been told.
type limits struct{ calls, streams *running }

func (l limits) unary(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) { //nolint:contextcheck // withDeadline is the caller's context
	c := callOf(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l.calls.add(c, cancel)
	defer l.calls.remove(c)
	if _, has := ctx.Deadline(); !has && c.plan != nil {
		timer := time.AfterFunc(c.plan.TotalTimeout, func() { cancel(mavera.ErrTotalTimeout) })
		defer timer.Stop()
		ctx = withDeadline{ctx, c.start.Add(c.plan.TotalTimeout)}
	}
	return next(ctx, in)
}

// stream sets no total: the exchange bounds the silence of a stream, and a watch,
// reflection and health live as long as their callers like.
func (l limits) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	c := callOf(ctx)
	exchange := c.plan != nil && c.plan.Kind != transcode.Watch
	running := l.streams
	if exchange {
		running = l.calls
	}
	running.add(c, cancel)
	defer running.remove(c)
	err := next(srv, streamWithContext{stream, ctx})
	if err != nil && !exchange && errors.Is(context.Cause(ctx), mavera.ErrShuttingDown) {
		return mavera.NewFailure(mavera.ShuttingDown, err)
	}
	return err
}

// withDeadline tells of a deadline that is kept by other means. It takes the place of
// a second cancellable context, which costs more than all else here.
type withDeadline struct {
	context.Context //nolint:containedctx // it is that context, with a deadline

	deadline time.Time
}

func (c withDeadline) Deadline() (time.Time, bool) { return c.deadline, true }

// running knows how to end what runs.
type running struct {
	mu    sync.Mutex
	ends  map[*call]context.CancelCauseFunc // Guarded by mu.
	ended bool                              // Guarded by mu.
}

func newRunning() *running { return &running{ends: make(map[*call]context.CancelCauseFunc)} }

// add takes a call in; what comes after the end is ended at once.
func (r *running) add(c *call, end context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		end(mavera.ErrShuttingDown)
	}
	r.ends[c] = end
}

// remove lets a call go.
func (r *running) remove(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ends, c)
}

// end ends all that runs, and what will.
func (r *running) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for _, end := range r.ends {
		end(mavera.ErrShuttingDown)
	}
}
