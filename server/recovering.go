package server

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
)

// recovery turns a panic into a failure; the stack goes to the log only.
type recoverer struct {
	call       grpc.UnaryServerInterceptor
	streamCall grpc.StreamServerInterceptor
}

func recovering(options Options) recoverer {
	handle := recovery.WithRecoveryHandlerContext(func(ctx context.Context, p any) error { return panicked(ctx, options, p) })
	return recoverer{
		call:       recovery.UnaryServerInterceptor(handle),
		streamCall: recovery.StreamServerInterceptor(handle),
	}
}

// panicked logs and counts a panic and returns the failure of the call.
func panicked(ctx context.Context, options Options, p any) error {
	options.Observer.AddPanic(ctx)
	options.Logger.LogAttrs(ctx, slog.LevelError, "panic", append(callOf(ctx).attrs(nil),
		slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))...)
	return mavera.NewFailure(mavera.Panicked, fmt.Errorf("panic: %v", p))
}

func (r recoverer) unary(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	return r.call(ctx, in, info, next)
}

func (r recoverer) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return r.streamCall(srv, stream, info, next)
}
