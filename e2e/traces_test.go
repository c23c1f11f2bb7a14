//go:build e2e

package e2e

import (
	order "cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// The caller's span, in a trace of each test's own, with the flag for sampled or not.
const (
	callerSpan = "b7ad6b7169203331"
	sampled    = "-" + callerSpan + "-01"
	unsampled  = "-" + callerSpan + "-00"
)

// newTrace makes a trace id as the header traceparent begins with it.
func newTrace() string {
	return fmt.Sprintf("00-%016x%016x", rand.Uint64()|1, rand.Uint64())
}

// TestTraces reads back through a real Jaeger what becomes of calls, span by span.
func TestTraces(t *testing.T) {
	j := startJaeger(t)
	tests := []struct {
		name    string
		environ []string
		spans   int
		calls   func(ctx context.Context, m *mavera, g *gateway)
	}{
		{
			name: "retried", spans: 5, // the server, the exchange, three attempts
			calls: func(ctx context.Context, m *mavera, g *gateway) {
				m.fault("POST /responses", object{"status": 503, "times": 2})
				if _, err := g.responses.CreateResponse(with(ctx, "traceparent", newTrace()+sampled), &maverav1.CreateResponseRequest{Model: "mavera-1", PersonaId: new(personaID), Input: question()}); err != nil {
					t.Error(err)
				}
			},
		},
		{
			// Neither the caller nor the sampler wants traces; the call before, which went
			// well, leaves none.
			name: "refused", spans: 5, environ: []string{"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0", "GATEWAY_RETRY_ATTEMPTS=1", "GATEWAY_BREAKER_FAILURES=1"},
			calls: func(ctx context.Context, m *mavera, g *gateway) {
				if o := g.getPersona(ctx, personaID); o.err != nil {
					t.Error(o.err)
				}
				m.fault("GET /personas/{id}", object{"status": 503})
				parent := newTrace() + unsampled
				for range 2 {
					if o := g.getPersona(with(ctx, "traceparent", parent), personaID); statusOf(o.err) != codes.Unavailable {
						t.Error(o.err)
					}
				}
			},
		},
		{
			name: "queued", spans: 7, environ: []string{"GATEWAY_MAVE_SLOTS=1"},
			calls: func(ctx context.Context, m *mavera, g *gateway) {
				m.fault("POST /mave/chat", object{"delay": "300ms"})
				var both sync.WaitGroup
				ask := func() {
					both.Go(func() {
						if _, err := g.mave.SendMaveMessage(ctx, &maverav1.SendMaveMessageRequest{Message: "Which label do you trust?"}); err != nil {
							t.Error(err)
						}
					})
				}
				ask()
				m.awaitRequest("sendMaveMessage")
				ask()
				both.Wait()
			},
		},
		{
			name: "stream", spans: 3,
			calls: func(ctx context.Context, _ *mavera, g *gateway) {
				stream, err := g.responses.StreamResponse(ctx, &maverav1.StreamResponseRequest{
					Model: "mavera-1", PersonaId: new(personaID), Input: question(),
				})
				if err != nil {
					t.Fatal(err)
				}
				for err == nil {
					_, err = stream.Recv()
				}
				if !errors.Is(err, io.EOF) {
					t.Error(err)
				}
			},
		},
		{
			name: "watch", spans: 6, // the group's creation, the watch, and a poll in a trace of its own
			calls: func(ctx context.Context, _ *mavera, g *gateway) {
				group, err := g.groups.CreateFocusGroup(ctx, &maverav1.CreateFocusGroupRequest{
					WorkspaceId: new(workspaceID), Name: new("Bottle test"), PersonaIds: []string{personaID}, SampleSize: new(int32(10)),
					Questions: []*maverav1.FocusGroupQuestion{{Id: new("q1"), Type: new("NPS"), Question: new("Would you recommend it?")}},
				})
				if err != nil {
					t.Fatal(err)
				}
				stream, err := g.groups.WatchFocusGroup(ctx, &maverav1.WatchFocusGroupRequest{Id: group.GetId()})
				if err != nil {
					t.Fatal(err)
				}
				for err == nil {
					_, err = stream.Recv()
				}
				if !errors.Is(err, io.EOF) {
					t.Error(err)
				}
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := startMavera(t)
			g := launchTraced(t, m, j.otlp, append(test.environ, "OTEL_SERVICE_NAME="+test.name)...)
			test.calls(with(within(t), "x-request-id", "r-1", "x-caller-id", "tester"), m, g)
			expectTraces(t, test.name, j.traces(t, test.name, test.spans))
		})
	}
}

// launchTraced starts a gateway that sends its traces, and nothing else, to a collector.
func launchTraced(t *testing.T, m *mavera, collector string, environ ...string) *gateway {
	t.Helper()
	return launch(t, append([]string{
		"MAVERA_API_KEY=" + simulator.DemoKey, "MAVERA_BASE_URL=" + m.base.String(),
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + collector, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_METRICS_EXPORTER=none", "OTEL_BSP_SCHEDULE_DELAY=50",
	}, environ...))
}

func question() *maverav1.ResponseInput {
	return &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: "Which slogan would you trust?"}}
}

// expectTraces compares the traces of a service with the expected ones.
func expectTraces(t *testing.T, name string, traces map[string][]*jaegerSpan) {
	t.Helper()
	var all []*jaegerSpan
	for _, spans := range traces {
		all = append(all, spans...)
	}
	got := tree(all)
	path := filepath.Join("testdata", "traces", name+".golden")
	if update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("-want +got (go test -tags e2e -update ./e2e writes it):\n%s", diff)
	}
}

