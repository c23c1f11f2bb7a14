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
	// Policy has the numbers; it is only read.
	Policy *Policy
	// Timeout bounds one attempt, from when it may be sent; 0 leaves that to the attempt.
	// TimeoutCause is the cause by which its context is cancelled then.
	Timeout      time.Duration
	TimeoutCause error

	// Class, Caller and Family are what the limiter goes by.
	Class          Class
	Caller, Family string
	// Resent says that the call is itself a retry, of a client's or a proxy's: its
	// first attempt is paid from the budget too, and it pays for none.
	Resent bool

	Budget  BudgetStore
	Breaker BreakerStore
	Limiter *Limiter
	Slots   *Bulkhead // nil where nothing is capped

	// Settle, when set, is shown every attempt that failed, before it is decided whether
	// there is another: window and breaker have learnt of it, the slot is still held. What
	// it makes of the outcome is what counts. It may take its time and make calls of its
	// own with [Do], within ctx, which is that of the call.
	Settle func(ctx context.Context, lease *Lease, outcome *Outcome)

	// Enroll, when set, is given what ends the call from outside: the context of an attempt
	// and of the waits before it. It is called once, and again after every attempt that ran
	// into its timeout, with what takes the place of the former.
	Enroll func(end context.CancelCauseFunc)

	// Random returns a number in [0,1): the jitter.
	Random func() float64
	// Watch is told of what is decided; nil for nobody.
	Watch Watcher

	scope    scope
	underway underway
}

// underway is the attempt that is being made. It is kept here, once, and not handed up and
// down: a stream's goroutine would have a stack of twice the size.
type underway struct {
	outcome Outcome
	ticket  Ticket
	asked   bool // the ticket was taken at the end of the wait
	sentAt  time.Time
	timer   *time.Timer // ends the scope; nil where the attempt sees to that
	learnt  bool        // the limiter knows what the answer says of the rate
	settled bool        // the ticket is given back
}

// A Watcher counts and logs decisions. Its methods must not block.
type Watcher interface {
	// Retried is told why an attempt is followed by another, and after which pause.
	Retried(reason string, pause time.Duration)
	// BudgetSpent is told that a retry was given up because the budget is spent.
	BudgetSpent()
	// Changed is told that the breaker of the call changed its state.
	Changed(Transition)
	// Waited is told how long an attempt waited for its slot and then for its place,
	// whether it got them or not.
	Waited(slot, place time.Duration)
	// Attempting is told that an attempt begins; its context is the attempt's.
	Attempting(ctx context.Context) context.Context
	// Attempted is told that the attempt has ended, unless it panicked.
	Attempted(ctx context.Context)
}

// An Attempt makes one exchange and says in o what came of it, which is before that it
// went out once and nothing else is known. The lease is that of the slot it holds, nil
// where nothing is capped; keeping it leaves the slot to a job.
type Attempt func(ctx context.Context, lease *Lease, o *Outcome)

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
	// Sends is how often the request went out; 0 is never.
	Sends int
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

// A BudgetError refuses a call that arrives as a retry while the retry budget is spent.
type BudgetError struct {
	// RetryAfter is how long the stock takes to regain one retry, if nobody else takes
	// it; zero when it regains none.
	RetryAfter time.Duration
}

func (e *BudgetError) Error() string {
	return "the call is itself a retry, and the retry budget is spent"
}

