package resilience

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Call is one exchange with the upstream, with the policy it goes by and the
// mechanisms of its key and family. Nesting:
//
//	retry( breaker( bulkhead( rate( attempt with its timeout ))))
//
// A backoff holds no slot, an open breaker costs no place in the window, and every
// attempt is paced.
type Call struct {
	// Policy has the numbers.
	Policy Policy
	// Timeout bounds one attempt, from when it may be sent. TimeoutCause is the cause
	// that its context gets.
	Timeout      time.Duration
	TimeoutCause error

	// Class, Caller and Family are what the limiter goes by.
	Class          Class
	Caller, Family string
	// Resent says that the call is itself a retry, of a client's or a proxy's: its
	// first attempt is paid from the budget too.
	Resent bool

	Budget  BudgetStore
	Breaker BreakerStore
	Limiter *Limiter
	Slots   *Bulkhead // nil where nothing is capped

	// Random returns a number in [0,1): the jitter.
	Random func() float64
	// Watch is told of what is decided; nil for nobody.
	Watch Watcher
}

// A Watcher counts and logs decisions. Its methods must not block.
type Watcher interface {
	// Retried is told why an attempt is followed by another, and after which pause.
	Retried(reason string, pause time.Duration)
	// BudgetSpent is told that a retry was given up because the budget is spent.
	BudgetSpent()
	// Changed is told that the breaker of the call changed its state.
	Changed(Transition)
	// Waited is told how long an attempt waited for its slot and its place.
	Waited(time.Duration)
}

// An Attempt makes one exchange and says what came of it. The lease is that of the
// slot it holds, nil where nothing is capped; keeping it leaves the slot to a job.
type Attempt func(ctx context.Context, lease *Lease) Outcome

// An Outcome is what came of an attempt.
type Outcome struct {
	// Err is nil after success.
	Err error
	// Reason names the kind of failure, for metrics: "429", "connection_lost".
	Reason string
	// Repeat says that the failure may be repeated, whatever the call does.
	Repeat bool
	// Unknown says that the call may have been carried out, and that a repeat could do
	// it twice.
	Unknown bool
	// Result is what the breaker learns.
	Result Result
	// RetryAfter is how long the upstream asks to wait; HasRetryAfter whether it does.
	RetryAfter    time.Duration
	HasRetryAfter bool
	// Throttled says that the upstream refused the call because of its rate.
	Throttled bool
	// Sends is how often the request went out.
	Sends int
	// SentAt is when.
	SentAt time.Time
	// Headers is what the answer says of the rate limit.
	Headers Headers
}

// An OpenError refuses a call because the breaker is open.
type OpenError struct {
	// RetryAt is when the next probe is let through.
	RetryAt time.Time
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("the circuit breaker is open until %s", e.RetryAt.UTC().Format(time.RFC3339))
}

// ErrBudget refuses a call that arrives as a retry while the retry budget is spent.
var ErrBudget = errors.New("the retry budget is spent")

// Do makes the call: it waits for permission, attempts, and repeats what the policy
// lets it. It returns nil, the error of the last attempt, or why there was none:
// [*OpenError], [*SlotsFullError], [*RefusedError], [ErrBudget], or the cause of the
// context. waited is the time spent waiting for permission and between attempts.
//
// No pause is begun that would outlive the context's deadline.
func Do(ctx context.Context, call *Call, attempt Attempt) (waited time.Duration, err error) {
	now := time.Now()
	if call.Resent && !call.Budget.Spend(now, call.Limiter.Usage().Limit) {
		return 0, ErrBudget
	}
	call.Budget.Call(now)
	for tries := 1; ; tries++ {
		outcome, wait, refused := call.once(ctx, attempt)
		waited += wait
		switch {
		case refused != nil && err != nil && ctx.Err() == nil:
			return waited, err // what Mavera said tells more than why it is not asked again
		case refused != nil:
			return waited, refused
		}
		err = outcome.Err
		pause, again := call.next(ctx, &outcome, tries)
		if !again {
			return waited, err
		}
		begin := time.Now()
		if sleep(ctx, pause) != nil {
			return waited + time.Since(begin), context.Cause(ctx)
		}
		waited += time.Since(begin)
	}
}

