package tracing

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// subject is what the exchanges of these tests are about.
type subject struct{}

func (subject) Operation() (string, trace.SpanKind, []attribute.KeyValue) {
	return "GetPersona", trace.SpanKindInternal, []attribute.KeyValue{attribute.String("family", "personas")}
}

func (subject) Request() (string, []attribute.KeyValue) {
	return "GET /personas/{id}", []attribute.KeyValue{attribute.String("method", "GET")}
}

// setUp returns a recorder whose sampler chooses nothing or all, and what it records.
func setUp(t *testing.T, sampler sdktrace.Sampler, upstream bool) (*Recorder, *tracetest.InMemoryExporter) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	sampled := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), sdktrace.WithSampler(sampler), sdktrace.WithIDGenerator(firstIDs{}))
	always := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithIDGenerator(IDs{}))
	return NewRecorder(Options{Sampled: sampled, Always: always, Propagator: propagation.TraceContext{}, Upstream: upstream}), exporter
}

// firstIDs are the ids of the span that the sampler is asked about.
type firstIDs struct{}

func (firstIDs) NewIDs(context.Context) (trace.TraceID, trace.SpanID) {
	return trace.TraceID{1}, trace.SpanID{2}
}
func (firstIDs) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return trace.SpanID{2} }

const (
	serverID = "0200000000000000"
	callerID = "0300000000000000"
	method   = "mavera.v1.PersonasService/GetPersona"
)

// watcher is the context of the span of an RPC that was chosen or not.
func watcher(flags trace.TraceFlags) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags})
}

// begin begins an RPC whose caller has a trace.
func begin(t *testing.T, recorder *Recorder) (context.Context, *Trail) {
	t.Helper()
	return recorder.BeginRPC(t.Context(), method, propagation.MapCarrier{"traceparent": "00-01000000000000000000000000000000-" + callerID + "-00"})
}

// show spells what was recorded, in the order of the ends of spans: times since begin,
// and parents by their names.
func show(exporter *tracetest.InMemoryExporter, begin time.Time) []string {
	spans := exporter.GetSpans()
	names := map[trace.SpanID]string{}
	for i := range spans {
		s := &spans[i]
		names[s.SpanContext.SpanID()] = s.Name
	}
	var lines []string
	for i := range spans {
		s := &spans[i]
		parent := "no parent"
		switch id := s.Parent.SpanID(); {
		case names[id] != "":
			parent = "in " + names[id]
		case id.IsValid():
			parent = "in " + id.String()
		}
		line := fmt.Sprintf("%s %s %s %s-%s", s.Name, s.SpanKind, parent, s.StartTime.Sub(begin), s.EndTime.Sub(begin))
		if s.Status.Code != 0 {
			line += " " + strings.TrimSpace(s.Status.Code.String()+" "+s.Status.Description)
		}
		for _, a := range s.Attributes {
			line += " " + string(a.Key) + "=" + a.Value.String()
		}
		for _, e := range s.Events {
			line += fmt.Sprintf(" [%s %s", e.Time.Sub(begin), e.Name)
			for _, a := range e.Attributes {
				line += " " + string(a.Key) + "=" + a.Value.String()
			}
			line += "]"
		}
		for _, l := range s.Links {
			line += " links " + l.SpanContext.SpanID().String()
		}
		lines = append(lines, line)
	}
	return lines
}

// call is an RPC that waits, is answered 503, pauses and is answered 200, or, if it
// fails, refused.
func call(trail *Trail, fails bool) {
	x := trail.Exchange(subject{})
	time.Sleep(3 * time.Second)
	x.Waited(time.Second, 2*time.Second)
	x.Attempting(context.Background())
	time.Sleep(time.Second)
	x.Attempted(Attempt{Sends: 2, Status: 503})
	x.Event("retry", attribute.String("reason", "busy"))
	x.Waited(0, 0)
	if fails {
		x.End("CIRCUIT_OPEN")
		return
	}
	x.Attempting(context.Background())
	time.Sleep(time.Second)
	x.Attempted(Attempt{Sends: 1, Status: 200})
	x.End("")
}

// end ends an RPC.
func end(trail *Trail, begin time.Time, code codes.Code) {
	trail.End(RPC{
		Method: method, Begin: begin, Status: status.New(code, "no luck"),
		Local: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 50051}, Attributes: []attribute.KeyValue{attribute.String("caller", "me")},
	})
}

