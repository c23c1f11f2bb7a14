package upload

import (
	"context"
	"errors"
	"time"
)

// The causes by which a [Watch] ends its context.
var (
	// ErrSourceStalled: the source gave nothing for the limit.
	ErrSourceStalled = errors.New("no bytes came from the source of the file in time")
	// ErrStorageStalled: the storage took nothing, or did not answer, for the limit.
	ErrStorageStalled = errors.New("the storage neither took a byte nor answered in time")
)

// A Watch ends a context when an upload makes no progress for a while. It waits for one
// side at a time: the source until it gives bytes, the storage until it takes them.
type Watch struct {
	limit  time.Duration
	end    context.CancelCauseFunc
	source *time.Timer
	sink   *time.Timer
}

// NewWatch returns a watch that waits for neither side yet, and its context, a child of
// ctx. limit is how long either may stand still. Close must be called.
func NewWatch(ctx context.Context, limit time.Duration) (context.Context, *Watch) {
	ctx, end := context.WithCancelCause(ctx)
	w := &Watch{limit: limit, end: end}
	w.source = time.AfterFunc(limit, func() { end(ErrSourceStalled) })
	w.sink = time.AfterFunc(limit, func() { end(ErrStorageStalled) })
	w.Pause()
	return ctx, w
}

// Source waits for the source from now on.
func (w *Watch) Source() {
	w.sink.Stop()
	w.source.Reset(w.limit)
}

// Storage waits for the storage from now on.
func (w *Watch) Storage() {
	w.source.Stop()
	w.sink.Reset(w.limit)
}

// Pause waits for neither.
func (w *Watch) Pause() {
	w.source.Stop()
	w.sink.Stop()
}

// Close ends the context.
func (w *Watch) Close() {
	w.end(context.Canceled)
	w.Pause()
}
