package resilience

import (
	"context"
	"slices"
	"sync"
	"time"
)

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
func (l *Limiter) Usage() WindowUsage {
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
	sure := func(u WindowUsage) int { return u.Own + u.Foreign - u.Doubtful }
	if after.Limit < before.Limit || sure(after) > sure(before) || after.ClosedUntil.After(before.ClosedUntil) {
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
