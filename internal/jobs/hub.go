package jobs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"
)

// A View is a job as an answer shows it, whole.
type View struct {
	Job

	// Wire is the object. Any difference of it is a change, be it only of a time at
	// which the job was touched: what matters in it is the watcher's to say. It must not
	// be changed.
	Wire []byte
}

// A Subject is a job that can be watched.
type Subject struct {
	// Ask asks Mavera for the job; sends is how many requests that took. first says that
	// somebody waits for the answer, who came first; later there are polls.
	Ask func(ctx context.Context, first bool) (view View, sends int, err error)
	// Retry says of an error of Ask whether the job is to be asked for again, and how
	// long not before. Else the error is the end of the watch.
	Retry func(err error) (pause time.Duration, again bool)
	// Interval is between polls, Pace that of all polls of the key.
	Interval Interval
	Pace     *Pace
	// Logger says which job it is.
	Logger *slog.Logger
}

// ErrClosed ends a watch when its hub is closed.
var ErrClosed = errors.New("jobs are not watched any more")

// A Result is what a poll brought.
type Result string

// The results of polls.
const (
	Changed   Result = "changed"
	Unchanged Result = "unchanged"
	Failed    Result = "failed"
)

// HubOptions configure a [Hub]. Random is required.
type HubOptions[K comparable] struct {
	// Random returns a number in [0,1): the jitter.
	Random func() float64
	// Polled is told what each poll of a job brought; nil for nobody.
	Polled func(K, Result)
	// Left is told that a job is not watched any more; nil for nobody.
	Left func(K)
}

// A Hub shows jobs to those who watch them. Keys tell jobs apart: what different keys
// of Mavera's show of a job is not shared, so they are part of K.
//
// Only the latest view of a job is kept, however many watch it and however slowly they
// look. It is safe for concurrent use.
type Hub[K comparable] struct {
	options HubOptions[K]
	pollers sync.WaitGroup

	mu     sync.Mutex
	topics map[K]*topic // Those that are polled. Guarded by mu.
	closed bool         // Guarded by mu.
}

// A topic is a job while it is watched. All of it but the subject, and what is said
// otherwise, is guarded by the hub's mu.
type topic struct {
	subject Subject
	stop    context.CancelFunc // ends its poller; set before there is one
	woken   chan struct{}      // has one when the job is to be asked for soon

	watchers int
	view     View
	version  int           // of the view; 0: there is none
	askedAt  time.Time     // when the view was asked for
	sends    int           // requests of all polls
	changed  chan struct{} // closed, and replaced, with every version; closed for good at the end
	over     bool
	err      error // why it is over; nil: the job is
}

// NewHub returns a hub that watches nothing yet.
func NewHub[K comparable](options HubOptions[K]) *Hub[K] {
	return &Hub[K]{options: options, topics: map[K]*topic{}}
}

// Watch begins to watch a job. The subject is used where nobody else watches it. The
// watch is to be closed.
func (h *Hub[K]) Watch(key K, subject Subject) *Watch[K] {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[key]
	if t == nil {
		t = h.open(key, subject)
	}
	t.watchers++
	return &Watch[K]{hub: h, key: key, topic: t, sends: t.sends}
}

// open begins to poll a job.
func (h *Hub[K]) open(key K, subject Subject) *topic {
	t := &topic{subject: subject, woken: make(chan struct{}, 1), changed: make(chan struct{})}
	if h.closed {
		t.over, t.err = true, ErrClosed
		close(t.changed)
		return t
	}
	ctx, stop := context.WithCancel(context.Background()) // no call's: others may watch on
	t.stop = stop
	h.topics[key] = t
	h.pollers.Go(func() {
		defer stop()
		(&poller[K]{hub: h, key: key, topic: t}).run(ctx)
	})
	return t
}

// Watching reports whether a job is watched.
func (h *Hub[K]) Watching(key K) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.topics[key] != nil
}

// Len returns how many jobs are watched.
func (h *Hub[K]) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.topics)
}

