package telemetry

import (
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc/stats"

	"github.com/mavera-gateway/mavera-gateway/internal/tracing"
)

// startTraces makes two providers with the same exporters: one whose sampler
// OTEL_TRACES_SAMPLER chooses, and one that records everything it is given.
func (t *Telemetry) startTraces(about *resource.Resource, exporters []sdktrace.SpanExporter) error {
	if len(exporters) == 0 {
		t.TracerProvider = noop.NewTracerProvider()
		return nil
	}
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(about)}
	for _, exporter := range exporters {
		queue, err := newSpanQueue(exporter)
		if err != nil {
			return err
		}
		t.queues = append(t.queues, queue)
		options = append(options, sdktrace.WithSpanProcessor(queue))
	}
	provider := sdktrace.NewTracerProvider(options...)
	t.TracerProvider = provider
	t.stop = append(t.stop, provider.Shutdown) // the queues are stopped once, with the first
	t.always = sdktrace.NewTracerProvider(append(options, sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithIDGenerator(tracing.IDs{}))...)
	return nil
}

// Upstream returns what writes trace contexts into the requests of attempts, nil when
// that is off.
func (t *Telemetry) Upstream(on bool) propagation.TextMapPropagator {
	if !on {
		return nil
	}
	return t.Propagator
}

// ownServices is how the methods of our services begin. Probes and reflection are not
// traced: they come every few seconds and tell nothing.
const ownServices = "/mavera."

// Tracing returns what makes the spans of calls, and what continues the trace contexts
// of callers with those of RPCs. upstream gives attempts a context to be sent along.
// When no exporter for traces is set there is no recorder, and a handler only to take
// the callers' contexts upstream as they are.
func (t *Telemetry) Tracing(upstream bool) (*tracing.Recorder, []stats.Handler) {
	var recorder *tracing.Recorder
	switch {
	case t.always != nil:
		recorder = tracing.NewRecorder(tracing.Options{Sampled: t.TracerProvider, Always: t.always, Propagator: t.Propagator, Upstream: upstream})
	case !upstream:
		return nil, nil
	}
	return recorder, []stats.Handler{otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(t.TracerProvider),
		otelgrpc.WithPropagators(t.Propagator),
		// The server measures its calls itself, whether there are spans or not.
		otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelgrpc.WithFilter(func(info *stats.RPCTagInfo) bool { return strings.HasPrefix(info.FullMethodName, ownServices) }),
	)}
}
