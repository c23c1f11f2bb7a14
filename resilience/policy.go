package resilience

import (
	"errors"
	"fmt"
	"time"
)

// Policy holds the numbers by which calls of one family are retried, held back and
// bounded. It is data: the mechanisms are beside it, and what a family needs that is not
// the default is its owner's to say.
type Policy struct {
	// Attempts is how often a call is sent at most, the first time included; 4 by
	// default, and 1 never retries. Mavera's error guide asks for retries of 429, 500 and
	// 503 and its rate limit guide for at most 5 attempts.
	Attempts int
	// Backoff is the wait between attempts.
	Backoff Backoff
	// MaxRetryAfter is the longest Retry-After that is waited for, 120 s by default; on
	// a longer one the error goes to the caller, with the full value.
	MaxRetryAfter time.Duration
	// RepeatUnknown repeats calls that are not idempotent when it is unknown whether
	// Mavera carried them out. The default is false: Mavera has no idempotency keys, so
	// a guess may create, and bill, twice.
	RepeatUnknown bool
	// SlowDeadline is after how long a caller's deadline that ends a sent attempt counts
	// as a failure for the breaker: 10 s by default, and 90 s where answers take 30 to
	// 90 s (Mave). A shorter deadline says more about the caller than about Mavera.
	SlowDeadline time.Duration
	// Breaker stops calls while Mavera fails.
	Breaker BreakerPolicy
	// Budget limits retries. There is one budget for all families of a key, since its
	// stock is filled from the key's limit.
	Budget BudgetPolicy
	// Caps bounds what is under way at a time.
	Caps Caps
}

// DefaultPolicy returns the defaults that the fields name, with no caps.
func DefaultPolicy() Policy {
	return Policy{
		Attempts:      4,
		Backoff:       Backoff{Base: 500 * time.Millisecond, Cap: 30 * time.Second},
		MaxRetryAfter: 120 * time.Second,
		SlowDeadline:  10 * time.Second,
		Breaker:       BreakerPolicy{Failures: 5, Cooldown: 30 * time.Second, MaxCooldown: 5 * time.Minute},
		Budget:        BudgetPolicy{Ratio: 0.2, Stock: 10, Refill: 3, LimitShare: 0.1},
	}
}

// Caps bounds how much of one key and family is under way at a time. The zero value
// bounds nothing. Mavera's rate limit guide has three caps: 10 calls of Mave, 5 running
// focus groups and 3 running video analyses.
type Caps struct {
	// Slots is how many calls or jobs may be under way; 0 is no bound.
	Slots int
	// Jobs says that slots are held by the jobs that calls start, not by the calls.
	Jobs bool
	// MaxAge is after how long a job's slot is freed although nobody saw it end. It must
	// be set for jobs, longer than any of them takes, and is zero for calls.
	MaxAge time.Duration
	// Queue is how many calls may wait for a slot; 0 is no bound but their deadlines.
	Queue int
}

// Scale returns the caps of a process that may use only a share of them, because others
// use the same key: above 0, at most 1. A share that leaves less than one slot is an
// error, since nothing would ever be let in.
func (c Caps) Scale(share float64) (Caps, error) {
	if !(share > 0 && share <= 1) {
		return Caps{}, fmt.Errorf("share: must be above 0 and at most 1, is %v", share)
	}
	if c.Slots == 0 {
		return c, nil
	}
	const rounding = 1e-9 // 100 × 0.29 is 28.999999999999996
	slots := int(float64(c.Slots)*share + rounding)
	if slots < 1 {
		return Caps{}, fmt.Errorf("share: %v of %d slots is less than one", share, c.Slots)
	}
	c.Slots = slots
	return c, nil
}

// Validate returns an error that lists every field whose value makes no sense, with the
// reason, a line each.
func (p Policy) Validate() error {
	var f faults
	f.check(p.Attempts >= 1, "attempts", "must be at least 1", p.Attempts)
	p.Backoff.validate(&f)
	f.check(p.MaxRetryAfter >= 0, "max_retry_after", "must not be negative", p.MaxRetryAfter)
	f.check(p.SlowDeadline > 0, "slow_deadline", "must be above 0", p.SlowDeadline)
	p.Breaker.validate(&f)
	p.Budget.validate(&f)
	p.Caps.validate(&f)
	return errors.Join(f...)
}

func (b Backoff) validate(f *faults) {
	f.check(b.Base > 0, "backoff.base", "must be above 0", b.Base)
	f.check(b.Cap > 0 && b.Cap >= b.Base, "backoff.cap", fmt.Sprintf("must be above 0 and not below backoff.base (%v)", b.Base), b.Cap)
}

func (b BreakerPolicy) validate(f *faults) {
	f.check(b.Failures >= 1, "breaker.failures", "must be at least 1", b.Failures)
	f.check(b.Cooldown > 0, "breaker.cooldown", "must be above 0", b.Cooldown)
	f.check(b.MaxCooldown > 0 && b.MaxCooldown >= b.Cooldown, "breaker.max_cooldown", fmt.Sprintf("must be above 0 and not below breaker.cooldown (%v)", b.Cooldown), b.MaxCooldown)
}

// Comparisons stand so that what is not a number fails them.
func (b BudgetPolicy) validate(f *faults) {
	f.check(b.Ratio >= 0 && b.Ratio <= 1, "budget.ratio", "must be from 0 to 1", b.Ratio)
	f.check(b.Stock >= 0, "budget.stock", "must not be negative", b.Stock)
	f.check(b.Refill >= 0, "budget.refill", "must not be negative", b.Refill)
	f.check(b.LimitShare >= 0 && b.LimitShare <= 1, "budget.limit_share", "must be from 0 to 1", b.LimitShare)
}

func (c Caps) validate(f *faults) {
	f.check(c.Slots >= 0, "caps.slots", "must not be negative", c.Slots)
	f.check(c.Queue >= 0, "caps.queue", "must not be negative", c.Queue)
	if c.Jobs {
		f.check(c.Slots != 0, "caps.slots", "must be above 0 for jobs", c.Slots)
		f.check(c.MaxAge > 0, "caps.max_age", "must be above 0 for jobs", c.MaxAge)
	} else {
		f.check(c.MaxAge == 0, "caps.max_age", "is for jobs, and caps.jobs is false", c.MaxAge)
	}
}

// faults collects what is wrong with a policy.
type faults []error

func (f *faults) check(ok bool, field, rule string, value any) {
	if !ok {
		*f = append(*f, fmt.Errorf("%s: %s, is %v", field, rule, value))
	}
}