// TestTraceContextUpstream reads what Mavera is told of the caller's trace: nothing,
// unless it is asked for; then each attempt tells its own span.
func TestTraceContextUpstream(t *testing.T) {
	m, j := startMavera(t), startJaeger(t)
	const ask = "--propagate-trace-upstream"
	w3c, b3, baggage := newTrace(), newTrace(), "user=42"

	send := func(g *gateway, pairs ...string) {
		t.Helper()
		m.forget()
		m.fault("GET /personas/{id}", object{"status": 503})
		if o := g.getPersona(with(within(t), append(pairs, "baggage", baggage)...), personaID); o.err != nil {
			t.Error(o.err)
		}
	}
	headers := func() (found []string) {
		for _, r := range m.requests() {
			found = append(found, r.Header.Get("Traceparent")+r.Header.Get("B3")+r.Header.Get("Baggage"))
		}
		return found
	}

	send(launchTraced(t, m, j.otlp, "OTEL_SERVICE_NAME=silent"), "traceparent", newTrace()+sampled)
	if diff := cmp.Diff([]string{"", ""}, headers()); diff != "" {
		t.Errorf("not asked for, -want +got:\n%s", diff)
	}

	send(launchTraced(t, m, j.otlp, "OTEL_SERVICE_NAME=upstream", "GATEWAY_PROPAGATE_TRACE_UPSTREAM=true"), "traceparent", w3c+sampled)
	var want []string
	for _, spans := range j.traces(t, "upstream", 4) {
		slices.SortFunc(spans, func(a, b *jaegerSpan) int { return order.Compare(a.StartTime, b.StartTime) })
		for _, span := range spans {
			if span.OperationName == "GET /personas/{id}" {
				want = append(want, w3c+"-"+span.SpanID+"-01")
			}
		}
	}
	if diff := cmp.Diff(want, headers()); diff != "" || len(want) != 2 {
		t.Errorf("asked for, -want +got:\n%s", diff)
	}

	// Without an exporter the caller's context goes on as it is; here in another form.
	single := strings.TrimPrefix(b3, "00-") + "-" + callerSpan + "-1"
	send(startGateway(t, m.base, ask), "traceparent", w3c+sampled)
	if diff := cmp.Diff([]string{w3c + sampled, w3c + sampled}, headers()); diff != "" {
		t.Errorf("without an exporter, -want +got:\n%s", diff)
	}
	send(launchTraced(t, m, j.otlp, "OTEL_TRACES_EXPORTER=none", "OTEL_PROPAGATORS=b3", "GATEWAY_PROPAGATE_TRACE_UPSTREAM=true"), "b3", single)
	if diff := cmp.Diff([]string{single, single}, headers()); diff != "" {
		t.Errorf("as B3, -want +got:\n%s", diff)
	}
}

// TestDeadCollector traces to an address at which nobody listens: calls do not notice,
// and what is dropped is counted.
func TestDeadCollector(t *testing.T) {
	m := startMavera(t)
	g := launchTraced(t, m, freePort(t), "OTEL_BSP_MAX_QUEUE_SIZE=8", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=8", "OTEL_BSP_EXPORT_TIMEOUT=500")
	for range 20 {
		if o := g.getPersona(within(t), personaID); o.err != nil {
			t.Fatal(o.err)
		}
	}
	// Of 60 spans 8 wait or are given up, and the others find no room.
	eventually(t, "the spans to be given up", func() bool {
		_, metrics := g.page("/metrics")
		full := number(t, sample(metrics, "mavera_gateway_dropped_spans_total", "queue_full"))
		failed := number(t, sample(metrics, "mavera_gateway_dropped_spans_total", "export_failed"))
		return full > 0 && failed > 0 && full+failed == 60
	})
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCallMetrics reads what one answer, with a retry, leaves on the metrics page.
func TestCallMetrics(t *testing.T) {
	m, g := pair(t)
	m.fault("POST /responses", object{"status": 503})
	if _, err := g.responses.CreateResponse(with(within(t), "x-caller-id", "tester"), &maverav1.CreateResponseRequest{Model: "mavera-1", PersonaId: new(personaID), Input: question()}); err != nil {
		t.Fatal(err)
	}
	_, metrics := g.page("/metrics")
	for _, want := range []struct {
		value string
		parts []string
	}{
		{"1", []string{"rpc_server_call_duration_seconds_count{", `rpc_method="mavera.v1.ResponsesService/CreateResponse"`, `rpc_response_status_code="OK"`}},
		{"1", []string{"http_client_request_duration_seconds_count{", `error_type="503"`, `url_template="/responses"`, `server_address="127.0.0.1"`}},
		{"1", []string{"http_client_request_duration_seconds_count{", `http_response_status_code="200"`, `http_request_method="POST"`}},
		{"1", []string{"gen_ai_client_operation_duration_seconds_count{", `gen_ai_operation_name="chat"`, `gen_ai_request_model="mavera-1"`}},
		{"26", []string{"gen_ai_client_token_usage_sum{", `gen_ai_token_type="input"`}},
		{"1", []string{"mavera_gateway_credits_used_total{", `caller="tester"`, `family="responses"`}},
		{"1", []string{"go_build_info{"}},
	} {
		if got := sample(metrics, want.parts...); got != want.value {
			t.Errorf("%q is %q, want %s", want.parts, got, want.value)
		}
	}
}
