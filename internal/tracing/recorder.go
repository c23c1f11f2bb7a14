package tracing

import (
	"context"
	"net"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/code"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// scopeName is the instrumentation scope of the spans made here.
const scopeName = "github.com/mavera-gateway/mavera-gateway/internal/tracing"

// forcedKey marks a trace that the sampler would have dropped: whoever estimates
// rates from samples leaves it out.
const forcedKey = attribute.Key("mavera.trace.forced")

// Options configure a [Recorder]; all but Upstream are required.
type Options struct {
	// Sampled makes spans as the sampler decides.
	Sampled trace.TracerProvider
	// Always makes spans that are recorded in any case, with the ids of [IDs].
	Always trace.TracerProvider
	// Propagator reads the trace context of callers.
	Propagator propagation.TextMapPropagator
	// Upstream gives every attempt a trace context of its own, to be sent along.
	Upstream bool
}

// A Recorder makes trails. It is safe for concurrent use.
type Recorder struct {
	sampled, always trace.Tracer
	propagator      propagation.TextMapPropagator
	upstream        bool
}

// NewRecorder returns a recorder.
func NewRecorder(options Options) *Recorder {
	schema := trace.WithSchemaURL(semconv.SchemaURL)
	return &Recorder{
		sampled: options.Sampled.Tracer(scopeName, schema), always: options.Always.Tracer(scopeName, schema),
		propagator: options.Propagator, upstream: options.Upstream,
	}
}

// Begin begins the notes of an RPC whose server span is in ctx, or of what the gateway
// does of its own accord, where there is none.
func (r *Recorder) Begin(ctx context.Context) *Trail {
	if r == nil {
		return nil
	}
	t := &Trail{recorder: r}
	if server := trace.SpanContextFromContext(ctx); !server.IsRemote() {
		t.server = server
	}
	return t
}

// maxKept bounds the exchanges that a trail keeps in case the RPC fails: an RPC has one
// or a few, and one that has many is told by its last ones.
const maxKept = 16

// A Trail is what one RPC notes. It belongs to the RPC's goroutine.
type Trail struct {
	recorder *Recorder
	server   trace.SpanContext
	links    []trace.Link
	first    Exchange // the only one of most RPCs
	begun    bool     // first is taken
	kept     []*Exchange
}

// Recording reports whether spans will be made whatever comes of the RPC.
func (t *Trail) Recording() bool { return t != nil && t.server.IsSampled() }

// Link says that the exchanges are made for other RPCs too, whose server spans these
// are: what is asked for several watchers at once is nobody's child.
func (t *Trail) Link(contexts ...trace.SpanContext) {
	if t == nil {
		return
	}
	for _, c := range contexts {
		if c.IsValid() {
			t.links = append(t.links, trace.Link{SpanContext: c})
		}
	}
}

// Exchange begins the notes of a call to Mavera.
func (t *Trail) Exchange(subject Subject) *Exchange {
	if t == nil {
		return nil
	}
	x := &t.first
	if t.begun {
		x = new(Exchange)
	}
	t.begun = true
	x.trail, x.subject, x.begin, x.steps = t, subject, time.Now(), x.room[:0]
	return x
}

// done takes an exchange that has ended.
func (t *Trail) done(x *Exchange) {
	switch {
	case t.Recording():
		x.write(t.recorder.always, t.server)
	case !t.server.IsValid():
		t.writeRoot(x)
	case len(t.kept) == maxKept:
		copy(t.kept, t.kept[1:])
		t.kept[maxKept-1] = x
	default:
		t.kept = append(t.kept, x)
	}
}

// writeRoot writes an exchange that belongs to no RPC: when the sampler chooses it,
// when one it is linked to was chosen, or when it failed.
func (t *Trail) writeRoot(x *Exchange) {
	for _, link := range t.links {
		if link.SpanContext.IsSampled() {
			x.write(t.recorder.always, trace.SpanContext{})
			return
		}
	}
	if !x.write(t.recorder.sampled, trace.SpanContext{}) && x.failed() {
		x.write(t.recorder.always, trace.SpanContext{}, forcedKey.Bool(true))
	}
}

// An RPC is what the server span of an RPC shows.
type RPC struct {
	// Method is the full method without a slash in front.
	Method string
	Begin  time.Time
	Status *status.Status
	// Incoming is the metadata that the caller sent, Local the address it was sent to.
	Incoming propagation.TextMapCarrier
	Local    net.Addr
	// Attributes are further ones.
	Attributes []attribute.KeyValue
}

// End ends the notes of an RPC. One that failed, unless because its caller left, is
// written now if it was not before.
func (t *Trail) End(rpc RPC) {
	if t == nil || !t.server.IsValid() || t.Recording() {
		return
	}
	if got := rpc.Status.Code(); got == grpccodes.OK || got == grpccodes.Canceled {
		return
	}
	t.writeServer(rpc)
	for _, x := range t.kept {
		x.write(t.recorder.always, t.server)
	}
}

// writeServer makes the server span that otelgrpc would have made had the call been
// chosen, with the ids that the call's log line has.
func (t *Trail) writeServer(rpc RPC) {
	ctx := t.recorder.propagator.Extract(context.Background(), rpc.Incoming)
	if parent := trace.SpanContextFromContext(ctx); parent.TraceID() != t.server.TraceID() {
		ctx = context.Background()
	}
	attributes := append([]attribute.KeyValue{
		semconv.RPCSystemNameGRPC, semconv.RPCMethod(rpc.Method),
		semconv.RPCResponseStatusCode(code.Code(rpc.Status.Code()).String()), forcedKey.Bool(true),
	}, rpc.Attributes...)
	if tcp, ok := rpc.Local.(*net.TCPAddr); ok {
		attributes = append(attributes, semconv.ServerAddress(tcp.IP.String()), semconv.ServerPort(tcp.Port))
	}
	_, span := t.recorder.always.Start(withIDs(ctx, t.server), rpc.Method,
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(rpc.Begin), trace.WithAttributes(attributes...))
	if isServerError(rpc.Status.Code()) {
		span.SetStatus(codes.Error, rpc.Status.Message())
	}
	span.End()
}

// isServerError reports whether a status is an error of a server (semantic conventions
// of gRPC): the others are its callers'.
func isServerError(code grpccodes.Code) bool {
	switch code {
	case grpccodes.Unknown, grpccodes.DeadlineExceeded, grpccodes.Unimplemented, grpccodes.Internal, grpccodes.Unavailable, grpccodes.DataLoss:
		return true
	default:
		return false
	}
}
