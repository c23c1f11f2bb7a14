package resilience

import "time"

// BreakerPolicy holds the numbers of a [Breaker]. Mavera's error cookbook asks for a
// breaker that stops calls for a cooldown after consecutive failures and names no
// numbers; the defaults are ours.
type BreakerPolicy struct {
	// Failures is how many failures in a row open the breaker; 5 by default.
	Failures int
	// Cooldown is how long it stays open at first; 30 s by default.
	Cooldown time.Duration
	// MaxCooldown is what the cooldown doubles up to while probes fail; 5 min by default.
	MaxCooldown time.Duration
}

// State is what a [Breaker] does with calls. The zero value is Closed.
type State int

// The states of a breaker.
const (
	Closed   State = iota // calls go through
	Open                  // calls are refused until the cooldown is over
	HalfOpen              // one call, the probe, goes through; its result decides
)

// String returns the state as it is written in logs and metrics.
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	case HalfOpen:
		return "half-open"
	default:
		return "unknown"
	}
}

// Result is what came of an attempt, as far as a [Breaker] is concerned.
type Result int

// The results of an attempt. The zero value says nothing, so that an attempt of which
// nothing is known harms nobody.
const (
	// NoAnswer is an attempt that says nothing about the upstream: its caller left, or
	// it was refused before it was sent.
	NoAnswer Result = iota
	// Success is an attempt that was answered, be it with an error of the caller's own
	// making (4xx) or a request to slow down (429).
	Success
	// Failure is an attempt that the upstream failed: 5xx, a lost connection, a timeout.
	Failure
)

// Transition is a change of state. The zero value is none.
type Transition struct {
	From, To State
	// Cooldown is how long the breaker stays open; zero unless To is Open.
	Cooldown time.Duration
}

// Happened reports whether there was a change at all.
func (t Transition) Happened() bool { return t.From != t.To }

// Ticket is the leave to make one attempt. Whoever holds it gives it to Done exactly
// once, in a defer, for a probe that never reports keeps everyone else out.
type Ticket struct {
	// Probe says that this attempt decides whether the breaker closes.
	Probe bool
	// Transition is what taking the ticket changed: the first probe after a cooldown
	// makes an open breaker half-open.
	Transition Transition

	generation uint64
}

// Breaker stops calls to an upstream that fails, for one key and family. Failures in a
// row open it; after a cooldown it lets exactly one call through as a probe. A probe that
// succeeds closes it, a probe that fails opens it again for twice as long, and one that
// got no answer gives its place to the next call at once.
//
// Every change of state and every probe begins a generation. A result from an earlier one
// counts for nothing, so that neither the calls that were under way when the breaker
// opened nor a probe that reports twice can close or open it.
//
// A call that has to queue uses Check before it does and Ask when it leaves the queue, so
// that no probe waits in a queue while others are refused.
//
// It is a pure state machine that is told the time. It is not safe for concurrent use:
// [LocalBreaker] is. No method allocates.
type Breaker struct {
	policy BreakerPolicy

	state      State // never HalfOpen by the clock alone: the first probe makes it so
	generation uint64
	failures   int // in a row, while closed
	probing    bool
	cooldown   time.Duration // the present or last one; zero after a success
	until      time.Time     // the end of the cooldown, while open
}

// NewBreaker returns a closed breaker.
func NewBreaker(policy BreakerPolicy) *Breaker {
	return &Breaker{policy: policy, generation: 1} // so that the zero Ticket counts for nothing
}

// Check reports whether Ask would let a call through, without taking the probe, and in
// which state the breaker is. If it would not, retryAt is when to ask again.
func (b *Breaker) Check(now time.Time) (state State, retryAt time.Time, ok bool) {
	state = b.State(now)
	switch {
	case state == Open:
		return state, b.until, false
	case b.probing:
		return state, now.Add(b.policy.Cooldown / 10), false
	default:
		return state, time.Time{}, true
	}
}

// Ask lets a call through, with a ticket for [Breaker.Done], or refuses it and says when
// to ask again. While a probe is under way nobody knows when it will be answered: retryAt
// is then a tenth of the first cooldown away (3 s by default), since asking again costs
// the upstream nothing.
func (b *Breaker) Ask(now time.Time) (ticket Ticket, retryAt time.Time, ok bool) {
	state, retryAt, ok := b.Check(now)
	if !ok {
		return Ticket{}, retryAt, false
	}
	if state == HalfOpen {
		ticket.Probe = true
		if b.state == Open {
			ticket.Transition = Transition{From: Open, To: HalfOpen}
		}
		b.state, b.probing = HalfOpen, true
		b.generation++
	}
	ticket.generation = b.generation
	return ticket, time.Time{}, true
}

// Done reports what came of an attempt and returns the change of state that follows.
func (b *Breaker) Done(now time.Time, ticket Ticket, result Result) Transition {
	if ticket.generation != b.generation {
		return Transition{}
	}
	switch result {
	case Success:
		return b.succeed()
	case Failure:
		return b.fail(now)
	default:
		if b.probing {
			b.probing = false
			b.generation++ // the same ticket must not give back the next probe's place
		}
		return Transition{}
	}
}

// State returns the state; an open breaker whose cooldown is over is half-open.
func (b *Breaker) State(now time.Time) State {
	if b.state == Open && !now.Before(b.until) {
		return HalfOpen
	}
	return b.state
}

func (b *Breaker) succeed() Transition {
	b.failures = 0
	if b.state == Closed {
		return Transition{}
	}
	b.cooldown = 0
	return b.become(Closed)
}

func (b *Breaker) fail(now time.Time) Transition {
	if b.state == Closed {
		b.failures++
		if b.failures < b.policy.Failures {
			return Transition{}
		}
	}
	switch {
	case b.cooldown == 0:
		b.cooldown = b.policy.Cooldown
	case b.cooldown <= b.policy.MaxCooldown/2: // compared so, for the double may overflow
		b.cooldown *= 2
	default:
		b.cooldown = b.policy.MaxCooldown
	}
	b.until = now.Add(b.cooldown)
	return b.become(Open)
}

func (b *Breaker) become(state State) Transition {
	change := Transition{From: b.state, To: state}
	if state == Open {
		change.Cooldown = b.cooldown
	}
	b.state, b.probing, b.failures = state, false, 0
	b.generation++
	return change
}
