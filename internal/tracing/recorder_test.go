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
	sampled := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), sdktrace.WithSampler(sampler))
	always := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithIDGenerator(IDs{}))
	return NewRecorder(Options{Sampled: sampled, Always: always, Propagator: propagation.TraceContext{}, Upstream: upstream}), exporter
}

// serverSpan is the context of an RPC whose span was chosen or not.
func serverSpan(flags trace.TraceFlags) context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags,
	}))
}

const serverID = "0200000000000000"

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
func end(trail *Trail, code codes.Code) {
	trail.End(RPC{
		Method: "mavera.v1.PersonasService/GetPersona", Begin: time.Now().Add(-4 * time.Second), Status: status.New(code, "no luck"),
		Incoming: propagation.MapCarrier{"traceparent": "00-01000000000000000000000000000000-0300000000000000-00"},
		Local:    &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 50051}, Attributes: []attribute.KeyValue{attribute.String("caller", "me")},
	})
}

func TestTrail(t *testing.T) {
	const (
		slot     = "wait for a slot internal in GetPersona 0s-1s"
		place    = "wait for a place internal in GetPersona 1s-3s"
		first    = "GET /personas/{id} client in GetPersona 3s-4s Error method=GET http.response.status_code=503 error.type=503"
		second   = "GET /personas/{id} client in GetPersona 4s-5s method=GET http.request.resend_count=2 http.response.status_code=200"
		retry    = " [4s retry reason=busy]"
		well     = "GetPersona internal in " + serverID + " 0s-5s family=personas" + retry
		refused  = "GetPersona internal in %s 0s-4s Error CIRCUIT_OPEN family=personas%s error.type=CIRCUIT_OPEN" + retry
		rpc      = "mavera.v1.PersonasService/GetPersona"
		forced   = rpc + " server in 0300000000000000 0s-4s Error no luck rpc.system.name=grpc rpc.method=" + rpc + " rpc.response.status_code=UNAVAILABLE mavera.trace.forced=true caller=me server.address=127.0.0.1 server.port=50051"
		chosen   = trace.FlagsSampled
		dropped  = trace.TraceFlags(0)
		noServer = "no parent"
	)
	none, all := sdktrace.NeverSample(), sdktrace.AlwaysSample()
	tests := []struct {
		name    string
		sampler sdktrace.Sampler
		ctx     context.Context
		links   trace.TraceFlags // of a watcher's span; 2 is no link
		code    codes.Code
		want    []string
	}{
		{"chosen, well", all, serverSpan(chosen), 2, codes.OK, []string{slot, place, first, second, well}},
		{"chosen, refused", all, serverSpan(chosen), 2, codes.Unavailable, []string{slot, place, first, fmt.Sprintf(refused, serverID, "")}},
		{"not chosen, well", none, serverSpan(dropped), 2, codes.OK, nil},
		{"not chosen, refused", none, serverSpan(dropped), 2, codes.Unavailable, []string{forced, slot, place, first, fmt.Sprintf(refused, rpc, "")}},
		{"not chosen, and the caller left", none, serverSpan(dropped), 2, codes.Canceled, nil},
		{"of its own accord, chosen", all, t.Context(), 2, codes.OK, []string{slot, place, first, second, strings.Replace(well, "in "+serverID, noServer, 1)}},
		{"of its own accord, not chosen, well", none, t.Context(), 2, codes.OK, nil},
		{
			"of its own accord, not chosen, refused", none, t.Context(), 2, codes.Unavailable,
			[]string{slot, place, first, strings.Replace(fmt.Sprintf(refused, "-", " mavera.trace.forced=true"), "in -", noServer, 1)},
		},
		{
			"for a watcher that is traced", none, t.Context(), chosen, codes.OK,
			[]string{slot, place, first, second, strings.Replace(well, "in "+serverID, noServer, 1) + " links " + serverID},
		},
		{"for a watcher that is not", none, t.Context(), dropped, codes.OK, nil},
		{
			"a health check: the caller's span is nobody's here", none, trace.ContextWithRemoteSpanContext(t.Context(), trace.SpanContextFromContext(serverSpan(chosen))),
			2, codes.OK, nil,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				recorder, exporter := setUp(t, test.sampler, false)
				trail := recorder.Begin(test.ctx)
				if test.links != 2 {
					trail.Link(trace.SpanContextFromContext(serverSpan(test.links)), trace.SpanContext{})
				}
				call(trail, test.code == codes.Unavailable)
				end(trail, test.code)
				got := show(exporter, begin)
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				for _, span := range exporter.GetSpans() {
					if id := span.SpanContext.TraceID(); test.ctx != t.Context() && trace.SpanContextFromContext(test.ctx).IsValid() && id != (trace.TraceID{1}) {
						t.Errorf("%s is in trace %s", span.Name, id)
					}
				}
			})
		})
	}
}

// TestTrailKeepsTheLast has an RPC that fails after more exchanges than are kept.
func TestTrailKeepsTheLast(t *testing.T) {
	recorder, exporter := setUp(t, sdktrace.NeverSample(), false)
	trail := recorder.Begin(serverSpan(0))
	for i := range maxKept + 2 {
		trail.Exchange(subject{}).End(fmt.Sprint(i))
	}
	end(trail, codes.Internal)
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
	for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled} {
		recorder, exporter := setUp(t, sdktrace.NeverSample(), true)
		trail := recorder.Begin(serverSpan(flags))
		x := trail.Exchange(subject{})
		var want []trace.SpanID
		for range 2 {
			sent := trace.SpanContextFromContext(x.Attempting(serverSpan(flags)))
			if sent.TraceID() != (trace.TraceID{1}) || sent.TraceFlags() != flags {
				t.Errorf("sent %v", sent)
			}
			want = append(want, sent.SpanID())
			x.Attempted(Attempt{Failure: "connection_failed"})
		}
		x.End("503")
		end(trail, codes.Unavailable)
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
		begin := time.Now()
		recorder, exporter := setUp(t, sdktrace.AlwaysSample(), false)
		x := recorder.Begin(serverSpan(trace.FlagsSampled)).Exchange(subject{})
		x.Attempting(t.Context())
		time.Sleep(time.Second)
		x.End("PANIC")
		want := []string{
			"GET /personas/{id} client in GetPersona 0s-1s Error method=GET error.type=panic",
			"GetPersona internal in " + serverID + " 0s-1s Error PANIC family=personas error.type=PANIC",
		}
		if diff := cmp.Diff(want, show(exporter, begin)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// TestOff takes the way of a call when there are no traces: it allocates nothing.
func TestOff(t *testing.T) {
	var recorder *Recorder
	ctx := serverSpan(trace.FlagsSampled)
	allocated := testing.AllocsPerRun(100, func() {
		trail := recorder.Begin(ctx)
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
