package resilience

import (
	"context"
	"fmt"
	"time"
)

// WindowState is the window that a Limiter paces by: a [*Window], or a store shared
// by the replicas that share a key. The Limiter calls it under its own lock.
//
// A shared store (Redis: one script each, over a sorted set of own requests per key
// and a hash of the rest) needs these to be atomic: Take (let requests leave, count
// free places, compare with what is owed, add the request or tell the next time) with
// the sum of all replicas' Waiting; Learn (compare sending times, set limit, foreign
// use and peak, or remove one request); Charge (add); Close (raise the closing time,
// begin to guess). Next and Usage only read, and may be answered from a copy that is
// a second old. Its time is the store's, as replicas' clocks differ. A store that cannot
// be reached answers from a local Window with the Share of one replica.
type WindowState interface {
	Take(now time.Time, class Class, waiting Waiting) (ok bool, next time.Time)
	Next(now time.Time, class Class, n int, waiting Waiting) time.Time
	Learn(now, sentAt time.Time, headers Headers)
	Charge(now time.Time)
	Close(now, until time.Time)
	Usage(now time.Time) WindowUsage
}

// QueuePolicy holds the numbers of a Limiter. Each zero takes the default.
type QueuePolicy struct {
	// Factor bounds the queue: it holds at most Factor × limit calls, of all classes
	// together. Default 10.
	Factor int
	// A call whose turn does not come is refused before its deadline, so that the
	// refusal still reaches the caller: EarlyShare of its time, yet at least Early and
	// at most EarlyMost, before. Defaults 0.05, 20 ms and 250 ms.
	EarlyShare       float64
	Early, EarlyMost time.Duration
}

func (p QueuePolicy) withDefaults() QueuePolicy {
	orElse(&p.Factor, 10)
	orElse(&p.EarlyShare, 0.05)
	orElse(&p.Early, 20*time.Millisecond)
	orElse(&p.EarlyMost, 250*time.Millisecond)
	return p
}

// latest is until when a call waits; zero without a deadline.
func (p QueuePolicy) latest(ctx context.Context, now time.Time) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	early := time.Duration(float64(deadline.Sub(now)) * p.EarlyShare)
	return deadline.Add(-max(min(early, p.EarlyMost), p.Early))
}

// Ask describes a call that asks for its place.
type Ask struct {
	Class Class
	// Caller is whose call it is: callers share a class fairly.
	Caller string
	// Family is what HoldFamily goes by.
	Family string
	// Recheck, when not nil, is asked once when the call has waited and its turn has
	// come; its error ends the wait and costs no place. It is called under the lock of
	// the Limiter, so it must be quick and must not call the Limiter. When Wait fails
	// though Recheck did not, the caller left at that very instant and undoes what
	// Recheck did.
	Recheck func() error
}

// Reason says why a Limiter refused a call.
type Reason string

// The reasons of refusal.
const (
	RateLimited Reason = "RATE_LIMITED_LOCALLY" // The wait does not fit the deadline.
	QueueFull   Reason = "QUEUE_FULL"
)

// RefusedError is a call that was refused rather than let wait.
type RefusedError struct {
	Reason Reason
	Class  Class
	// RetryAt is when the call would have got its place, as far as is known.
	RetryAt time.Time
}

func (e *RefusedError) Error() string {
	if e.Reason == QueueFull {
		return fmt.Sprintf("the queue is full; the next place for a call of class %s is expected at %s", e.Class, e.RetryAt.UTC().Format(time.RFC3339Nano))
	}
	return fmt.Sprintf("the next place for a call of class %s, expected at %s, is too late for its deadline", e.Class, e.RetryAt.UTC().Format(time.RFC3339Nano))
}
