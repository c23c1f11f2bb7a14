package telemetry

import (
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace/noop"

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

// Tracing returns what makes the spans of calls; upstream gives attempts a context to be
// sent along. When no exporter for traces is set it is nil, or takes the callers'
// contexts upstream as they are.
func (t *Telemetry) Tracing(upstream bool) *tracing.Recorder {
	switch {
	case t.always != nil:
		return tracing.NewRecorder(tracing.Options{Sampled: t.TracerProvider, Always: t.always, Propagator: t.Propagator, Upstream: upstream})
	case upstream:
		return tracing.NewRecorder(tracing.Options{Sampled: t.TracerProvider, Always: t.TracerProvider, Propagator: t.Propagator})
	default:
		return nil
	}
}
