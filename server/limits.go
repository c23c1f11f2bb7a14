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
	l.calls.add(&c.life)
	defer l.calls.remove(&c.life)
	if c.plan == nil {
		ctx, release := c.life.below(ctx)
		defer release()
		return next(ctx, in)
	}
	if _, has := ctx.Deadline(); !has {
		timer := time.AfterFunc(c.plan.TotalTimeout, func() { c.life.end(mavera.ErrTotalTimeout) })
		defer timer.Stop()
		ctx = withDeadline{ctx, c.start.Add(c.plan.TotalTimeout)}
	}
	return next(ctx, in)
}

// stream sets no total: the exchange bounds the silence of a stream, and a watch,
// reflection and health live as long as their callers like.
func (l limits) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	c := callOf(stream.Context())
	exchange := c.plan != nil && c.plan.Kind != transcode.Watch
	running := l.streams
	if exchange {
		running = l.calls
	}
	running.add(&c.life)
	defer running.remove(&c.life)
	if exchange && c.plan.Kind == transcode.Events {
		return next(srv, stream)
	}
	ctx, release := c.life.below(stream.Context())
	defer release()
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

// A life is how a call is ended from outside. What of it can be ended enrolls: a single
// exchange with the loop around it, all of the others. It is safe for concurrent use.
type life struct {
	mu      sync.Mutex
	current context.CancelCauseFunc // Ends what goes on; nil where nothing does. Guarded by mu.
	cause   error                   // Why it was ended, if it was. Guarded by mu.
}

// enroll says what ends the call from now on. After its end that is at once.
func (l *life) enroll(end context.CancelCauseFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = end
	if l.cause != nil {
		end(l.cause)
	}
}

// below is a context that ends with the call.
func (l *life) below(ctx context.Context) (_ context.Context, release func()) {
	ctx, end := context.WithCancelCause(ctx)
	l.enroll(end)
	return ctx, func() { end(nil) }
}

// end ends the call; the first cause stays.
func (l *life) end(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause == nil {
		l.cause = cause
	}
	if l.current != nil {
		l.current(l.cause)
	}
}

// running knows all that runs.
type running struct {
	mu    sync.Mutex
	lives map[*life]struct{} // Guarded by mu.
	ended bool               // Guarded by mu.
}

func newRunning() *running { return &running{lives: make(map[*life]struct{})} }

// add takes a call in; what comes after the end is ended at once.
func (r *running) add(l *life) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		l.end(mavera.ErrShuttingDown)
	}
	r.lives[l] = struct{}{}
}

// remove lets a call go.
func (r *running) remove(l *life) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.lives, l)
}

// end ends all that runs, and what will.
func (r *running) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for l := range r.lives {
		l.end(mavera.ErrShuttingDown)
	}
}
