package server

import (
	"context"

	"google.golang.org/grpc"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
)

// stopping ends what is running while its status can still be sent: calls once the
// drain limit has passed, streams as soon as health watchers have been told. Streams
// would go on for ever, and hold up the drain.
type stopping struct{ calls, streams context.Context } //nolint:containedctx // they are the server's life, not a call's

func (s stopping) unary(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	ctx, stop := endWith(s.calls, ctx)
	defer stop()
	return next(ctx, in)
}

func (s stopping) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx, stop := endWith(s.streams, stream.Context())
	defer stop()
	return next(srv, streamWithContext{stream, ctx})
}

// endWith makes a context that ends with life, too.
func endWith(life, ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	forget := context.AfterFunc(life, func() { cancel(mavera.ErrShuttingDown) })
	return ctx, func() {
		forget()
		cancel(nil)
	}
}

// deadline gives a call without a deadline of its own the total timeout of its
// RPC.
type deadline struct{}

func (deadline) unary(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	c := callOf(ctx)
	if _, has := ctx.Deadline(); has || c.plan == nil {
		return next(ctx, in)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.plan.TotalTimeout, mavera.ErrTotalTimeout)
	defer cancel()
	return next(ctx, in)
}

// stream leaves streams alone: a watch has no total, and reflection and health
// live as long as their callers like.
func (deadline) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return next(srv, stream)
}
