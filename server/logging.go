package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
)

// A statusError is a failure with the status that the caller gets of it. gRPC
// sends the one, the log shows the other.
type statusError struct {
	failure *mavera.Failure
	status  *status.Status
}

func (e *statusError) Error() string              { return e.failure.Error() }
func (e *statusError) Unwrap() error              { return e.failure }
func (e *statusError) GRPCStatus() *status.Status { return e.status }

// logging writes one line per call: never prompts, answers or keys.
type logging struct{ logger *slog.Logger }

func (l logging) unary(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	out, err := next(ctx, in)
	l.line(ctx, callOf(ctx), err)
	return out, err
}

func (l logging) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	err := next(srv, stream)
	l.line(stream.Context(), callOf(stream.Context()), err)
	return err
}

func (l logging) line(ctx context.Context, c *call, err error) {
	code := status.Code(err)
	level := levelOf(code)
	if c.plan == nil && level < slog.LevelError {
		level = slog.LevelDebug // probes come every few seconds
	}
	if !l.logger.Enabled(ctx, level) {
		return
	}
	var room [18]slog.Attr // on the stack: the line's handler keeps none of it
	attrs := append(c.attrs(room[:0]),
		slog.String("code", code.String()),
		slog.Int64("duration_ms", time.Since(c.start).Milliseconds()))
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		attrs = append(attrs, slog.String("trace_id", span.TraceID().String()))
	}
	if err != nil {
		attrs = append(attrs, failed(err)...)
	}
	record := slog.NewRecord(time.Now(), level, "call", 0) // without its source, which takes a walk up the stack
	record.AddAttrs(attrs...)
	_ = l.logger.Handler().Handle(ctx, record) // as the logger does: there is nobody to tell
}

// failed is what a log line says of a failure.
func failed(err error) []slog.Attr {
	if failure := (*mavera.Failure)(nil); errors.As(err, &failure) {
		return []slog.Attr{slog.String("reason", failure.Reason), slog.String("error", failure.Error())}
	}
	return []slog.Attr{slog.String("error", err.Error())}
}

// levelOf says how unusual a status is: what callers do wrong or give up is a
// warning at most, what we or Mavera do wrong is an error.
func levelOf(code codes.Code) slog.Level {
	switch code {
	case codes.OK, codes.Canceled:
		return slog.LevelInfo
	case codes.Internal, codes.Unknown, codes.DataLoss, codes.Unauthenticated:
		return slog.LevelError
	default:
		return slog.LevelWarn
	}
}
