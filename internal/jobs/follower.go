// Package jobs keeps the slots of running jobs true.
//
// Mavera caps how many jobs of a kind may run at a time for one key. A slot of
// [resilience.Bulkhead] stands for each; the call that starts a job leaves its slot to
// it. A [Follower] finds out when jobs are over that nobody asks about:
//
//   - At the start it lists all jobs and gives slots to those that run, because a
//     process before this one may have started them. Calls do not wait for that: until
//     the listing is through, more may be let in than Mavera has room for, and Mavera
//     refuses them itself.
//   - Then it polls the jobs that hold slots, several of a family by listing, one by
//     itself. All polls together fit the part of the rate limit that is kept for them:
//     where they would not, every interval is stretched alike.
//   - Every minute it frees the slots of jobs that are too old to be believed in.
//
// While no job holds a slot nothing is asked. Jobs that hold none are never polled.
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

// Options configure a [Follower]. Slots, Rate, Random and Logger are required.
type Options struct {
	// Families are followed; none is fine.
	Families []Family
	// Slots yields what has slots, of all keys, by the name of its family.
	Slots func() iter.Seq2[string, *resilience.Bulkhead]
	// Rate returns how many polls a minute may be sent; above 0.
	Rate func() float64
	// Random returns a number in [0,1): the jitter.
	Random func() float64
	Logger *slog.Logger
}

// A Follower polls the jobs that hold slots. One goroutine does all of it, one request
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
		f.tracks = append(f.tracks, &track{Family: family, requests: 1})
	}
	return f
}

// Wake says that a job has got a slot. It does not block.
func (f *Follower) Wake() {
	select {
	case f.woken <- struct{}{}:
	default:
	}
}

// Run follows jobs until ctx ends.
func (f *Follower) Run(ctx context.Context) {
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

// next is when there is something to do.
func (f *Follower) next() time.Time {
	next := f.expireAt
	for _, t := range f.tracks {
		if at, ok := f.due(t, time.Now()); ok && at.Before(next) {
			next = at
		}
	}
	return next
}

// due is when the next request of a family is to be sent; not ok: there is none.
func (f *Follower) due(t *track, now time.Time) (at time.Time, ok bool) {
	slots := t.Slots()
	if t.recovered != slots {
		return t.retryAt, true
	}
	held := slots.Jobs()
	if len(held) == 0 {
		t.last = time.Time{}
		return time.Time{}, false
	}
	if t.last.IsZero() {
		t.last = now
	}
	interval := float64(t.interval(now, held)) * f.stretch(now) * (1 + t.jitter)
	return t.last.Add(time.Duration(interval)), true
}

// stretch is the factor by which intervals grow, so that all polls fit their rate.
func (f *Follower) stretch(now time.Time) float64 {
	demand := 0.0 // a minute
	for _, t := range f.tracks {
		if held := t.Slots().Jobs(); len(held) > 0 {
			demand += float64(t.requests) * float64(time.Minute) / float64(t.interval(now, held))
		}
	}
	return max(demand/f.options.Rate(), 1)
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
