package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// start starts telemetry in an environment that has these OTEL_* variables
// and no others.
func start(t *testing.T, variables map[string]string) (*Telemetry, error) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
	for name, value := range variables {
		t.Setenv(name, value)
	}
	return Start(t.Context(), Options{Version: "v1.2.3", Logger: slog.New(slog.DiscardHandler)})
}

func mustStart(t *testing.T, variables map[string]string) *Telemetry {
	t.Helper()
	telemetry, err := start(t, variables)
	if err != nil {
		t.Fatal(err)
	}
	return telemetry
}

func shutDown(t *testing.T, telemetry *Telemetry) {
	t.Helper()
	if err := telemetry.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// scrape returns the lines of the metrics page that start with prefix.
func scrape(t *testing.T, telemetry *Telemetry, prefix string) []string {
	t.Helper()
	answer := httptest.NewRecorder()
	telemetry.Metrics.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		t.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	var lines []string
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func TestMetricsPage(t *testing.T) {
	telemetry := mustStart(t, map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "host.name=here"})
	defer shutDown(t, telemetry)
	instruments, err := NewInstruments(telemetry.MeterProvider)
	if err != nil {
		t.Fatal(err)
	}
	instruments.AddUnmodelledField(t.Context(), "mavera.v1.PersonasService/GetPersona", "data.tags", "field", 1)
	instruments.AddUnmodelledField(t.Context(), "mavera.v1.PersonasService/GetPersona", "data.tags", "field", 1)
	instruments.AddCredits(t.Context(), "mave", "tester", 12.5)
	instruments.AddCredits(t.Context(), "mave", "tester", -1)

	want := []string{
		`mavera_gateway_credits_used_total{caller="tester",family="mave"} 12.5`,
		`mavera_gateway_panics_total 0`,
		`mavera_gateway_unmodelled_fields_total{field="data.tags",kind="field",rpc="mavera.v1.PersonasService/GetPersona"} 2`,
	}
	if got := scrape(t, telemetry, "mavera_"); !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	target := scrape(t, telemetry, "target_info")
	if len(target) != 1 || !strings.Contains(target[0], `host_name="here",service_name="mavera-gateway",service_version="v1.2.3"`) {
		t.Errorf("target_info is %q", target)
	}
	for _, name := range []string{"go_goroutines ", "process_resident_memory_bytes ", "go_build_info{"} {
		if got := scrape(t, telemetry, name); len(got) != 1 {
			t.Errorf("%q is on the page %d times, want once", name, len(got))
		}
	}
}

func TestUnmodelledFieldsAreBounded(t *testing.T) {
	telemetry := mustStart(t, nil)
	defer shutDown(t, telemetry)
	instruments, err := NewInstruments(telemetry.MeterProvider)
	if err != nil {
		t.Fatal(err)
	}
	for i := range cardinalityLimit + 500 {
		instruments.AddUnmodelledField(t.Context(), "rpc", strings.Repeat("a", i), "field", 1)
	}
	lines := scrape(t, telemetry, "mavera_gateway_unmodelled_fields_total")
	if len(lines) != cardinalityLimit || !slices.Contains(lines, `mavera_gateway_unmodelled_fields_total{otel_metric_overflow="true"} 501`) {
		t.Errorf("%d series, the last is %s; want %d and one for the overflow", len(lines), lines[len(lines)-1], cardinalityLimit)
	}
}

func TestNothingIsExportedByDefault(t *testing.T) {
	for name, variables := range map[string]map[string]string{
		"empty environment": nil,
		"none":              {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none,prometheus", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
		"SDK disabled":      {"OTEL_SDK_DISABLED": "TRUE", "OTEL_TRACES_EXPORTER": "wrong", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			telemetry := mustStart(t, variables)
			defer shutDown(t, telemetry)
			if _, isNoop := telemetry.TracerProvider.(noop.TracerProvider); !isNoop {
				t.Errorf("spans go to a %T", telemetry.TracerProvider)
			}
			if len(telemetry.stop) != 1 {
				t.Errorf("%d providers run, want the one of the metrics page", len(telemetry.stop))
			}
		})
	}
}

func TestStartRefuses(t *testing.T) {
	const at = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tests := []struct {
		name      string
		variables map[string]string
		want      string
	}{
		{"trace exporter", map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, `start telemetry: OTEL_TRACES_EXPORTER: unknown exporter "zipkin"; want otlp, console or none`},
		{"metric exporter", map[string]string{"OTEL_METRICS_EXPORTER": "otlp,x"}, `start telemetry: OTEL_METRICS_EXPORTER: unknown exporter "x"; want otlp, console, prometheus or none`},
		{"protocol", map[string]string{at: "http://a", "OTEL_EXPORTER_OTLP_PROTOCOL": "udp"}, `start telemetry: make trace exporter: OTEL_EXPORTER_OTLP_PROTOCOL: unknown protocol "udp"; want grpc or http/protobuf`},
		{"endpoint without scheme", map[string]string{at: "localhost:4317"}, `start telemetry: make trace exporter: OTEL_EXPORTER_OTLP_ENDPOINT: want a URL such as http://localhost:4317`},
		{"endpoint for metrics", map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://"}, `start telemetry: make metric exporter: OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: want a URL such as http://localhost:4317`},
		{"propagator", map[string]string{"OTEL_PROPAGATORS": "tracecontext,b4"}, `start telemetry: OTEL_PROPAGATORS: unknown propagator: b4`},
		{"resource attributes", map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "a"}, `start telemetry: OTEL_RESOURCE_ATTRIBUTES: error detecting resource: partial resource: missing value: [a]`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := start(t, test.variables); err == nil || err.Error() != test.want {
				t.Errorf("error %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestProtocol(t *testing.T) {
	const all, traces = "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tests := []struct {
		name      string
		variables map[string]string
		want      string
	}{
		{"nothing set", nil, protocolHTTP},
		{"port of OTLP over HTTP", map[string]string{endpoint: "http://a:4318"}, protocolHTTP},
		{"port of OTLP over gRPC", map[string]string{endpoint: "http://a:4317"}, protocolGRPC},
		{"what is set wins over the port", map[string]string{endpoint: "http://a:4317", all: "http/protobuf"}, protocolHTTP},
		{"the signal's own variable wins", map[string]string{all: "http/protobuf", traces: "grpc"}, protocolGRPC},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, name := range []string{all, traces, endpoint} {
				t.Setenv(name, test.variables[name])
			}
			if got, err := otlpProtocol("TRACES"); got != test.want || err != nil {
				t.Errorf("%q (error %v), want %q", got, err, test.want)
			}
		})
	}
}

func TestPropagator(t *testing.T) {
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	for list, want := range map[string]propagation.MapCarrier{
		"":            {"traceparent": "00-01000000000000000000000000000000-0200000000000000-01"},
		"b3, baggage": {"b3": "01000000000000000000000000000000-0200000000000000-1"},
		"none":        {},
	} {
		telemetry := mustStart(t, map[string]string{"OTEL_PROPAGATORS": list})
		got := propagation.MapCarrier{}
		telemetry.Propagator.Inject(trace.ContextWithSpanContext(t.Context(), parent), got)
		shutDown(t, telemetry)
		if len(got) != len(want) || got["traceparent"] != want["traceparent"] || got["b3"] != want["b3"] {
			t.Errorf("OTEL_PROPAGATORS=%q: headers %v, want %v", list, got, want)
		}
	}
}

// collector is an OTLP collector that keeps what it gets.
type collector struct {
	coltrace.UnimplementedTraceServiceServer
	metrics collectedMetrics
	traces  chan *coltrace.ExportTraceServiceRequest
}

type collectedMetrics struct {
	colmetrics.UnimplementedMetricsServiceServer
	got chan *colmetrics.ExportMetricsServiceRequest
}

func (c *collector) Export(_ context.Context, request *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	c.traces <- request
	return &coltrace.ExportTraceServiceResponse{}, nil
}

func (c *collectedMetrics) Export(_ context.Context, request *colmetrics.ExportMetricsServiceRequest) (*colmetrics.ExportMetricsServiceResponse, error) {
	c.got <- request
	return &colmetrics.ExportMetricsServiceResponse{}, nil
}

// collect starts a collector and returns it with its endpoint.
func collect(t *testing.T) (*collector, string) {
	t.Helper()
	collector := &collector{
		traces:  make(chan *coltrace.ExportTraceServiceRequest, 10),
		metrics: collectedMetrics{got: make(chan *colmetrics.ExportMetricsServiceRequest, 10)},
	}
	server := grpc.NewServer()
	coltrace.RegisterTraceServiceServer(server, collector)
	colmetrics.RegisterMetricsServiceServer(server, &collector.metrics)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return collector, "http://" + listener.Addr().String()
}

func TestExportOverGRPC(t *testing.T) {
	collector, endpoint := collect(t)
	telemetry := mustStart(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
		"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,service.name=mine",
	})
	_, span := telemetry.TracerProvider.Tracer(ScopeName).Start(t.Context(), "GetPersona", trace.WithAttributes(attribute.String("family", "personas")))
	span.End()
	instruments, err := NewInstruments(telemetry.MeterProvider)
	if err != nil {
		t.Fatal(err)
	}
	instruments.AddCredits(t.Context(), "mave", "tester", 3)
	shutDown(t, telemetry) // sends both

	spans := (<-collector.traces).GetResourceSpans()
	if len(spans) != 1 || spans[0].GetScopeSpans()[0].GetSpans()[0].GetName() != "GetPersona" {
		t.Errorf("spans %v, want GetPersona", spans)
	}
	about := map[string]string{}
	for _, attribute := range spans[0].GetResource().GetAttributes() {
		about[attribute.GetKey()] = attribute.GetValue().GetStringValue()
	}
	if about["service.name"] != "mine" || about["service.version"] != "v1.2.3" || about["deployment.environment.name"] != "test" || about["host.name"] == "" {
		t.Errorf("resource %v", about)
	}
	metrics := (<-collector.metrics.got).GetResourceMetrics()
	got := map[string]string{}
	for _, metric := range metrics[0].GetScopeMetrics()[0].GetMetrics() {
		for _, point := range metric.GetSum().GetDataPoints() {
			key := metric.GetName()
			for _, attribute := range point.GetAttributes() {
				key += " " + attribute.GetValue().GetStringValue()
			}
			got[key] = fmt.Sprint(point.GetAsDouble(), point.GetAsInt(), " ", metric.GetUnit())
		}
	}
	want := map[string]string{
		"mavera.gateway.credits_used tester mave": "3 0 {credit}", "mavera.gateway.panics": "0 0 {panic}",
		"mavera.gateway.dropped_spans queue_full": "0 0 {span}", "mavera.gateway.dropped_spans export_failed": "0 0 {span}",
	}
	if !maps.Equal(got, want) {
		t.Errorf("metrics %v\nwant %v", got, want)
	}
}

func TestExportOverHTTP(t *testing.T) {
	paths := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		paths <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type")
	}))
	telemetry := mustStart(t, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": server.URL + "/v1/traces"})
	_, span := telemetry.TracerProvider.Tracer(ScopeName).Start(t.Context(), "GetPersona")
	span.End()
	shutDown(t, telemetry)
	server.Close()
	close(paths)
	var got []string
	for path := range paths {
		got = append(got, path)
	}
	// The endpoint is that of traces alone, so no metrics are sent.
	if want := []string{"POST /v1/traces application/x-protobuf"}; !slices.Equal(got, want) {
		t.Errorf("requests %q, want %q", got, want)
	}
}

// TestCollectorDown uses a port on which nothing listens: a call is not held
// up, and the shutdown ends with its context.
func TestCollectorDown(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []string{protocolGRPC, protocolHTTP} {
		t.Run(protocol, func(t *testing.T) {
			// Waits until the SDK has given up, so that no other test gets its
			// errors.
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			telemetry := mustStart(t, map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
				// What the SDK is still trying when the test is over ends soon.
				"OTEL_BSP_EXPORT_TIMEOUT": "100", "OTEL_METRIC_EXPORT_TIMEOUT": "100", "OTEL_BSP_MAX_QUEUE_SIZE": "512",
			})
			tracer := telemetry.TracerProvider.Tracer(ScopeName)
			began := time.Now()
			for range 10_000 { // many times the queue
				_, span := tracer.Start(t.Context(), "GetPersona")
				span.End()
			}
			// Far above what it takes, far below one wait for a connection.
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("10,000 spans took %v", took)
			}
			// Shorter than the last export over gRPC, which tries for its 100 ms;
			// over HTTP a refused connection is the end of it.
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			if err := telemetry.Shutdown(ctx); err == nil {
				t.Error("the shutdown reports no error")
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("spans and shutdown took %v", took)
			}
		})
	}
}
