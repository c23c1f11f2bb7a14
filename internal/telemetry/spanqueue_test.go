package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// A gate is an exporter that holds every batch until it is told what to do with it.
type gate struct{ answers chan error }

func (g gate) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return <-g.answers }
func (gate) Shutdown(context.Context) error                               { return nil }

// TestSpanQueue fills a queue of 8 while its exporter holds the first batch.
func TestSpanQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
		t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
		otel.SetErrorHandler(&errorLog{logger: slog.New(slog.DiscardHandler)})
		exporter := gate{make(chan error)}
		queue, err := newSpanQueue(exporter)
		if err != nil {
			t.Fatal(err)
		}
		reader := metric.NewManualReader()
		if err := observeSpans(metric.NewMeterProvider(metric.WithReader(reader)), []*spanQueue{queue}); err != nil {
			t.Fatal(err)
		}
		tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(queue)).Tracer("")
		steps := []struct {
			name         string
			spans        int
			answer       error // to the batch that is held
			answers      bool
			full, failed int64
		}{
			{"four make a batch, four more wait", 8, nil, false, 0, 0},
			{"there is no room", 3, nil, false, 3, 0},
			{"the first batch arrives, and makes room for four", 0, nil, true, 3, 0},
			{"one too many", 5, nil, false, 4, 0},
			{"a batch is lost", 0, errors.New("down"), true, 4, 4},
			{"and there is room again", 4, nil, false, 4, 4},
		}
		for _, step := range steps {
			if step.answers {
				exporter.answers <- step.answer
			}
			synctest.Wait()
			for range step.spans {
				_, span := tracer.Start(t.Context(), "GetPersona")
				span.End()
				synctest.Wait()
			}
			if full, failed := dropped(t, reader); full != step.full || failed != step.failed {
				t.Errorf("%s: dropped %d and %d, want %d and %d", step.name, full, failed, step.full, step.failed)
			}
		}
		close(exporter.answers)
		if err := queue.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// dropped reads the counter: for want of room, and by failed exports.
func dropped(t *testing.T, reader metric.Reader) (full, failed int64) {
	t.Helper()
	var metrics metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &metrics); err != nil {
		t.Fatal(err)
	}
	sum, ok := metrics.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64])
	if !ok {
		t.Fatalf("the counter is %T", metrics.ScopeMetrics[0].Metrics[0].Data)
	}
	for _, point := range sum.DataPoints {
		switch reason, _ := point.Attributes.Value(ReasonKey); reason.AsString() {
		case "queue_full":
			full = point.Value
		case "export_failed":
			failed = point.Value
		}
	}
	return full, failed
}

func TestSpanQueueSize(t *testing.T) {
	for text, want := range map[string]string{
		"0":   `OTEL_BSP_MAX_QUEUE_SIZE: want a number above 0, not "0"`,
		"lot": `OTEL_BSP_MAX_QUEUE_SIZE: want a number above 0, not "lot"`,
	} {
		t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", text)
		if _, err := newSpanQueue(gate{}); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
