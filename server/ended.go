package server

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
)

// Ended is a call of an RPC of ours that has ended, for those who remember.
type Ended struct {
	// At is when it ended, Duration how long it took, Waited how much of that it waited
	// for permission and between attempts.
	At               time.Time
	Duration, Waited time.Duration

	RequestID, TraceID, RPC, Route, Family, Caller string

	// Code is its status; Reason and Message are empty after OK. Message is what the
	// caller was told.
	Code            codes.Code
	Reason, Message string
	// HTTPStatus is the last one of Mavera's, 0 when there was none; UpstreamCode and
	// UpstreamType are what the body of an error said.
	HTTPStatus                 int
	UpstreamCode, UpstreamType string
	// StorageStatus is the last refusal of the storage behind an upload, 0 for none.
	StorageStatus int

	// Attempts counts the requests sent to Mavera; of a watch those that it waited for,
	// shared with the other watches of its job.
	Attempts int
	// Credits are those that Mavera reported.
	Credits float64
}

// telling tells of every call that ends.
type telling struct{ ended func(Ended) }

func (t telling) unary(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	out, err := next(ctx, in)
	t.tell(ctx, err)
	return out, err
}

func (t telling) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	err := next(srv, stream)
	t.tell(stream.Context(), err)
	return err
}

func (t telling) tell(ctx context.Context, err error) {
	c := callOf(ctx)
	if t.ended == nil || c.plan == nil {
		return
	}
	now := time.Now()
	e := Ended{
		At: now, Duration: now.Sub(c.start), Waited: c.waited,
		RequestID: c.requestID, RPC: c.rpc, Route: c.plan.Endpoint, Family: c.plan.Family, Caller: c.caller,
		HTTPStatus: c.httpStatus, StorageStatus: c.storageStatus, Attempts: c.attempts, Credits: c.credits,
	}
	if err != nil {
		e.Code, e.Message = status.Code(err), status.Convert(err).Message()
		if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
			e.TraceID = span.TraceID().String()
		}
		if failure := (*mavera.Failure)(nil); errors.As(err, &failure) {
			e.Reason, e.UpstreamCode, e.UpstreamType = failure.Reason, failure.UpstreamCode, failure.UpstreamType
		}
	}
	t.ended(e)
}
