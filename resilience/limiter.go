package resilience

import (
	"context"
	"fmt"
	"slices"
	"sync"
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
	Usage(now time.Time) Usage
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

// Limiter admits the calls of one API key, each when the window has a place for it.
// Among classes polls come first, as few as they are, then interactive calls, then
// batch calls, each leaving what the window keeps for the others; within a class
// callers take turns. A call whose wait is known not to fit its deadline is refused
// before it begins to wait, or as soon as that becomes known.
//
// It starts no goroutines; while calls wait, one timer runs for all.
type Limiter struct {
	policy QueuePolicy

	mu     sync.Mutex
	window WindowState                    // Guarded by mu, as is all below.
	queues [classes]fairQueue[*pacedCall] // Those who wait for the window.
	holds  []*hold                        // Families that are held back.
	length Waiting                        // All who wait, held back or not.
	timer  *time.Timer
	wake   time.Time // When the timer fires; zero: it does not.
}

// pacedCall is a call that waits.
type pacedCall struct {
	entry  entry[*pacedCall]
	queue  *fairQueue[*pacedCall] // Where it waits; nil once its wait is decided.
	ask    Ask
	latest time.Time
	turn   chan error // Gets the decision; capacity 1.
}

func (c *pacedCall) misses(at time.Time) bool {
	return !c.latest.IsZero() && at.After(c.latest)
}

// hold is a family that is held back, with those of its calls that wait.
type hold struct {
	family string
	until  time.Time
	calls  fairQueue[*pacedCall]
}

// NewLimiter returns a limiter over a window, which from then on is its own.
func NewLimiter(window WindowState, policy QueuePolicy) *Limiter {
	return &Limiter{policy: policy.withDefaults(), window: window}
}

// Wait returns nil when the call may be sent, which it then must be at once: its
// place in the window is taken at that instant, and Learn is due for it. Else it
// returns the cause of ctx if the caller left, a *RefusedError, or the error of
// Recheck. waited is how long the call stood in the queue.
func (l *Limiter) Wait(ctx context.Context, ask Ask) (waited time.Duration, err error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	call, err := l.enter(ctx, ask)
	if call == nil {
		return 0, err
	}
	begin := time.Now()
	err = l.await(ctx, call)
	return time.Since(begin), err
}

// enter takes a place or else queues the call. Without a call it is decided.
func (l *Limiter) enter(ctx context.Context, ask Ask) (*pacedCall, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.length != (Waiting{}) {
		l.dispatch(now) // Those who wait come first, even if the timer is late.
	}
	hold, queue := l.held(ask.Family, now), &l.queues[ask.Class]
	if hold == nil && queue.len() == 0 {
		if ok, _ := l.window.Take(now, ask.Class, l.waiting()); ok {
			return nil, nil //nolint:nilnil // Neither a wait nor a refusal: go.
		}
	}
	call := &pacedCall{ask: ask, latest: l.policy.latest(ctx, now)}
	at := l.window.Next(now, ask.Class, queue.ahead(ask.Caller)+1, l.waiting())
	if hold != nil {
		at, queue = later(at, hold.until), &hold.calls
	}
	if call.misses(at) {
		return nil, &RefusedError{Reason: RateLimited, Class: ask.Class, RetryAt: at}
	}
	if l.length[Interactive]+l.length[Batch]+l.length[Poll] >= l.policy.Factor*l.window.Usage(now).Limit {
		return nil, &RefusedError{Reason: QueueFull, Class: ask.Class, RetryAt: at}
	}
	call.entry.value, call.turn = call, make(chan error, 1)
	l.length[ask.Class]++
	call.join(queue)
	l.dispatch(now)
	return call, nil
}

// await waits for the decision on a queued call.
func (l *Limiter) await(ctx context.Context, call *pacedCall) error {
	var latest <-chan time.Time
	if !call.latest.IsZero() {
		timer := time.NewTimer(time.Until(call.latest))
		defer timer.Stop()
		latest = timer.C
	}
	select {
	case err := <-call.turn:
		if err == nil && ctx.Err() != nil {
			l.passOn(call)
			return context.Cause(ctx)
		}
		return err
	case <-ctx.Done():
		if !l.leave(call) && <-call.turn == nil {
			l.passOn(call)
		}
		return context.Cause(ctx)
	case <-latest:
		l.giveUp(call)
		return <-call.turn
	}
}

// leave takes a call out of the queue, unless its wait has been decided already.
func (l *Limiter) leave(call *pacedCall) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if call.queue == nil {
		return false
	}
	l.drop(call)
	l.dispatch(time.Now()) // Less may be owed to its class now.
	return true
}