// Do makes the call: it waits for permission, attempts, and repeats what the policy
// lets it. It returns nil or the error of the last attempt, or why there was none:
// [*OpenError], [*SlotsFullError], [*RefusedError], [*BudgetError], or the cause of the
// context, which is also that of what [Call.Enroll] was given. Where a repeat was refused, the error of the last attempt comes first and the
// refusal is joined to it ([errors.Join]): it tells when the repeat would be let through.
// waited is the time spent waiting for permission and between attempts.
//
// No pause is begun that would outlive the context's deadline, or at whose end the
// breaker is known to be open still.
func Do(ctx context.Context, call *Call, attempt Attempt) (waited time.Duration, err error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if err := call.begin(time.Now()); err != nil {
		return 0, err
	}
	call.scope.parent = ctx
	call.renew()
	defer call.release()
	for tries := 1; ; tries++ {
		wait, refused := call.once(attempt)
		waited += wait
		switch {
		case refused != nil && call.scope.ctx.Err() != nil:
			return waited, context.Cause(call.scope.ctx)
		case refused != nil && err != nil:
			return waited, errors.Join(err, refused) // what Mavera said tells more
		case refused != nil:
			return waited, refused
		}
		err = call.underway.outcome.Err
		pause, again, refused := call.next(tries)
		switch {
		case refused != nil:
			return waited, errors.Join(err, refused)
		case !again:
			return waited, err
		}
		slept, ok := sleep(call.scope.ctx, pause)
		waited += slept
		if !ok {
			return waited, context.Cause(call.scope.ctx)
		}
	}
}

// begin refuses what the breaker would refuse, so that it costs nothing, and settles
// with the budget: a call pays for retries, one that is a retry itself draws one.
func (c *Call) begin(now time.Time) error {
	if err := c.check(now); err != nil {
		return err
	}
	if !c.Resent {
		c.Budget.Call(now)
		return nil
	}
	limit := c.Limiter.Usage().Limit
	if c.Budget.Spend(now, limit) {
		return nil
	}
	if c.Watch != nil {
		c.Watch.BudgetSpent()
	}
	return &BudgetError{RetryAfter: c.Policy.Budget.interval(limit)}
}

// once is one attempt with all that has to let it through, and what is made of it.
func (c *Call) once(attempt Attempt) (waited time.Duration, refused error) {
	var lease *Lease
	if c.Slots != nil {
		lease, waited, refused = c.Slots.Acquire(c.scope.ctx, c.Caller)
		if refused != nil {
			c.tell(waited, 0)
			return waited, refused
		}
		defer lease.Release()
	}
	waited, refused = c.paced(lease, waited, attempt)
	if refused == nil && c.underway.outcome.Err != nil && c.Settle != nil && c.scope.ctx.Err() == nil {
		c.Settle(c.scope.ctx, lease, &c.underway.outcome)
	}
	return waited, refused
}

// paced is one attempt that has its slot, which it waited for.
func (c *Call) paced(lease *Lease, waited time.Duration, attempt Attempt) (_ time.Duration, refused error) {
	// An attempt of which nothing else is known has gone out, and says nothing of the
	// upstream: so it stands should it panic.
	c.underway = underway{}
	c.underway.outcome.Sends = 1
	paced, refused := c.admit(c.scope.ctx)
	c.tell(waited, paced)
	waited += paced
	defer c.settleOutcome()
	if refused != nil {
		return waited, refused
	}
	c.underway.sentAt = time.Now()
	defer c.learn()
	ctx := c.scope.ctx
	if c.Watch != nil {
		ctx = c.Watch.Attempting(ctx)
	}
	if c.Timeout > 0 {
		end := c.scope.end
		c.underway.timer = time.AfterFunc(c.Timeout, func() { end(c.TimeoutCause) })
		defer c.unlimit()
	}
	attempt(ctx, lease, &c.underway.outcome)
	if c.Watch != nil {
		c.Watch.Attempted(ctx)
	}
	return waited, nil
}

// Answered is for an attempt whose answer goes on for long after its head: others wait
// for what the head says of the rate, and need not wait for the end. Of the attempt's
// outcome Sends and Headers count no more then.
func (c *Call) Answered(sends int, headers Headers) {
	c.underway.outcome.Sends, c.underway.outcome.Headers = sends, headers
	c.learn()
}

// Healthy is for such an attempt too: the breaker learns of its success, and of the
// attempt's outcome Result counts no more.
func (c *Call) Healthy() { c.settle(Success) }

