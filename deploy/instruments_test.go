// Package deploy keeps what is deployed in step with the gateway: the metrics that the
// dashboard, the alerts and docs/operations.md name are those that there are, and every
// alert has its entry in the runbook.
package deploy

import (
	"context"
	"testing"

	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/mavera-gateway/mavera-gateway/internal/telemetry"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// An instrument is a metric as Prometheus sees it.
type instrument struct{ kind, help string }

// instruments are the gateway's own metrics by their names on /metrics.
func instruments(t *testing.T) map[string]instrument {
	t.Helper()
	made := recorder{t: t, instruments: map[string]instrument{}}
	if _, err := telemetry.NewInstruments(provider{recorder: made}); err != nil {
		t.Fatal(err)
	}
	if err := telemetry.ObserveState(provider{recorder: made}, func() resilience.Snapshot { return resilience.Snapshot{} }); err != nil {
		t.Fatal(err)
	}
	// Made by telemetry.Start itself, which takes no provider, where traces are exported.
	made.instruments["mavera_gateway_dropped_spans_total"] = instrument{kind: "counter", help: "Spans that never reached a collector: the queue was full, or the export failed."}
	return made.instruments
}

// A provider makes instruments that do nothing, and notes which.
type provider struct {
	noop.MeterProvider
	recorder
}

func (p provider) Meter(string, ...metric.MeterOption) metric.Meter {
	return meter{recorder: p.recorder}
}

type recorder struct {
	t           *testing.T
	instruments map[string]instrument
}

// note adds an instrument under the name that the page gives it.
func (r recorder) note(name, unit, help string, kind otlptranslator.MetricType) {
	r.t.Helper()
	namer := otlptranslator.MetricNamer{WithMetricSuffixes: true}
	onPage, err := namer.Build(otlptranslator.Metric{Name: name, Unit: unit, Type: kind})
	if err != nil {
		r.t.Fatal(err)
	}
	words := map[otlptranslator.MetricType]string{
		otlptranslator.MetricTypeMonotonicCounter: "counter", otlptranslator.MetricTypeGauge: "gauge", otlptranslator.MetricTypeHistogram: "histogram",
	}
	r.instruments[onPage] = instrument{kind: words[kind], help: help}
}

// A meter notes the kinds of instruments that the gateway has. One of another kind would
// be missed here; the end-to-end test with Prometheus finds it.
type meter struct {
	noop.Meter
	recorder
}

func (m meter) Int64Counter(name string, options ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	config := metric.NewInt64CounterConfig(options...)
	m.note(name, config.Unit(), config.Description(), otlptranslator.MetricTypeMonotonicCounter)
	return m.Meter.Int64Counter(name, options...)
}

func (m meter) Float64Counter(name string, options ...metric.Float64CounterOption) (metric.Float64Counter, error) {
	config := metric.NewFloat64CounterConfig(options...)
	m.note(name, config.Unit(), config.Description(), otlptranslator.MetricTypeMonotonicCounter)
	return m.Meter.Float64Counter(name, options...)
}

func (m meter) Float64Histogram(name string, options ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	config := metric.NewFloat64HistogramConfig(options...)
	m.note(name, config.Unit(), config.Description(), otlptranslator.MetricTypeHistogram)
	return m.Meter.Float64Histogram(name, options...)
}

func (m meter) Int64Histogram(name string, options ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	config := metric.NewInt64HistogramConfig(options...)
	m.note(name, config.Unit(), config.Description(), otlptranslator.MetricTypeHistogram)
	return m.Meter.Int64Histogram(name, options...)
}

func (m meter) Int64ObservableGauge(name string, options ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	config := metric.NewInt64ObservableGaugeConfig(options...)
	m.note(name, config.Unit(), config.Description(), otlptranslator.MetricTypeGauge)
	return m.Meter.Int64ObservableGauge(name, options...)
}

func (m meter) Int64ObservableCounter(name string, options ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	config := metric.NewInt64ObservableCounterConfig(options...)
	m.note(name, config.Unit(), config.Description(), otlptranslator.MetricTypeMonotonicCounter)
	return m.Meter.Int64ObservableCounter(name, options...)
}

// RegisterCallback takes the instruments as they are.
func (m meter) RegisterCallback(metric.Callback, ...metric.Observable) (metric.Registration, error) {
	return m.Meter.RegisterCallback(func(context.Context, metric.Observer) error { return nil })
}
