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

// Begin begins the notes of what the gateway does of its own accord.
func (r *Recorder) Begin() *Trail {
	if r == nil {
		return nil
	}
	return &Trail{recorder: r}
}

// BeginRPC begins the server span of an RPC, below the span that its metadata names,
// and its notes. The context is the RPC's, with the span.
func (r *Recorder) BeginRPC(ctx context.Context, method string, incoming propagation.TextMapCarrier) (context.Context, *Trail) {
	if r == nil {
		return ctx, nil
	}
	t := &Trail{recorder: r}
	ctx = r.propagator.Extract(ctx, incoming)
	t.parent = trace.SpanContextFromContext(ctx)
	ctx, t.span = r.sampled.Start(ctx, method, trace.WithSpanKind(trace.SpanKindServer)) //nolint:spancheck // End ends it
	if server := t.span.SpanContext(); !server.IsRemote() {                              // else it is the caller's: nothing is exported
		t.server = server
	}
	if t.Recording() {
		t.exemplars = trace.ContextWithSpanContext(context.Background(), t.server)
	}
	return ctx, t
}

// maxKept bounds the exchanges that a trail keeps in case the RPC fails: an RPC has one
// or a few, and one that has many is told by its last ones.
const maxKept = 16

// A Trail is what one RPC notes. It belongs to the RPC's goroutine.
type Trail struct {
	recorder  *Recorder
	span      trace.Span        // of the RPC; nil where there is none
	server    trace.SpanContext // its context
	exemplars context.Context   //nolint:containedctx // see Exemplars; nil where there are none
	parent    trace.SpanContext // the caller's
	links     []trace.Link
	first     Exchange // the only one of most RPCs
	begun     bool     // first is taken
	kept      []*Exchange
}

// Recording reports whether spans will be made whatever comes of the RPC.
func (t *Trail) Recording() bool { return t != nil && t.server.IsSampled() }

// Exemplars is the context that metrics of the RPC are recorded in: it has the span that
// they are examples of, if that is sampled, and nothing that would have to be searched.
func (t *Trail) Exemplars() context.Context {
	if t == nil || t.exemplars == nil {
		return context.Background()
	}
	return t.exemplars
}

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

// An RPC is what the server span of an RPC shows when it has ended.
type RPC struct {
	// Method is the full method without a slash in front.
	Method string
	Begin  time.Time
	Status *status.Status
	// Local is the address it was sent to.
	Local net.Addr
	// Attributes are further ones.
	Attributes []attribute.KeyValue
}

// attributes are those of the semantic conventions, and the further ones.
func (r RPC) attributes() []attribute.KeyValue {
	attributes := append([]attribute.KeyValue{
		semconv.RPCSystemNameGRPC, semconv.RPCMethod(r.Method), semconv.RPCResponseStatusCode(code.Code(r.Status.Code()).String()),
	}, r.Attributes...)
	if tcp, ok := r.Local.(*net.TCPAddr); ok {
		attributes = append(attributes, semconv.ServerAddress(tcp.IP.String()), semconv.ServerPort(tcp.Port))
	}
	return attributes
}

// Ends reports whether End has anything to do.
func (t *Trail) Ends(got grpccodes.Code) bool {
	return t != nil && t.server.IsValid() && (t.Recording() || got != grpccodes.OK && got != grpccodes.Canceled)
}

// End ends the span and the notes of an RPC. One that was not chosen and failed, unless
// because its caller left, is written now.
func (t *Trail) End(rpc RPC) {
	switch {
	case !t.Ends(rpc.Status.Code()):
	case t.Recording():
		t.finish(t.span, rpc)
	default:
		// Once more, with the ids that the call's log line has.
		ctx := withIDs(trace.ContextWithRemoteSpanContext(context.Background(), t.parent), t.server)
		_, span := t.recorder.always.Start(ctx, rpc.Method, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(rpc.Begin))
		t.finish(span, rpc, forcedKey.Bool(true))
		for _, x := range t.kept {
			x.write(t.recorder.always, t.server)
		}
	}
}

func (t *Trail) finish(span trace.Span, rpc RPC, more ...attribute.KeyValue) {
	span.SetAttributes(append(rpc.attributes(), more...)...)
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
