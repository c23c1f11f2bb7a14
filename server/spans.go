package server

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/tracing"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// Attributes of spans. Those of gen_ai are of the semantic conventions for GenAI, which
// live apart from the others.
const (
	requestIDAttr = attribute.Key("mavera.request_id")
	callerAttr    = attribute.Key("mavera.caller")
	familyAttr    = attribute.Key("mavera.family")
	classAttr     = attribute.Key("mavera.priority")
	creditsAttr   = attribute.Key("mavera.credits.used")
	reasonAttr    = attribute.Key("mavera.reason")
	delayAttr     = attribute.Key("mavera.delay") // seconds
	fromAttr      = attribute.Key("mavera.breaker.from")
	toAttr        = attribute.Key("mavera.breaker.to")

	genOperation     = attribute.Key("gen_ai.operation.name")
	genProvider      = attribute.Key("gen_ai.provider.name")
	genAgent         = attribute.Key("gen_ai.agent.name")
	genRequestModel  = attribute.Key("gen_ai.request.model")
	genStream        = attribute.Key("gen_ai.request.stream")
	genResponseModel = attribute.Key("gen_ai.response.model")
	genResponseID    = attribute.Key("gen_ai.response.id")
	genInputTokens   = attribute.Key("gen_ai.usage.input_tokens")
	genOutputTokens  = attribute.Key("gen_ai.usage.output_tokens")

	providerName = "mavera"
)

// spans measures every call and keeps the notes for its trace.
type spans struct{ options Options }

func (s *spans) unary(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	c := callOf(ctx)
	ctx = s.begin(ctx, c, info.FullMethod)
	out, err := next(ctx, in)
	s.end(ctx, c, info.FullMethod, err)
	return out, err
}

func (s *spans) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	c := callOf(stream.Context())
	ctx := s.begin(stream.Context(), c, info.FullMethod)
	err := next(srv, streamWithContext{stream, ctx})
	s.end(ctx, c, info.FullMethod, err)
	return err
}

// begin begins the span of an RPC of ours: probes and reflection come every few seconds
// and tell nothing.
func (s *spans) begin(ctx context.Context, c *call, method string) context.Context {
	if c.plan != nil && s.options.Tracing != nil {
		ctx, c.trail = s.options.Tracing.BeginRPC(ctx, method[1:], carrier{ctx})
	}
	return ctx
}

// end measures the call and ends its span.
func (s *spans) end(ctx context.Context, c *call, method string, err error) {
	method = method[1:]
	code := status.Code(err)
	s.options.Observer.RecordCall(c.trail.Exemplars(), method, code, time.Since(c.start))
	if reason := refusal(err); reason != "" && c.plan != nil {
		s.options.Observer.AddRefusal(c.trail.Exemplars(), c.plan.Family, reason)
	}
	if c.trail.Ends(code) {
		s.write(ctx, c, method, err)
	}
}

// write ends the span of the call.
func (s *spans) write(ctx context.Context, c *call, method string, err error) {
	rpc := tracing.RPC{Method: method, Begin: c.start, Status: status.Convert(err), Attributes: c.identity()}
	if p, ok := peer.FromContext(ctx); ok {
		rpc.Local = p.LocalAddr
	}
	c.trail.End(rpc) //nolint:contextcheck // spans are written after the call, and not as part of it
}

// refusal is the reason of a call that was refused here, for want of room or because of
// who called or when; "" of any other.
func refusal(err error) string {
	if err == nil {
		return ""
	}
	failure := (*mavera.Failure)(nil)
	if !errors.As(err, &failure) {
		return ""
	}
	if !slices.ContainsFunc([]mavera.Cause{
		mavera.CircuitOpen, mavera.RateLimited, mavera.SlotsFull, mavera.QueueFull, mavera.ShuttingDown, mavera.NotAllowed,
	}, failure.By) {
		return ""
	}
	return failure.Reason
}

// A carrier reads a trace context from the metadata of an RPC.
type carrier struct{ context.Context } //nolint:containedctx // it is a view of that context

// Get returns the first value of a key.
func (c carrier) Get(key string) string {
	value, _ := sent(c.Context, key)
	return value
}

// Set does nothing: metadata that came in stays as it is.
func (carrier) Set(string, string) {}

// Keys returns all keys.
func (c carrier) Keys() []string {
	incoming, _ := metadata.FromIncomingContext(c.Context)
	return slices.Collect(maps.Keys(incoming))
}

// identity says whose call it is.
func (c *call) identity() []attribute.KeyValue {
	attributes := []attribute.KeyValue{tracing.Text(requestIDAttr, c.requestID)}
	if c.caller != "" {
		attributes = append(attributes, tracing.Text(callerAttr, c.caller))
	}
	return attributes
}

