package resilience

import "time"

// budgetBuckets are the seconds that the sliding minute of a [Budget] is kept in.
const budgetBuckets = 60

// BudgetPolicy holds the numbers of a [Budget]. The zero value allows no retries.
type BudgetPolicy struct {
	// Ratio is how many retries the calls of the last minute pay for, per call;
	// 0.2 by default, the share of Finagle's RetryBudget (the SRE book, chapter 21,
	// takes 0.1). It bounds by how much retries can multiply the load in an outage.
	Ratio float64
	// Stock is how many retries there are besides, for times of few calls; 10 by
	// default.
	Stock int
	// Refill is the most that the stock regains, in retries per second; 3 by default.
	Refill float64
	// LimitShare is the most that the stock regains in a minute as a share of the
	// upstream's limit per minute; 0.1 by default. On a small key the retries would
	// otherwise use up what the calls need.
	LimitShare float64
}

// Budget limits the retries of one key, so that an outage is not made worse by those
// who wait for its end. The calls of the last minute pay for Ratio of their number; what
// goes beyond that is taken from a stock that fills slowly. Over any span, retries are at most
// Ratio × calls of the span and the minute before it + Stock + what was refilled.
//
// A call that arrives as a retry, because its client repeats too, spends from the budget
// for its first attempt and is not counted as a call: otherwise every layer would multiply.
//
// It is a pure state machine that is told the time, which may stand still but has no
// effect when it goes back. It is not safe for concurrent use: [LocalBudget] is. No
// method allocates.
type Budget struct {
	policy BudgetPolicy

	start  time.Time // the begin of second 0
	second int64     // the newest second of the minute
	minute [budgetBuckets]struct{ calls, retries int }
	// calls and retries are sums over the minute; retries taken from the stock are not
	// among them, since no call paid for them.
	calls, retries int

	stock    float64
	limit    int // requests per minute, as last told
	refilled time.Time
}

// NewBudget returns a budget with a full stock and no calls.
func NewBudget(policy BudgetPolicy) *Budget {
	return &Budget{policy: policy, stock: float64(policy.Stock)}
}

// Call counts a call, which is the first attempt that a caller asked for.
func (b *Budget) Call(now time.Time) {
	b.advance(now)
	b.minute[b.second%budgetBuckets].calls++
	b.calls++
}

// Spend takes one retry out of the budget, and reports whether there was one. What calls
// paid for goes first. limit is the upstream's limit in requests per minute, as far as
// it is known; it decides how fast the stock fills, and 0 keeps it from filling.
func (b *Budget) Spend(now time.Time, limit int) bool {
	b.advance(now)
	b.limit = limit
	b.refill(now)
	switch {
	case float64(b.retries+1) <= b.policy.Ratio*float64(b.calls):
		b.minute[b.second%budgetBuckets].retries++
		b.retries++
	case b.stock >= 1:
		b.stock--
	default:
		return false
	}
	return true
}

// Level returns how many retries could be spent at once. The stock is judged by the
// limit that was told last.
func (b *Budget) Level(now time.Time) int {
	b.advance(now)
	b.refill(now)
	paid := int(b.policy.Ratio*float64(b.calls)) - b.retries
	return max(paid, 0) + int(b.stock)
}

// advance makes now the newest second and forgets those that left the minute.
func (b *Budget) advance(now time.Time) {
	if b.start.IsZero() {
		b.start, b.refilled = now, now
	}
	second := int64(now.Sub(b.start) / time.Second)
	if second-b.second >= budgetBuckets {
		clear(b.minute[:])
		b.calls, b.retries, b.second = 0, 0, second
	}
	for b.second < second {
		b.second++
		left := &b.minute[b.second%budgetBuckets]
		b.calls -= left.calls
		b.retries -= left.retries
		left.calls, left.retries = 0, 0
	}
}

// refill adds to the stock what has come in since it was last filled.
func (b *Budget) refill(now time.Time) {
	elapsed := now.Sub(b.refilled)
	if elapsed <= 0 {
		return
	}
	b.refilled = now
	b.stock = min(b.stock+b.policy.rate(b.limit)*elapsed.Seconds(), float64(b.policy.Stock))
}

// rate is how fast the stock fills, in retries per second.
func (b BudgetPolicy) rate(limit int) float64 {
	return min(b.Refill, b.LimitShare*float64(max(limit, 0))/60)
}

// interval is how long the stock takes to regain one retry, at most a day; zero when it
// never does.
func (b BudgetPolicy) interval(limit int) time.Duration {
	rate := b.rate(limit)
	if rate <= 0 || b.Stock == 0 {
		return 0
	}
	return time.Duration(min(float64(time.Second)/rate, float64(24*time.Hour)))
}
