package jobs

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// expireEvery is how often slots are searched for jobs that are too old.
const expireEvery = time.Minute

// Options configure a [Follower]. Slots, Pace, Random and Logger are required.
type Options struct {
	// Families are followed; none is fine.
	Families []Family
	// Slots yields what has slots, of all keys, by the name of its family.
	Slots func() iter.Seq2[string, *resilience.Bulkhead]
	// Pace is that of all polls of the key.
	Pace *Pace
	// Random returns a number in [0,1): the jitter.
	Random func() float64
	Logger *slog.Logger
}

// A Follower polls the jobs that hold slots and are not watched. One goroutine does all of it, one request
// after the other.
type Follower struct {
	options Options
	woken   chan struct{}
	// What follows belongs to Run.
	tracks   []*track
	expireAt time.Time
}

// New returns a follower that waits for Run.
func New(options Options) *Follower {
	f := &Follower{options: options, woken: make(chan struct{}, 1)}
	for _, family := range options.Families {
		f.tracks = append(f.tracks, &track{Family: family, requests: 1, share: share{pace: options.Pace}})
	}
	return f
}

// Wake says that a job has got a slot, or is not watched any more. It does not block.
func (f *Follower) Wake() {
	select {
	case f.woken <- struct{}{}:
	default:
	}
}

// Run follows jobs until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	defer func() {
		for _, t := range f.tracks {
			t.share.want(0, 0)
		}
	}()
	f.expireAt = time.Now().Add(expireEvery)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.woken:
		case <-timer.C:
		}
		f.expire(time.Now())
		for _, t := range f.tracks {
			if at, ok := f.due(t, time.Now()); ok && !at.After(time.Now()) && ctx.Err() == nil {
				f.ask(ctx, t)
			}
		}
		timer.Reset(time.Until(f.next()))
	}
}

// next is when there is something to do, or how far intervals are stretched is looked at
// anew.
func (f *Follower) next() time.Time {
	next := f.expireAt
	now := time.Now()
	for _, t := range f.tracks {
		if at, ok := f.due(t, now); ok {
			next = earlier(next, earlier(at, now.Add(t.Interval.Least)))
		}
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// due is when the next request of a family is to be sent; not ok: there is none.
func (f *Follower) due(t *track, now time.Time) (at time.Time, ok bool) {
	slots := t.Slots()
	if t.recovered != slots {
		return t.retryAt, true
	}
	held := t.followed(slots)
	if len(held) == 0 {
		t.last = time.Time{}
		t.share.want(0, 0)
		return time.Time{}, false
	}
	if t.last.IsZero() {
		t.last = now
	}
	for _, other := range f.tracks {
		other.claim(now)
	}
	interval := float64(t.interval(now, held)) * f.options.Pace.stretch() * (1 + t.jitter)
	return t.last.Add(time.Duration(interval)), true
}

// expire frees the slots of jobs that are too old.
func (f *Follower) expire(now time.Time) {
	if now.Before(f.expireAt) {
		return
	}
	f.expireAt = now.Add(expireEvery)
	for family, slots := range f.options.Slots() {
		for _, id := range slots.Expire(now) {
			f.options.Logger.Warn("slot freed: the job is too old, though nobody saw it end",
				slog.String("family", family), slog.String("job", id))
		}
	}
}
