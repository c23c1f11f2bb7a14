package tracing

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"
)

// IDs makes the ids of spans that are written after the fact: those that a span has
// been given already, or random ones. It is an IDGenerator of the SDK.
type IDs struct{}

// idsKey finds the ids that the next span of a context gets.
type idsKey struct{}

// withIDs gives the next span that is started from ctx the ids of c, the trace id only
// where the span has no parent. The context is for that span alone.
func withIDs(ctx context.Context, c trace.SpanContext) context.Context {
	return context.WithValue(ctx, idsKey{}, c)
}

// NewIDs returns the ids of a span without parent.
func (i IDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if c, ok := ctx.Value(idsKey{}).(trace.SpanContext); ok && c.IsValid() {
		return c.TraceID(), c.SpanID()
	}
	var id trace.TraceID
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:8], rand.Uint64()) //nolint:gosec // ids need to differ, not to be secret
		binary.NativeEndian.PutUint64(id[8:], rand.Uint64()) //nolint:gosec // the same
	}
	return id, newSpanID()
}

// NewSpanID returns the id of a span with a parent.
func (i IDs) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if c, ok := ctx.Value(idsKey{}).(trace.SpanContext); ok && c.HasSpanID() {
		return c.SpanID()
	}
	return newSpanID()
}

func newSpanID() trace.SpanID {
	var id trace.SpanID
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:], rand.Uint64()) //nolint:gosec // ids need to differ, not to be secret
	}
	return id
}