// admit takes a ticket of the breaker and a place in the window, which are both to be
// settled, or none of them but for a ticket of a caller who left. The ticket is taken at
// the end of the queue, so that no probe waits there while others are refused.
func (c *Call) admit(ctx context.Context) (waited time.Duration, err error) {
	if err := c.check(time.Now()); err != nil {
		return 0, err
	}
	waited, err = c.Limiter.Wait(ctx, Ask{Class: c.Class, Caller: c.Caller, Family: c.Family, Recheck: c.ask})
	if err != nil || c.underway.asked {
		return waited, err
	}
	if err = c.ask(); err != nil { // the breaker opened since the check
		c.Limiter.Learn(time.Now(), Headers{Unsent: true})
	}
	return waited, err
}

// check reports whether the breaker would refuse the call, without taking a ticket.
func (c *Call) check(now time.Time) error {
	if _, retryAt, ok := c.Breaker.Check(now); !ok {
		return &OpenError{RetryAt: retryAt}
	}
	return nil
}

// ask takes a ticket of the breaker.
func (c *Call) ask() error {
	c.underway.asked = true
	ticket, retryAt, ok := c.Breaker.Ask(time.Now())
	if !ok {
		return &OpenError{RetryAt: retryAt}
	}
	c.underway.ticket = ticket
	if ticket.Transition.Happened() && c.Watch != nil {
		c.Watch.Changed(ticket.Transition)
	}
	return nil
}

func (c *Call) settleOutcome() { c.settle(c.underway.outcome.Result) }

// settle gives the ticket back, once; the zero ticket is none.
func (c *Call) settle(result Result) {
	if c.underway.settled {
		return
	}
	c.underway.settled = true
	if change := c.Breaker.Done(time.Now(), c.underway.ticket, result); change.Happened() && c.Watch != nil {
		c.Watch.Changed(change)
	}
}

func (c *Call) tell(slot, place time.Duration) {
	if c.Watch != nil {
		c.Watch.Waited(slot, place)
	}
}

// learn tells the limiter, once, what the answer says, and what went out beyond the
// one place that was taken.
func (c *Call) learn() {
	if c.underway.learnt {
		return
	}
	c.underway.learnt = true
	o := &c.underway.outcome
	for range o.Sends - 1 {
		c.Limiter.Charge()
	}
	o.Headers.Unsent = o.Sends == 0
	c.Limiter.Learn(c.underway.sentAt, o.Headers)
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

// next decides whether there is another attempt, and after which pause. refused says
// that the breaker would not let it through.
func (c *Call) next(tries int) (pause time.Duration, again bool, refused error) {
	o := &c.underway.outcome
	if tries >= c.Policy.Attempts || !c.repeatable(o) {
		return 0, false, nil
	}
	if o.HasRetryAfter {
		if o.RetryAfter > c.Policy.MaxRetryAfter {
			return 0, false, nil
		}
		pause = c.Policy.Backoff.DelayAfter(o.RetryAfter, tries-1, c.Random())
	} else {
		pause = c.Policy.Backoff.Delay(tries-1, c.Random())
	}
	now := time.Now()
	end := now.Add(pause)
	if deadline, ok := c.scope.ctx.Deadline(); ok && !end.Before(deadline) {
		return 0, false, nil
	}
	if state, retryAt, _ := c.Breaker.Check(now); state == Open && retryAt.After(end) {
		return 0, false, &OpenError{RetryAt: retryAt}
	}
	if !c.Budget.Spend(now, c.Limiter.Usage().Limit) {
		if c.Watch != nil {
			c.Watch.BudgetSpent()
		}
		return 0, false, nil
	}
	if c.Watch != nil {
		c.Watch.Retried(o.Reason, pause)
	}
	return pause, true, nil
}

// repeatable reports whether the policy lets an attempt that ended so be repeated, and
// there is still somebody to repeat it for.
func (c *Call) repeatable(o *Outcome) bool {
	return o.Err != nil && c.scope.ctx.Err() == nil && (o.Repeat || o.Unknown && c.Policy.RepeatUnknown)
}

// sleep returns after d, or when ctx ends; slept is how long that took, and ok reports
// whether it was d.
func sleep(ctx context.Context, d time.Duration) (slept time.Duration, ok bool) {
	begin := time.Now()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return time.Since(begin), ctx.Err() == nil
	case <-ctx.Done():
		return time.Since(begin), false
	}
}
