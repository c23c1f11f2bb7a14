package resilience_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// upstream is Mavera as its documentation tells it, in memory: a sliding window of 60 s,
// a cap on what is under way, and faults by script. It shares no code with the window
// that is measured against it.
type upstream struct {
	limit   int
	empties bool // X-RateLimit-Reset tells when the window is empty, not when the oldest request leaves
	cap     int  // calls under way at most; 0 is no bound
	// outage says whether all is answered 503 at a time: by an edge that counts
	// nothing and tells nothing of the limit.
	outage func(now time.Time) bool
	// hold is how long a call takes that is not refused.
	hold time.Duration

	mu       sync.Mutex
	times    []time.Time // of the requests in the window. Guarded by mu.
	underway int         // Guarded by mu.
	seen     []exchange  // Guarded by mu.
}

// exchange is a request as the upstream saw it.
type exchange struct {
	at     time.Time
	status int
}

// trip is the luck of one attempt, drawn before it so that a run can be repeated.
type trip struct {
	there, back time.Duration
	fails       bool // 503, if nothing else
}

var (
	errThrottled   = errors.New("429")
	errUnavailable = errors.New("503")
)

// attempt makes one exchange, as the gateway's exchange with Mavera reports it.
func (u *upstream) attempt(ctx context.Context, trip trip, o *resilience.Outcome) {
	if !pause(ctx, trip.there) {
		o.Err = context.Cause(ctx)
		return
	}
	status, headers, hint := u.arrive(time.Now(), trip.fails)
	if status == 200 {
		finished := pause(ctx, u.hold)
		u.leave()
		if !finished {
			o.Err = context.Cause(ctx)
			return
		}
	}
	if !pause(ctx, trip.back) {
		o.Err = context.Cause(ctx)
		return
	}
	o.Headers, o.Result = headers, resilience.Success
	switch status {
	case 429:
		o.Err, o.Reason, o.Repeat, o.Throttled = errThrottled, "429", true, true
		o.RetryAfter, o.HasRetryAfter = hint, true
	case 503:
		o.Err, o.Reason, o.Repeat, o.Result = errUnavailable, "503", true, resilience.Failure
	}
}

// arrive decides a request on arrival. Refused ones do not count in the window; those
// that fail at random do.
func (u *upstream) arrive(now time.Time, fails bool) (status int, headers resilience.Headers, hint time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer func() { u.seen = append(u.seen, exchange{at: now, status: status}) }()
	if u.outage != nil && u.outage(now) {
		return 503, resilience.Headers{Date: now.Truncate(time.Second)}, 0
	}
	for len(u.times) > 0 && now.Sub(u.times[0]) >= time.Minute {
		u.times = u.times[1:]
	}
	status = 200
	switch {
	case len(u.times) >= u.limit:
		status = 429
	case u.cap > 0 && u.underway >= u.cap:
		status, hint = 429, time.Second
	case fails:
		status = 503
		u.times = append(u.times, now)
	default:
		u.underway++
		u.times = append(u.times, now)
	}
	reset := now
	switch n := len(u.times); {
	case n > 0 && u.empties:
		reset = u.times[n-1].Add(time.Minute)
	case n > 0:
		reset = u.times[0].Add(time.Minute)
	}
	headers = resilience.Headers{
		Limit: u.limit, HasLimit: true,
		Remaining: u.limit - len(u.times), HasRemaining: true,
		Reset: reset.Add(time.Second - 1).Truncate(time.Second), // both tell whole seconds
		Date:  now.Truncate(time.Second),
	}
	if status == 429 && hint == 0 {
		hint = headers.Reset.Sub(headers.Date)
	}
	return status, headers, hint
}

func (u *upstream) leave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.underway--
}

// count is how many requests were answered with a status from a time until another.
func (u *upstream) count(status int, from, until time.Time) (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, e := range u.seen {
		if e.status == status && !e.at.Before(from) && e.at.Before(until) {
			n++
		}
	}
	return n
}

// pause waits, and reports whether ctx let it.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
