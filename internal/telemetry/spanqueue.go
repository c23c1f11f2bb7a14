package telemetry

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// A spanQueue is a batch processor with its exporter that says what it drops, which the
// SDK's does not. It bounds the spans that wait or are being exported by the size of the
// processor's queue, so that the processor itself never finds its queue full.
type spanQueue struct {
	sdktrace.SpanProcessor

	limit   int64
	held    atomic.Int64 // spans that wait or are being exported
	full    atomic.Int64 // spans dropped because there was no room
	refused atomic.Int64 // spans that the exporter could not deliver
}

// newSpanQueue returns a queue before an exporter, as OTEL_BSP_* say.
func newSpanQueue(exporter sdktrace.SpanExporter) (*spanQueue, error) {
	q := &spanQueue{limit: sdktrace.DefaultMaxQueueSize}
	const variable = "OTEL_BSP_MAX_QUEUE_SIZE"
	if text := environment(variable); text != "" {
		size, err := strconv.Atoi(text)
		if err != nil || size < 1 {
			return nil, fmt.Errorf("%s: want a number above 0, not %q", variable, text)
		}
		q.limit = int64(size)
	}
	q.SpanProcessor = sdktrace.NewBatchSpanProcessor(counted{exporter, q}, sdktrace.WithMaxQueueSize(int(q.limit)))
	return q, nil
}

// OnEnd takes a span, or drops it where there is no room.
func (q *spanQueue) OnEnd(span sdktrace.ReadOnlySpan) {
	if !span.SpanContext().IsSampled() {
		return
	}
	if q.held.Add(1) > q.limit {
		q.held.Add(-1)
		q.full.Add(1)
		return
	}
	q.SpanProcessor.OnEnd(span)
}

// counted is the exporter of a queue.
type counted struct {
	sdktrace.SpanExporter

	queue *spanQueue
}

func (c counted) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	defer c.queue.held.Add(-int64(len(spans)))
	err := c.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		c.queue.refused.Add(int64(len(spans)))
	}
	return err //nolint:wrapcheck // it goes to the SDK, which reports it
}

// observeSpans makes the counter of what the queues dropped.
func observeSpans(provider metric.MeterProvider, queues []*spanQueue) error {
	if len(queues) == 0 {
		return nil
	}
	full, refused := metric.WithAttributes(ReasonKey.String("queue_full")), metric.WithAttributes(ReasonKey.String("export_failed"))
	_, err := provider.Meter(ScopeName).Int64ObservableCounter(droppedSpans, metric.WithUnit("{span}"),
		metric.WithDescription("Spans that never reached a collector: the queue was full, or the export failed."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			var noRoom, lost int64
			for _, q := range queues {
				noRoom += q.full.Load()
				lost += q.refused.Load()
			}
			o.Observe(noRoom, full)
			o.Observe(lost, refused)
			return nil
		}))
	if err != nil {
		return fmt.Errorf("make instruments: %w", err)
	}
	return nil
}
