package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"

	"github.com/mavera-gateway/mavera-gateway/internal/tracing"
)

// TestCallMetrics records one of each kind and reads the series that count.
func TestCallMetrics(t *testing.T) {
	telemetry := mustStart(t, nil)
	defer shutDown(t, telemetry)
	i, err := NewInstruments(telemetry.MeterProvider)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	const rpc = "mavera.v1.PersonasService/GetPersona"
	i.RecordCall(ctx, rpc, codes.OK, time.Second)
	i.RecordCall(ctx, rpc, codes.OK, time.Second)
	i.RecordCall(ctx, rpc, codes.NotFound, time.Second)
	i.RecordCall(ctx, rpc, codes.Unavailable, time.Second)
	to := tracing.Target{Method: "GET", Template: "/personas/{id}", Server: "app.mavera.io", Port: 443}
	i.RecordAttempt(ctx, to, 200, "", time.Second)
	i.RecordAttempt(ctx, to, 503, "503", time.Second)
	i.RecordAttempt(ctx, to, 0, "connection_failed", time.Second)
	i.RecordGeneration(ctx, "chat", "mavera-1", "", time.Second)
	i.RecordGeneration(ctx, "chat", "mavera-9", "400", time.Second) // a model that failed is not learnt
	i.RecordGeneration(ctx, "invoke_agent", "", "", time.Second)
	i.RecordTokens(ctx, "chat", "mavera-1", 26, 0)
	i.RecordTokens(ctx, "chat", "mavera-1", 1, 20)

	i.RecordJob(ctx, "focus_groups", 75*time.Second)

	const chat = `gen_ai_operation_name="chat",gen_ai_provider_name="mavera",gen_ai_request_model=`
	want := []string{
		`gen_ai_client_operation_duration_seconds_count{` + chat + `"mavera-1"} 1`,
		`gen_ai_client_operation_duration_seconds_count{error_type="400",` + chat + `"_OTHER"} 1`,
		`gen_ai_client_operation_duration_seconds_count{gen_ai_operation_name="invoke_agent",gen_ai_provider_name="mavera"} 1`,
		`gen_ai_client_token_usage_sum{` + chat + `"mavera-1",gen_ai_token_type="input"} 27`,
		`gen_ai_client_token_usage_sum{` + chat + `"mavera-1",gen_ai_token_type="output"} 20`,
		`http_client_request_duration_seconds_count{error_type="503",http_request_method="GET",http_response_status_code="503",server_address="app.mavera.io",server_port="443",url_template="/personas/{id}"} 1`,
		`http_client_request_duration_seconds_count{error_type="connection_failed",http_request_method="GET",server_address="app.mavera.io",server_port="443",url_template="/personas/{id}"} 1`,
		`http_client_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",server_address="app.mavera.io",server_port="443",url_template="/personas/{id}"} 1`,
		`mavera_gateway_job_duration_seconds_count{family="focus_groups"} 1`,
		`mavera_gateway_job_duration_seconds_sum{family="focus_groups"} 75`,
		`rpc_server_call_duration_seconds_count{error_type="UNAVAILABLE",rpc_method="` + rpc + `",rpc_response_status_code="UNAVAILABLE",rpc_system_name="grpc"} 1`,
		`rpc_server_call_duration_seconds_count{rpc_method="` + rpc + `",rpc_response_status_code="NOT_FOUND",rpc_system_name="grpc"} 1`,
		`rpc_server_call_duration_seconds_count{rpc_method="` + rpc + `",rpc_response_status_code="OK",rpc_system_name="grpc"} 2`,
	}
	got := slices.Concat(
		scrape(t, telemetry, "gen_ai_client_operation_duration_seconds_count"), scrape(t, telemetry, "gen_ai_client_token_usage_sum"),
		scrape(t, telemetry, "http_client_request_duration_seconds_count"), scrape(t, telemetry, "rpc_server_call_duration_seconds_count"),
		scrape(t, telemetry, "mavera_gateway_job_duration_seconds_count"), scrape(t, telemetry, "mavera_gateway_job_duration_seconds_sum"),
	)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestCallersAreBounded charges more callers than are told apart.
func TestCallersAreBounded(t *testing.T) {
	telemetry := mustStart(t, nil)
	defer shutDown(t, telemetry)
	i, err := NewInstruments(telemetry.MeterProvider)
	if err != nil {
		t.Fatal(err)
	}
	for n := range maxCallers + 5 {
		i.AddCredits(t.Context(), "mave", fmt.Sprint("caller-", n), 1)
	}
	i.AddCredits(t.Context(), "mave", "caller-0", 1)
	i.AddCredits(t.Context(), "mave", strings.Repeat("x", maxLabel+1), 1)
	lines := scrape(t, telemetry, "mavera_gateway_credits_used_total")
	for _, want := range []string{
		`mavera_gateway_credits_used_total{caller="caller-0",family="mave"} 2`,
		`mavera_gateway_credits_used_total{caller="_OTHER",family="mave"} 6`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if len(lines) != maxCallers+1 {
		t.Errorf("%d series, want %d", len(lines), maxCallers+1)
	}
}

// TestExemplars shows the trace of a call beside its duration, to those who ask for
// OpenMetrics, and only when the call was chosen by the sampler.
func TestExemplars(t *testing.T) {
	telemetry := mustStart(t, nil)
	defer shutDown(t, telemetry)
	i, err := NewInstruments(telemetry.MeterProvider)
	if err != nil {
		t.Fatal(err)
	}
	in := func(id byte, flags trace.TraceFlags) context.Context {
		return trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{id}, SpanID: trace.SpanID{id}, TraceFlags: flags}))
	}
	i.RecordCall(in(1, trace.FlagsSampled), "a", codes.OK, time.Second)
	i.RecordCall(in(2, 0), "b", codes.OK, time.Second)
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	answer := httptest.NewRecorder()
	telemetry.Metrics.ServeHTTP(answer, request)
	var got []string
	for line := range strings.Lines(answer.Body.String()) {
		if _, exemplar, ok := strings.Cut(line, "# {"); ok && strings.HasPrefix(line, "rpc_server_call_duration_seconds_bucket") {
			labels := strings.Split(exemplar[:strings.LastIndex(exemplar, "}")], ",")
			slices.Sort(labels) // they come in any order
			got = append(got, strings.Join(labels, ","))
		}
	}
	want := []string{`span_id="0100000000000000",trace_id="01000000000000000000000000000000"`}
	if !slices.Equal(got, want) {
		t.Errorf("exemplars %q, want %q", got, want)
	}
}