// Wake says that something may have happened to a job: it is asked for soon, if it is
// watched.
func (h *Hub[K]) Wake(key K) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.topics[key]; t != nil {
		select {
		case t.woken <- struct{}{}:
		default:
		}
	}
}

// Show gives watchers what another call that was sent at askedAt has shown of a job.
func (h *Hub[K]) Show(key K, askedAt time.Time, view View) {
	h.mu.Lock()
	t := h.topics[key]
	if t != nil {
		h.publish(key, t, askedAt, view)
	}
	left := t != nil && t.over
	h.mu.Unlock()
	if left {
		h.left(key)
	}
}

// All returns how many watch each job.
func (h *Hub[K]) All() map[K]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	watchers := make(map[K]int, len(h.topics))
	for key, t := range h.topics {
		watchers[key] = t.watchers
	}
	return watchers
}

// Close ends all watches, those to come too, with [ErrClosed], and returns when nothing
// is polled any more.
func (h *Hub[K]) Close() {
	h.mu.Lock()
	h.closed = true
	for key, t := range h.topics {
		h.finish(key, t, ErrClosed)
	}
	h.mu.Unlock()
	h.pollers.Wait()
}

// publish keeps a view, and ends the topic with one that is final. A view that was
// asked for before the one that is kept is old news. h is locked.
func (h *Hub[K]) publish(key K, t *topic, askedAt time.Time, view View) Result {
	if t.over || askedAt.Before(t.askedAt) {
		return Unchanged
	}
	t.askedAt = askedAt
	result := Unchanged
	if t.version == 0 || !bytes.Equal(t.view.Wire, view.Wire) {
		t.view, result = view, Changed
		t.version++
	}
	switch {
	case view.State == Final:
		h.finish(key, t, nil)
	case result == Changed:
		close(t.changed)
		t.changed = make(chan struct{})
	}
	return result
}

// finish ends a topic and its poller. h is locked.
func (h *Hub[K]) finish(key K, t *topic, err error) {
	if t.over {
		return
	}
	t.over, t.err = true, err
	close(t.changed)
	t.stop()
	delete(h.topics, key)
}

// left tells that a job is not watched any more. h is not locked.
func (h *Hub[K]) left(key K) {
	if h.options.Left != nil {
		h.options.Left(key)
	}
}

// A Watch is one watcher's place at a job. It is for one goroutine.
type Watch[K comparable] struct {
	hub     *Hub[K]
	key     K
	topic   *topic
	version int // the last that was seen
	sends   int // before this watch
	closed  bool
}

// Next returns the latest view that was not returned yet, and waits for one if there is
// none. Views between are left out. After the view of a job that is over the error is
// [io.EOF]. It is the error of the subject that ended the watch, [ErrClosed], or the cause
// of ctx.
func (w *Watch[K]) Next(ctx context.Context) (View, error) {
	for {
		view, news, changed, err := w.look()
		if news || err != nil {
			return view, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return View{}, context.Cause(ctx)
		}
	}
}

// look returns what there is to be seen; changed is closed when there is more.
func (w *Watch[K]) look() (view View, news bool, changed <-chan struct{}, err error) {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	t := w.topic
	switch {
	case t.version != w.version:
		w.version = t.version
		return t.view, true, nil, nil
	case t.over && t.err == nil:
		return View{}, false, nil, io.EOF
	default:
		return View{}, false, t.changed, t.err
	}
}

// Sends returns how many requests the polls have taken that were over since the watch
// began.
func (w *Watch[K]) Sends() int {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	return w.topic.sends - w.sends
}

// Close ends the watch. The last one of a job ends its poller: the poll that is under
// way is cancelled.
func (w *Watch[K]) Close() {
	h := w.hub
	h.mu.Lock()
	last := false
	if !w.closed {
		w.closed = true
		w.topic.watchers--
		last = w.topic.watchers == 0 && !w.topic.over
		if last {
			h.finish(w.key, w.topic, context.Canceled)
		}
	}
	h.mu.Unlock()
	if last {
		h.left(w.key)
	}
}
