package resilience

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

const (
	// A call that waits for a slot gives up a twentieth of its time before its deadline,
	// but not less than leastMargin and not more than mostMargin before it, so that its
	// caller still hears why and when to come back.
	marginShare = 20
	leastMargin = 20 * time.Millisecond
	mostMargin  = 250 * time.Millisecond

	// recentHolds is how many holds the median is taken of; odd, so that there is one.
	recentHolds = 31
	// leastGuess is the shortest wait that is advised before anything has been freed.
	leastGuess = time.Second
)

// SlotsFullError refuses a call that got no slot in time.
type SlotsFullError struct {
	// RetryAfter is how long a slot is held as a rule: the median of the most recent
	// 31 holds; before the first of them the age of the oldest slot, at least 1 s.
	RetryAfter time.Duration
	// Slots is how many there are.
	Slots int
	// QueueFull says that the call was refused at once because too many wait already.
	QueueFull bool
}

// Error implements error.
func (e *SlotsFullError) Error() string {
	if e.QueueFull {
		return fmt.Sprintf("all %d slots are taken and the queue for them is full", e.Slots)
	}
	return fmt.Sprintf("all %d slots are taken and none was freed in time", e.Slots)
}

// Bulkhead bounds how many calls, or jobs that calls start, one key and family has under
// way at a time. A call takes a slot or waits for one, callers in turn, until shortly
// before its deadline; whoever leaves frees the place at once.
//
// A slot is held for the time of a call, or longer: [Lease.Keep] leaves it to the job
// that the call has started, until [Bulkhead.Free] says that the job is over or
// [Bulkhead.Expire] finds it too old. Jobs that are found running, as at the start, are
// adopted even where that is more than there are slots; nothing is let in until enough of
// them have ended.
//
// It is safe for concurrent use and starts no goroutines.
type Bulkhead struct {
	caps Caps

	mu    sync.Mutex
	slots SlotStore          // Guarded by mu.
	queue fairQueue[*waiter] // Guarded by mu.
	calls uint64             // The number of the last call that got a slot. Guarded by mu.

	// The latest durations for which slots were held. Guarded by mu.
	holds     [recentHolds]time.Duration
	holdCount int

	ended func(age time.Duration) // Told of jobs that are over; see OnEnd.
}

// NewBulkhead returns a bulkhead for caps that are valid and have slots; see
// [Caps.Validate] and [Caps.Scale].
func NewBulkhead(caps Caps, slots SlotStore) *Bulkhead {
	return &Bulkhead{caps: caps, slots: slots}
}

// Lease is a slot that a call holds.
type Lease struct {
	bulkhead *Bulkhead
	holder   Holder
	since    time.Time
	over     bool // Guarded by the bulkhead's mu.
}

// Acquire takes a slot for a call of caller, waiting for one if need be; waited is how
// long that took, whatever came of it. The lease is to be released, or kept.
//
// The error is a [*SlotsFullError] when none is free 5 % of the call's time before its
// deadline (at least 20 ms, at most 250 ms), or at once when the queue is full or there
// is less time than that; it is the context's cause when the context ends first. Without
// a deadline a call waits until then.
func (b *Bulkhead) Acquire(ctx context.Context, caller string) (lease *Lease, waited time.Duration, err error) {
	if ctx.Err() != nil {
		return nil, 0, context.Cause(ctx)
	}
	now := time.Now()
	patience := patience(ctx, now)

	b.mu.Lock()
	if b.queue.len() == 0 {
		if lease = b.take(now); lease != nil {
			b.mu.Unlock()
			return lease, 0, nil
		}
	}
	if full := b.caps.Queue > 0 && b.queue.len() >= b.caps.Queue; full || patience <= 0 {
		defer b.mu.Unlock()
		return nil, 0, b.refusal(now, full)
	}
	w := &waiter{ready: make(chan struct{})}
	w.place.value = w
	b.queue.push(caller, &w.place)
	b.serve(now) // a shared store may have had a slot for those in front
	b.mu.Unlock()

	lease, err = b.wait(ctx, w, patience)
	return lease, time.Since(now), err
}

// waiter is a call that waits for a slot.
type waiter struct {
	place entry[*waiter]
	// ready is closed when lease has been set, both while the bulkhead is locked.
	ready chan struct{}
	lease *Lease
}

// wait returns the lease that w is given, unless its patience or ctx ends before.
func (b *Bulkhead) wait(ctx context.Context, w *waiter, patience time.Duration) (*Lease, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-w.ready:
		return w.lease, nil
	case <-timer.C:
	case <-ctx.Done():
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	switch left := ctx.Err() != nil; {
	case w.lease != nil && left: // served in the same instant
		b.end(w.lease, now)
		return nil, context.Cause(ctx)
	case w.lease != nil:
		return w.lease, nil
	case left:
		b.queue.remove(&w.place)
		return nil, context.Cause(ctx)
	default:
		b.queue.remove(&w.place)
		return nil, b.refusal(now, false)
	}
}

// Release frees the slot, unless it has been released or kept before.
func (l *Lease) Release() {
	b := l.bulkhead
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end(l, time.Now())
}

// Keep leaves the slot to the job with this id, for [Bulkhead.Free] or [Bulkhead.Expire]
// to free it; a Release that follows does nothing. A job that has a slot already, because
// a listing showed it before its creator heard of it, needs no second one. Without an id
// nobody could free the slot, so that is a Release. Keep does nothing if the lease has been
// released or kept before.
func (l *Lease) Keep(id string) {
	b := l.bulkhead
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.over || id == "" {
		b.end(l, time.Now())
		return
	}
	l.over = true
	// In this order no other replica can come in between.
	b.slots.Take(Slot{Holder: Holder{Job: id}, Since: l.since}, math.MaxInt)
	b.slots.Free(l.holder)
	b.serve(time.Now())
}