func TestTrail(t *testing.T) {
	const (
		slot    = "wait for a slot internal in GetPersona 0s-1s"
		place   = "wait for a place internal in GetPersona 1s-3s"
		first   = "GET /personas/{id} client in GetPersona 3s-4s Error method=GET http.response.status_code=503 error.type=503"
		second  = "GET /personas/{id} client in GetPersona 4s-5s method=GET http.request.resend_count=2 http.response.status_code=200"
		retry   = " [4s retry reason=busy]"
		well    = "GetPersona internal in %s 0s-5s family=personas" + retry
		refused = "GetPersona internal in %s 0s-4s Error CIRCUIT_OPEN family=personas%s error.type=CIRCUIT_OPEN" + retry

		about   = " rpc.system.name=grpc rpc.method=" + method + " rpc.response.status_code=%s caller=me server.address=127.0.0.1 server.port=50051"
		served  = method + " server in " + callerID + " 0s-5s" + about
		failed  = method + " server in " + callerID + " 0s-4s Error no luck" + about
		forced  = " mavera.trace.forced=true"
		chosen  = trace.FlagsSampled
		dropped = trace.TraceFlags(0)
	)
	none, all := sdktrace.NeverSample(), sdktrace.AlwaysSample()
	const accord = true
	tests := []struct {
		name    string
		sampler sdktrace.Sampler
		own     bool              // of its own accord
		link    trace.SpanContext // to a watcher
		code    codes.Code
		want    []string
	}{
		{
			"chosen, well", all, false,
			trace.SpanContext{},
			codes.OK,
			[]string{slot, place, first, second, fmt.Sprintf(well, method), fmt.Sprintf(served, "OK")},
		},
		{
			"chosen, refused", all, false,
			trace.SpanContext{},
			codes.Unavailable,
			[]string{slot, place, first, fmt.Sprintf(refused, method, ""), fmt.Sprintf(failed, "UNAVAILABLE")},
		},
		{"not chosen, well", none, false, trace.SpanContext{}, codes.OK, nil},
		{
			"not chosen, refused", none, false,
			trace.SpanContext{},
			codes.Unavailable,
			[]string{fmt.Sprintf(failed, "UNAVAILABLE") + forced, slot, place, first, fmt.Sprintf(refused, method, "")},
		},
		{"not chosen, and the caller left", none, false, trace.SpanContext{}, codes.Canceled, nil},
		{"of its own accord, chosen", all, accord, trace.SpanContext{}, codes.OK, []string{slot, place, first, second, root(well)}},
		{"of its own accord, not chosen, well", none, accord, trace.SpanContext{}, codes.OK, nil},
		{
			"of its own accord, not chosen, refused", none, accord,
			trace.SpanContext{},
			codes.Unavailable,
			[]string{slot, place, first, root(fmt.Sprintf(refused, "%s", forced))},
		},
		{"for a watcher that is traced", none, accord, watcher(chosen), codes.OK, []string{slot, place, first, second, root(well) + " links " + serverID}},
		{"for a watcher that is not", none, accord, watcher(dropped), codes.OK, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				recorder, exporter := setUp(t, test.sampler, false)
				_, trail := begin(t, recorder)
				if test.own {
					trail = recorder.Begin()
				}
				trail.Link(test.link)
				call(trail, test.code == codes.Unavailable)
				end(trail, began, test.code)
				if diff := cmp.Diff(test.want, show(exporter, began)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				for _, span := range exporter.GetSpans() {
					if id := span.SpanContext.TraceID(); !test.own && id != (trace.TraceID{1}) {
						t.Errorf("%s is in trace %s", span.Name, id)
					}
				}
			})
		})
	}
}

// root is the line of a span without parent.
func root(line string) string { return strings.Replace(line, "in %s", "no parent", 1) }

// TestTrailKeepsTheLast has an RPC that fails after more exchanges than are kept.
func TestTrailKeepsTheLast(t *testing.T) {
	recorder, exporter := setUp(t, sdktrace.NeverSample(), false)
	_, trail := begin(t, recorder)
	for i := range maxKept + 2 {
		trail.Exchange(subject{}).End(fmt.Sprint(i))
	}
	end(trail, time.Now(), codes.Internal)
	var got []string
	for _, span := range exporter.GetSpans()[1:] {
		got = append(got, span.Status.Description)
	}
	want := []string{"2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17"}
	if !slices.Equal(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
}

// TestUpstream gives each attempt the span that it will be written as.
func TestUpstream(t *testing.T) {
	for flags, sampler := range map[trace.TraceFlags]sdktrace.Sampler{0: sdktrace.NeverSample(), trace.FlagsSampled: sdktrace.AlwaysSample()} {
		recorder, exporter := setUp(t, sampler, true)
		ctx, trail := begin(t, recorder)
		x := trail.Exchange(subject{})
		var want []trace.SpanID
		for range 2 {
			sent := trace.SpanContextFromContext(x.Attempting(ctx))
			if sent.TraceID() != (trace.TraceID{1}) || sent.TraceFlags() != flags {
				t.Errorf("sent %v", sent)
			}
			want = append(want, sent.SpanID())
			x.Attempted(Attempt{Failure: "connection_failed"})
		}
		x.End("503")
		end(trail, time.Now(), codes.Unavailable)
		var got []trace.SpanID
		for _, span := range exporter.GetSpans() {
			if span.SpanKind == trace.SpanKindClient {
				got = append(got, span.SpanContext.SpanID())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("flags %s: wrote %v, sent %v", flags, got, want)
		}
	}
}

// TestPanic leaves an attempt open.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		recorder, exporter := setUp(t, sdktrace.AlwaysSample(), false)
		_, trail := begin(t, recorder)
		x := trail.Exchange(subject{})
		x.Attempting(t.Context())
		time.Sleep(time.Second)
		x.End("PANIC")
		want := []string{
			"GET /personas/{id} client in GetPersona 0s-1s Error method=GET error.type=panic",
			"GetPersona internal in " + serverID + " 0s-1s Error PANIC family=personas error.type=PANIC",
		}
		if diff := cmp.Diff(want, show(exporter, began)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// TestOff takes the way of a call when there are no traces: it allocates nothing.
func TestOff(t *testing.T) {
	var recorder *Recorder
	allocated := testing.AllocsPerRun(100, func() {
		ctx, trail := recorder.BeginRPC(t.Context(), method, nil)
		x := trail.Exchange(subject{})
		x.Waited(time.Second, time.Second)
		if x.Attempting(ctx) != ctx {
			t.Error("another context")
		}
		x.Attempted(Attempt{Status: 200})
		x.Event("retry")
		x.End("")
		trail.End(RPC{})
		trail.Link(trace.SpanContext{})
		if trail.Recording() {
			t.Error("it records")
		}
	})
	if allocated != 0 {
		t.Errorf("%v allocations", allocated)
	}
}