// giveUp decides the wait of a call whose time is over: it is refused, unless its
// turn comes this very moment.
func (l *Limiter) giveUp(call *pacedCall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, class := time.Now(), call.ask.Class
	l.dispatch(now)
	if call.queue == nil {
		return
	}
	l.drop(call)
	at := l.window.Next(now, class, l.queues[class].ahead(call.ask.Caller)+1, l.waiting())
	if hold := l.held(call.ask.Family, now); hold != nil {
		at = later(at, hold.until)
	}
	call.turn <- &RefusedError{Reason: RateLimited, Class: class, RetryAt: at}
	l.dispatch(now)
}

// passOn gives the place of a caller who left to the next one of its class.
func (l *Limiter) passOn(call *pacedCall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.handOver(now, call.ask.Class)
	l.dispatch(now)
}

// Learn notes the end of the request that was sent at sentAt, and what its answer
// told. It is due exactly once for every place; see [Window.Learn].
func (l *Limiter) Learn(sentAt time.Time, headers Headers) {
	l.change(func(now time.Time) { l.window.Learn(now, sentAt, headers) })
}

// Charge counts a request that was sent without asking; see [Window.Charge].
func (l *Limiter) Charge() {
	l.change(func(now time.Time) { l.window.Charge(now) })
}

// Close lets nobody go until the given time; see [Window.Close].
func (l *Limiter) Close(until time.Time) {
	l.change(func(now time.Time) { l.window.Close(now, until) })
}

// HoldFamily lets no call of a family go until the given time; the others do not
// wait for it. Then its calls join the end of the queue in their order.
func (l *Limiter) HoldFamily(family string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !until.After(now) {
		return
	}
	l.release(now) // What was held before is free to be held again.
	h := l.held(family, now)
	if h == nil {
		h = &hold{family: family}
		l.holds = append(l.holds, h)
	}
	h.until = later(h.until, until)
	for class := range l.queues {
		for _, e := range slices.Collect(l.queues[class].all()) {
			if e.value.ask.Family == family {
				e.value.queue.remove(e)
				e.value.join(&h.calls)
			}
		}
	}
	l.refit(now)
	l.dispatch(now)
}

// Usage tells the state of the window, for metrics.
func (l *Limiter) Usage() Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.window.Usage(time.Now())
}

// Queued tells how many calls of each class wait, for metrics.
func (l *Limiter) Queued() Waiting {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.length
}

// change lets something happen to the window, and those who wait take part in it.
func (l *Limiter) change(happen func(now time.Time)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.length == (Waiting{}) {
		happen(now)
		return
	}
	before := l.window.Usage(now)
	happen(now)
	after := l.window.Usage(now)
	if after.Limit < before.Limit || after.Own+after.Foreign > before.Own+before.Foreign || after.ClosedUntil.After(before.ClosedUntil) {
		l.refit(now)
	}
	l.dispatch(now)
}