// Free frees the slot of a job that is over, and reports whether it had one.
func (b *Bulkhead) Free(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	since, ok := b.slots.Free(Holder{Job: id})
	if !ok {
		return false
	}
	now := time.Now()
	b.record(now.Sub(since))
	if b.ended != nil {
		b.ended(now.Sub(since))
	}
	b.serve(now)
	return true
}

// OnEnd has the age of every job told that is freed because it is over. tell must not
// block. It is to be called before the bulkhead is used.
func (b *Bulkhead) OnEnd(tell func(age time.Duration)) { b.ended = tell }

// Adopt gives a slot to a job that was found running, unless it has one. since is when
// the job began; an unknown (zero) or future time is taken for now. Without an id there is
// nothing to adopt.
func (b *Bulkhead) Adopt(id string, since time.Time) {
	if id == "" {
		return
	}
	if now := time.Now(); since.IsZero() || since.After(now) {
		since = now
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slots.Take(Slot{Holder: Holder{Job: id}, Since: since}, math.MaxInt)
}

// Expire frees the slots of jobs that are older than the maximum age, of whose end this
// process has not heard, and returns their ids, sorted. It also looks for slots that were
// freed elsewhere, so with a store that is shared it is to be called every second or so,
// else every minute or so.
func (b *Bulkhead) Expire(now time.Time) (ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, slot := range b.slots.Taken() {
		if slot.Holder.Job != "" && now.Sub(slot.Since) >= b.caps.MaxAge {
			b.slots.Free(slot.Holder)
			ids = append(ids, slot.Holder.Job)
		}
	}
	b.serve(now)
	slices.Sort(ids)
	return ids
}

// Jobs returns the slots that jobs hold, the oldest first.
func (b *Bulkhead) Jobs() []Slot {
	b.mu.Lock()
	defer b.mu.Unlock()
	jobs := slices.DeleteFunc(b.slots.Taken(), func(slot Slot) bool { return slot.Holder.Job == "" })
	slices.SortFunc(jobs, func(x, y Slot) int {
		return cmp.Or(x.Since.Compare(y.Since), cmp.Compare(x.Holder.Job, y.Holder.Job))
	})
	return jobs
}

// SlotUsage is what a bulkhead looks like at one time, for metrics.
type SlotUsage struct {
	Slots   int // how many there are
	Taken   int // held by calls or jobs; above Slots only where jobs were adopted
	Jobs    int // held by jobs
	Waiting int // calls that wait
	// MedianHold is for how long slots were held recently; zero before one was freed.
	MedianHold time.Duration
}

// Usage returns what the bulkhead looks like now.
func (b *Bulkhead) Usage() SlotUsage {
	b.mu.Lock()
	defer b.mu.Unlock()
	usage := SlotUsage{Slots: b.caps.Slots, Waiting: b.queue.len(), MedianHold: b.medianHold()}
	for _, slot := range b.slots.Taken() {
		usage.Taken++
		if slot.Holder.Job != "" {
			usage.Jobs++
		}
	}
	return usage
}

// Idle reports whether nobody holds a slot or waits for one.
func (b *Bulkhead) Idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.queue.len() == 0 && len(b.slots.Taken()) == 0
}

// take returns a lease if a slot is free, else nil.
func (b *Bulkhead) take(now time.Time) *Lease {
	holder := Holder{Call: b.calls + 1}
	if !b.slots.Take(Slot{Holder: holder, Since: now}, b.caps.Slots) {
		return nil
	}
	b.calls++
	return &Lease{bulkhead: b, holder: holder, since: now}
}

// serve gives free slots to those whose turn it is.
func (b *Bulkhead) serve(now time.Time) {
	for b.queue.len() > 0 {
		lease := b.take(now)
		if lease == nil {
			return
		}
		w := b.queue.pop().value
		w.lease = lease
		close(w.ready)
	}
}

// end frees the slot of a call.
func (b *Bulkhead) end(lease *Lease, now time.Time) {
	if lease.over {
		return
	}
	lease.over = true
	b.slots.Free(lease.holder)
	if !b.caps.Jobs { // a call that started no job says nothing about how long jobs take
		b.record(now.Sub(lease.since))
	}
	b.serve(now)
}

func (b *Bulkhead) record(hold time.Duration) {
	b.holds[b.holdCount%recentHolds] = hold
	b.holdCount++
}

func (b *Bulkhead) medianHold() time.Duration {
	holds := b.holds // a copy, to be sorted
	recent := holds[:min(b.holdCount, recentHolds)]
	if len(recent) == 0 {
		return 0
	}
	slices.Sort(recent)
	return recent[len(recent)/2]
}

func (b *Bulkhead) refusal(now time.Time, queueFull bool) *SlotsFullError {
	err := &SlotsFullError{RetryAfter: b.medianHold(), Slots: b.caps.Slots, QueueFull: queueFull}
	if b.holdCount == 0 {
		err.RetryAfter = leastGuess
		for _, slot := range b.slots.Taken() {
			err.RetryAfter = max(err.RetryAfter, now.Sub(slot.Since))
		}
	}
	return err
}

// patience is how long a call can wait for a slot.
func patience(ctx context.Context, now time.Time) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return math.MaxInt64
	}
	left := deadline.Sub(now)
	return left - min(max(left/marginShare, leastMargin), mostMargin)
}