// once is one attempt with all that has to let it through.
func (c *Call) once(ctx context.Context, attempt Attempt) (outcome Outcome, waited time.Duration, refused error) {
	ticket, err := c.ask()
	if err != nil {
		return outcome, 0, err
	}
	result := NoAnswer
	defer func() { c.done(ticket, result) }()

	var lease *Lease
	if c.Slots != nil {
		lease, waited, err = c.Slots.Acquire(ctx, c.Caller)
		if err != nil {
			return outcome, waited, err
		}
		defer lease.Release()
	}
	ask := Ask{Class: c.Class, Caller: c.Caller, Family: c.Family}
	if !ticket.Probe { // a probe keeps its place, or there would be none
		ask.Recheck = func() error {
			c.done(ticket, NoAnswer)
			ticket, err = c.ask()
			return err
		}
	}
	paced, err := c.Limiter.Wait(ctx, ask)
	waited += paced
	if c.Watch != nil {
		c.Watch.Waited(waited)
	}
	if err != nil {
		return outcome, waited, err
	}
	within, cancel := context.WithTimeoutCause(ctx, c.Timeout, c.TimeoutCause)
	defer cancel()
	outcome = attempt(within, lease)
	result = outcome.Result
	c.learn(&outcome)
	return outcome, waited, nil
}

// ask takes a ticket of the breaker. Calls ask again when they leave a queue, since
// much may have changed.
func (c *Call) ask() (Ticket, error) {
	ticket, retryAt, ok := c.Breaker.Ask(time.Now())
	if !ok {
		return Ticket{}, &OpenError{RetryAt: retryAt}
	}
	if ticket.Transition.Happened() && c.Watch != nil {
		c.Watch.Changed(ticket.Transition)
	}
	return ticket, nil
}

func (c *Call) done(ticket Ticket, result Result) {
	if change := c.Breaker.Done(time.Now(), ticket, result); change.Happened() && c.Watch != nil {
		c.Watch.Changed(change)
	}
}

// learn tells the limiter what the answer says, and what went out beyond the one
// place that was taken.
func (c *Call) learn(o *Outcome) {
	for range o.Sends - 1 {
		c.Limiter.Charge()
	}
	o.Headers.Unsent = o.Sends == 0
	c.Limiter.Learn(o.SentAt, o.Headers)
	if !o.Throttled || !o.HasRetryAfter {
		return
	}
	until := time.Now().Add(o.RetryAfter)
	if o.Headers.HasRemaining && o.Headers.Remaining > 0 {
		c.Limiter.HoldFamily(c.Family, until) // the key has room: it is a cap of this family
		return
	}
	c.Limiter.Close(until)
}

// next decides whether there is another attempt, and after which pause.
func (c *Call) next(ctx context.Context, o *Outcome, tries int) (pause time.Duration, again bool) {
	if o.Err == nil || !o.Repeat && !(o.Unknown && c.Policy.RepeatUnknown) || tries >= c.Policy.Attempts || ctx.Err() != nil {
		return 0, false
	}
	if o.HasRetryAfter {
		if o.RetryAfter > c.Policy.MaxRetryAfter {
			return 0, false
		}
		pause = c.Policy.Backoff.DelayAfter(o.RetryAfter, tries-1, c.Random())
	} else {
		pause = c.Policy.Backoff.Delay(tries-1, c.Random())
	}
	now := time.Now()
	if deadline, ok := ctx.Deadline(); ok && !now.Add(pause).Before(deadline) {
		return 0, false
	}
	if !c.Budget.Spend(now, c.Limiter.Usage().Limit) {
		if c.Watch != nil {
			c.Watch.BudgetSpent()
		}
		return 0, false
	}
	if c.Watch != nil {
		c.Watch.Retried(o.Reason, pause)
	}
	return pause, true
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the caller asks for the cause
	}
}
