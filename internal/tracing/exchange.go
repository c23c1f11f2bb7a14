package tracing

import (
	"context"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// A Subject says what an exchange is about. It is asked when the exchange has ended,
// and only if spans are made of it.
type Subject interface {
	// Operation is the name, kind and attributes of the span over all attempts.
	Operation() (name string, kind trace.SpanKind, attributes []attribute.KeyValue)
	// Request is the name and attributes of the span of each attempt.
	Request() (name string, attributes []attribute.KeyValue)
}

// The waits of an attempt.
const (
	waitForSlot  = "wait for a slot"
	waitForPlace = "wait for a place"
)

// An Exchange is what one call to Mavera notes over its attempts.
type Exchange struct {
	trail      *Trail
	subject    Subject
	begin, end time.Time
	failure    string // why it failed, of a bounded set; "" when it did not
	steps      []step // waits and attempts, as they came
	events     []event
	room       [3]step // those of most exchanges
}

// A step is a wait or an attempt.
type step struct {
	wait       string // what for; "" is an attempt
	begin, end time.Time
	id         trace.SpanID // chosen beforehand, if it went upstream
	attempt    Attempt
}

// An event is a decision.
type event struct {
	at         time.Time
	name       string
	attributes []attribute.KeyValue
}

// A Target is what attempts are sent to.
type Target struct {
	// Method is the HTTP method, Template the route below the base URL.
	Method, Template string
	// Server and Port are where the API is.
	Server string
	Port   int
}

// Attributes are those of the semantic conventions of HTTP.
func (t Target) Attributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(t.Method), semconv.URLTemplate(t.Template), semconv.ServerAddress(t.Server), semconv.ServerPort(t.Port),
	}
}

// An Attempt is what came of one.
type Attempt struct {
	// Sends is how often it went out: 0 when no connection could be had, above 1 when
	// net/http sent it again by itself.
	Sends int
	// Status is the HTTP status, 0 when there was no answer.
	Status int
	// Failure is why there was none, of a bounded set. An attempt that the gateway or
	// its caller gave up deliberately has none.
	Failure string
}

// Waited notes that the next attempt has waited until now: first for its slot, then for
// its place in the rate limit window.
func (x *Exchange) Waited(slot, place time.Duration) {
	if x == nil {
		return
	}
	now := time.Now()
	if slot > 0 {
		x.steps = append(x.steps, step{wait: waitForSlot, begin: now.Add(-place - slot), end: now.Add(-place)})
	}
	if place > 0 {
		x.steps = append(x.steps, step{wait: waitForPlace, begin: now.Add(-place), end: now})
	}
}

// Attempting notes that an attempt begins. The context is the attempt's: with the trace
// context to be sent along, where one is.
func (x *Exchange) Attempting(ctx context.Context) context.Context {
	if x == nil {
		return ctx
	}
	s := step{begin: time.Now()}
	if t := x.trail; t.recorder.upstream && t.server.IsValid() {
		s.id = newSpanID()
		ctx = trace.ContextWithSpanContext(ctx, t.server.WithSpanID(s.id))
	}
	x.steps = append(x.steps, s)
	return ctx
}

// Attempted notes what came of the attempt.
func (x *Exchange) Attempted(a Attempt) {
	if x == nil || len(x.steps) == 0 {
		return
	}
	last := &x.steps[len(x.steps)-1]
	last.end, last.attempt = time.Now(), a
}

// Event notes a decision.
func (x *Exchange) Event(name string, attributes ...attribute.KeyValue) {
	if x != nil {
		x.events = append(x.events, event{at: time.Now(), name: name, attributes: attributes})
	}
}

// End ends the notes; failure is why the exchange failed, of a bounded set, or "".
func (x *Exchange) End(failure string) {
	if x == nil {
		return
	}
	x.end, x.failure = time.Now(), failure
	x.trail.done(x)
}

func (x *Exchange) failed() bool { return x.failure != "" }

// write makes the spans of the exchange, below parent if that is valid, and reports
// whether the tracer's sampler let it.
func (x *Exchange) write(tracer trace.Tracer, parent trace.SpanContext, more ...attribute.KeyValue) bool {
	name, kind, attributes := x.subject.Operation()
	attributes = append(attributes, more...)
	if x.failed() {
		attributes = append(attributes, semconv.ErrorTypeKey.String(x.failure))
	}
	_, span := tracer.Start(trace.ContextWithSpanContext(context.Background(), parent), name,
		trace.WithTimestamp(x.begin), trace.WithSpanKind(kind), trace.WithAttributes(attributes...), trace.WithLinks(x.trail.links...))
	if !span.IsRecording() {
		return false
	}
	for _, e := range x.events {
		span.AddEvent(e.name, trace.WithTimestamp(e.at), trace.WithAttributes(e.attributes...))
	}
	if x.failed() {
		span.SetStatus(codes.Error, x.failure)
	}
	x.writeSteps(trace.ContextWithSpanContext(context.Background(), span.SpanContext()), x.trail.recorder.always)
	span.End(trace.WithTimestamp(x.end))
	return true
}

// writeSteps makes the spans of waits and attempts.
func (x *Exchange) writeSteps(parent context.Context, tracer trace.Tracer) {
	name, common := x.subject.Request()
	sent := 0
	for _, s := range x.steps {
		if s.end.IsZero() {
			s.end, s.attempt.Failure = x.end, "panic" // nothing else leaves an attempt open
		}
		if s.wait != "" {
			_, span := tracer.Start(parent, s.wait, trace.WithTimestamp(s.begin))
			span.End(trace.WithTimestamp(s.end))
			continue
		}
		attributes := append(make([]attribute.KeyValue, 0, len(common)+3), common...)
		attributes = append(attributes, s.attempt.attributes(sent)...)
		sent += max(s.attempt.Sends, 1)
		ctx := parent
		if s.id.IsValid() {
			ctx = withIDs(ctx, trace.SpanContext{}.WithSpanID(s.id))
		}
		_, span := tracer.Start(ctx, name, trace.WithTimestamp(s.begin), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
		if reason := s.attempt.ErrorType(); reason != "" {
			span.SetStatus(codes.Error, "")
		}
		span.End(trace.WithTimestamp(s.end))
	}
}

// ErrorType is what the semantic conventions of HTTP ask for as error.type: the status of
// an answer that is an error, else what went wrong, "" where nothing did.
func (a Attempt) ErrorType() string {
	if a.Status >= 400 {
		return strconv.Itoa(a.Status)
	}
	return a.Failure
}

// attributes are those of one attempt; sent is how often the request was sent before.
func (a Attempt) attributes(sent int) []attribute.KeyValue {
	var attributes []attribute.KeyValue
	if sent > 0 {
		attributes = append(attributes, semconv.HTTPRequestResendCount(sent))
	}
	if a.Status != 0 {
		attributes = append(attributes, semconv.HTTPResponseStatusCode(a.Status))
	}
	if reason := a.ErrorType(); reason != "" {
		attributes = append(attributes, semconv.ErrorTypeKey.String(reason))
	}
	return attributes
}