// refit refuses those whose wait no longer fits their deadline.
func (l *Limiter) refit(now time.Time) {
	waiting := l.waiting()
	for class := range l.queues {
		n := 1
		for _, e := range slices.Collect(l.queues[class].all()) {
			if !l.refuseLate(e.value, time.Time{}, now, n, waiting) {
				n++
			}
		}
	}
	for _, h := range l.holds {
		for _, e := range slices.Collect(h.calls.all()) {
			l.refuseLate(e.value, h.until, now, 1, waiting)
		}
	}
}

// refuseLate refuses a call if the n-th place is too late for it.
func (l *Limiter) refuseLate(call *pacedCall, held, now time.Time, n int, waiting Waiting) bool {
	if call.latest.IsZero() {
		return false
	}
	at := later(held, l.window.Next(now, call.ask.Class, n, waiting))
	if !call.misses(at) {
		return false
	}
	l.drop(call)
	call.turn <- &RefusedError{Reason: RateLimited, Class: call.ask.Class, RetryAt: at}
	return true
}

// dispatch gives the free places to those who wait, and sets the timer for the next.
func (l *Limiter) dispatch(now time.Time) {
	wake := l.release(now)
	for _, class := range [...]Class{Poll, Interactive, Batch} {
		for l.queues[class].len() > 0 {
			ok, next := l.window.Take(now, class, l.waiting())
			if !ok {
				wake = sooner(wake, next)
				break
			}
			l.handOver(now, class)
		}
	}
	l.setTimer(now, wake)
}

// handOver gives a place that has been taken to the first of a class who still wants
// it, or else back.
func (l *Limiter) handOver(now time.Time, class Class) {
	for e := l.queues[class].pop(); e != nil; e = l.queues[class].pop() {
		call := e.value
		call.queue = nil
		l.length[class]--
		if call.ask.Recheck == nil {
			call.turn <- nil
			return
		}
		err := call.ask.Recheck()
		call.turn <- err
		if err == nil {
			return
		}
	}
	l.window.Learn(now, now, Headers{Unsent: true})
}

// release lets the calls of families queue whose hold is over, and tells when the
// next hold is.
func (l *Limiter) release(now time.Time) (next time.Time) {
	if len(l.holds) == 0 {
		return next
	}
	l.holds = slices.DeleteFunc(l.holds, func(h *hold) bool {
		if h.until.After(now) {
			if h.calls.len() > 0 {
				next = sooner(next, h.until)
			}
			return false
		}
		for e := h.calls.pop(); e != nil; e = h.calls.pop() {
			e.value.join(&l.queues[e.value.ask.Class])
		}
		return true
	})
	return next
}

// setTimer sets the timer, or stops it when nobody waits for a time.
func (l *Limiter) setTimer(now, wake time.Time) {
	if wake.Equal(l.wake) {
		return
	}
	l.wake = wake
	switch {
	case wake.IsZero():
		l.timer.Stop()
	case l.timer == nil:
		l.timer = time.AfterFunc(wake.Sub(now), l.tick)
	default:
		l.timer.Reset(wake.Sub(now))
	}
}

func (l *Limiter) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wake = time.Time{}
	l.dispatch(time.Now())
}

// held is the hold of a family, nil when it is not held back.
func (l *Limiter) held(family string, now time.Time) *hold {
	for _, h := range l.holds {
		if h.family == family && h.until.After(now) {
			return h
		}
	}
	return nil
}

// waiting counts those who wait for the window alone.
func (l *Limiter) waiting() (waiting Waiting) {
	for class := range l.queues {
		waiting[class] = l.queues[class].len()
	}
	return waiting
}

// join puts the call into a queue.
func (c *pacedCall) join(queue *fairQueue[*pacedCall]) {
	c.queue = queue
	queue.push(c.ask.Caller, &c.entry)
}

// drop takes a call out of its queue for good.
func (l *Limiter) drop(call *pacedCall) {
	call.queue.remove(&call.entry)
	call.queue = nil
	l.length[call.ask.Class]--
}

// sooner is the earlier of two times, of which zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return earlier(a, b)
}