// An operation is a call to Mavera as its span and the metrics of GenAI show it.
type operation struct {
	observer   Observer
	call       *call
	client     *mavera.Client
	generative *generative // nil where nothing is generated
	exchange   *tracing.Exchange
	begin      time.Time
}

// operation begins the notes of a call to Mavera, in o.
func (r *resilient) operation(o *operation, c *call) {
	*o = operation{observer: r.options.Observer, call: c, client: r.options.Client, generative: r.generative[c.plan]}
	if o.generative != nil {
		o.begin = time.Now()
	}
	if c.trail == nil {
		c.trail = r.options.Tracing.Begin() // the gateway calls of its own accord
	}
	o.exchange = c.trail.Exchange(o)
	c.notes = o.exchange
}

// end ends the notes.
func (o *operation) end(err error) {
	reason := ""
	if err != nil {
		reason = o.failed(err)
	}
	o.exchange.End(reason)
	if o.generative != nil {
		name, got := o.generative.operation, o.call.generated
		o.observer.RecordGeneration(o.call.trail.Exemplars(), name, o.call.model, reason, time.Since(o.begin))
		if err == nil {
			o.observer.RecordTokens(o.call.trail.Exemplars(), name, o.call.model, got.input, got.output)
		}
	}
}

// failed notes a failure and says why the call failed.
func (o *operation) failed(err error) (reason string) {
	failure := (*mavera.Failure)(nil)
	if !errors.As(err, &failure) {
		return "other"
	}
	if failure.Domain == mavera.GatewayDomain {
		o.exchange.Event("mavera.refused", reasonAttr.String(failure.Reason), delayAttr.Float64(failure.Delay.Seconds()))
	}
	return failureReason(failure)
}

// failureReason is why a call failed, of a bounded set: Mavera can invent codes.
func failureReason(f *mavera.Failure) string {
	switch {
	case f.By(mavera.CallerLeft):
		return "" // nobody's failure
	case f.Domain == mavera.GatewayDomain || f.HTTPStatus == 0:
		return f.Reason
	default:
		return strconv.Itoa(f.HTTPStatus)
	}
}

// Operation describes the span over all attempts.
func (o *operation) Operation() (name string, kind trace.SpanKind, attributes []attribute.KeyValue) {
	c := o.call
	attributes = append(c.identity(), familyAttr.String(c.plan.Family), classAttr.String(c.class.String()))
	if c.hasCredits {
		attributes = append(attributes, creditsAttr.Float64(c.credits))
	}
	g := o.generative
	if g == nil {
		return c.plan.RPC, trace.SpanKindInternal, attributes
	}
	attributes = append(attributes, genOperation.String(g.operation), genProvider.String(providerName))
	if c.plan.Kind == transcode.Events {
		attributes = append(attributes, genStream.Bool(true))
	}
	name = g.operation
	switch {
	case c.model != "":
		model := tracing.Text(genRequestModel, c.model)
		attributes = append(attributes, model)
		name += " " + model.Value.AsString()
	case c.plan.Family == MaveFamily:
		attributes = append(attributes, genAgent.String(MaveFamily))
		name += " " + MaveFamily
	}
	return name, trace.SpanKindClient, append(attributes, c.generated.attributes()...)
}

func (g generated) attributes() []attribute.KeyValue {
	var attributes []attribute.KeyValue
	if g.id != "" {
		attributes = append(attributes, tracing.Text(genResponseID, g.id))
	}
	if g.model != "" {
		attributes = append(attributes, tracing.Text(genResponseModel, g.model))
	}
	if g.input > 0 {
		attributes = append(attributes, genInputTokens.Int64(g.input))
	}
	if g.output > 0 {
		attributes = append(attributes, genOutputTokens.Int64(g.output))
	}
	return attributes
}

// Request describes the span of an attempt.
func (o *operation) Request() (name string, attributes []attribute.KeyValue) {
	plan := o.call.plan
	return plan.Endpoint, append(upstreamOf(o.client.BaseURL()).target(plan).Attributes(),
		semconv.URLFull(tracing.URL(o.client.BaseURL(), o.call.request.Target)))
}

// An upstream is the address that all attempts go to, taken apart once.
type upstream struct {
	server string
	port   int
}

func upstreamOf(base *url.URL) upstream {
	return upstream{server: base.Hostname(), port: portOf(base.Scheme, base.Port())}
}

// target is what attempts of an RPC are sent to.
func (u upstream) target(plan *transcode.Plan) tracing.Target {
	return tracing.Target{Method: plan.HTTPMethod, Template: plan.Route, Server: u.server, Port: u.port}
}

// portOf is the port of an address, that of its scheme where it names none.
func portOf(scheme, port string) int {
	if n, err := strconv.Atoi(port); err == nil {
		return n
	}
	if scheme == "http" {
		return 80
	}
	return 443
}
