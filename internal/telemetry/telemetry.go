// Package telemetry sets up OpenTelemetry: what the gateway tells about itself
// and where it goes.
//
// Metrics are always there for Prometheus to fetch, from [Telemetry.Metrics].
// Traces, and metrics over OTLP, are sent only when OpenTelemetry's own
// environment says so: OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER or an
// OTEL_EXPORTER_OTLP_ENDPOINT. All the other variables that the Go SDK knows
// (sampler, batch sizes, headers, certificates, resource attributes) hold as
// they are documented by OpenTelemetry.
//
// A collector that is down costs spans and points, never a call: exporters
// connect and send in the background, their errors are logged once a minute, and
// the spans that were dropped are counted. What is wrong in the environment is an error at start.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// ServiceName is the resource attribute service.name, unless
// OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES sets another.
const ServiceName = "mavera-gateway"

// Options are the things that Start can't find out for itself.
type Options struct {
	// Version is the resource attribute service.version; left out when empty.
	Version string
	// Logger gets the errors of exporters.
	Logger *slog.Logger
}

// Telemetry is a running OpenTelemetry set-up. Its providers are handed to
// whoever measures; none of them becomes a global of package otel.
type Telemetry struct {
	// TracerProvider records nothing when no exporter for traces is set; the
	// trace context of callers is passed on all the same.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	Propagator     propagation.TextMapPropagator
	// Metrics serves all metrics, those of the Go runtime and the process
	// among them, in the formats of Prometheus.
	Metrics http.Handler

	always trace.TracerProvider // records what the sampler would not; nil when no exporter for traces is set
	queues []*spanQueue
	stop   []func(context.Context) error
}

// Start reads the environment, makes the providers and starts their exporters.
// It does not wait for a connection. It fails when a variable names an unknown
// exporter, protocol or propagator, or when an endpoint or a resource attribute
// is malformed; the error names the variable.
//
// Start redirects the error handler and the logger of package otel to
// options.Logger: the SDK reports failed exports nowhere else.
//
// With OTEL_SDK_DISABLED=true nothing is exported. The metrics page stays: it
// is part of the gateway's own admin pages.
func Start(ctx context.Context, options Options) (*Telemetry, error) {
	otel.SetErrorHandler(&errorLog{logger: options.Logger})
	otel.SetLogger(logr.FromSlogHandler(options.Logger.Handler()))

	about, err := describe(ctx, options.Version)
	if err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}
	propagator, err := propagator()
	if err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}
	var spans []sdktrace.SpanExporter
	var metrics []sdkmetric.Exporter
	if !sdkDisabled() {
		if spans, err = spanExporters(ctx); err != nil {
			return nil, fmt.Errorf("start telemetry: %w", err)
		}
		if metrics, err = metricExporters(ctx); err != nil {
			return nil, fmt.Errorf("start telemetry: %w", err)
		}
	}
	telemetry := &Telemetry{Propagator: propagator}
	if err := telemetry.startTraces(about, spans); err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}
	if err := telemetry.startMetrics(about, metrics, options.Logger); err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}
	return telemetry, nil
}

// Shutdown sends what has not been sent and stops the exporters. It returns
// when that is done or ctx ends; a collector that is down takes all the time
// that ctx allows. A ctx that has already ended stops nothing.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	errs := make([]error, len(t.stop))
	var stopping sync.WaitGroup
	for i, stop := range t.stop {
		stopping.Go(func() { errs[i] = stop(ctx) })
	}
	stopping.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop telemetry: %w", err)
	}
	return nil
}

// describe returns the resource: who sends the telemetry. What the operator
// sets in the environment wins.
func describe(ctx context.Context, version string) (*resource.Resource, error) {
	attributes := resource.WithAttributes(semconv.ServiceName(ServiceName))
	if version != "" {
		attributes = resource.WithAttributes(semconv.ServiceName(ServiceName), semconv.ServiceVersion(version))
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), attributes, resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return about, nil
}

func (t *Telemetry) startMetrics(about *resource.Resource, exporters []sdkmetric.Exporter, logger *slog.Logger) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	page, err := promexporter.New(
		promexporter.WithRegisterer(registry),
		promexporter.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes),
		// The scope would be three more labels on every series and tells no two
		// of ours apart.
		promexporter.WithoutScopeInfo(),
	)
	if err != nil {
		return fmt.Errorf("make metrics page: %w", err)
	}
	options := []sdkmetric.Option{
		sdkmetric.WithResource(about),
		sdkmetric.WithReader(page),
		sdkmetric.WithCardinalityLimit(cardinalityLimit),
	}
	for _, exporter := range exporters {
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)))
	}
	provider := sdkmetric.NewMeterProvider(options...)
	t.MeterProvider = provider
	t.Metrics = promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
	})
	t.stop = append(t.stop, provider.Shutdown)
	return observeSpans(provider, t.queues)
}
