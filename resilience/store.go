package resilience

import (
	"sync"
	"time"
)

// The state of a breaker, a budget and the slots of a bulkhead is reached through the
// interfaces below. Their default is this process's memory. A store that several
// replicas share, such as Redis, implements them too; each says which of its operations
// must be atomic there. (The mechanisms state the rules; Redis runs them as one Lua script
// each, with TIME in place of now.)
//
// The methods take no context and return no error, by intent. They are on the path of
// every call and must not fail one, and what a caller began has to be finished after it
// has left. So an implementation bounds its own I/O to a few milliseconds, decides by what
// it last knew when the shared state is out of reach, and reports that by itself.

// BreakerStore is the state of a [Breaker], whose methods it has.
//
// Shared, it is a hash of state, generation, failures, probing, cooldown and until, and
// every method reads it, computes and writes it back on the condition that (state,
// generation) have not changed, or starts over. A Success while closed with no failures,
// which is nearly all of them, need not write. The probe's place is to lapse after the
// longest attempt, for its replica may die with it.
type BreakerStore interface {
	Check(now time.Time) (state State, retryAt time.Time, ok bool)
	Ask(now time.Time) (ticket Ticket, retryAt time.Time, ok bool)
	Done(now time.Time, ticket Ticket, result Result) Transition
}

// BudgetStore is the state of a [Budget], whose methods it has.
//
// Shared, it is two counters for every second, of calls and of retries, and a stock. Call
// is an INCR with an expiry of a minute. Spend sums up the minute and either increments
// the retries or takes from (stock, refilled), all in one step, for two replicas must not
// spend the same retry. Level need not be atomic.
type BudgetStore interface {
	Call(now time.Time)
	Spend(now time.Time, limit int) bool
	Level(now time.Time) int
}

// SlotStore knows which slots of a [Bulkhead] are taken and by whom. The bulkhead calls
// it with its own lock held.
//
// Shared, it is a sorted set of holders by Since. A call's number is made unique by the
// replica's name there, and a replica renews what its calls hold, so that the slots of one
// that died can lapse; those of jobs stay.
type SlotStore interface {
	// Take gives the slot to its holder if fewer than capacity are taken, and reports
	// whether the holder has one now. A holder that has one keeps that and its Since.
	// ZSCORE, ZCARD and ZADD, in one step.
	Take(slot Slot, capacity int) bool
	// Free frees the slot of a holder, if it has one, and returns since when it had it.
	// ZSCORE and ZREM, in one step.
	Free(holder Holder) (since time.Time, ok bool)
	// Taken returns the slots that are taken, in any order. ZRANGE.
	Taken() []Slot
}

var (
	_ BreakerStore = (*LocalBreaker)(nil)
	_ BudgetStore  = (*LocalBudget)(nil)
	_ SlotStore    = (*LocalSlots)(nil)
)

// LocalBreaker is a [Breaker] that is safe for concurrent use.
type LocalBreaker struct {
	mu      sync.Mutex
	breaker *Breaker // Guarded by mu.
}

// NewLocalBreaker returns a closed breaker.
func NewLocalBreaker(policy BreakerPolicy) *LocalBreaker {
	return &LocalBreaker{breaker: NewBreaker(policy)}
}

// Check is [Breaker.Check].
func (l *LocalBreaker) Check(now time.Time) (state State, retryAt time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.breaker.Check(now)
}

// Ask is [Breaker.Ask].
func (l *LocalBreaker) Ask(now time.Time) (ticket Ticket, retryAt time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.breaker.Ask(now)
}

// Done is [Breaker.Done].
func (l *LocalBreaker) Done(now time.Time, ticket Ticket, result Result) Transition {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.breaker.Done(now, ticket, result)
}

// LocalBudget is a [Budget] that is safe for concurrent use.
type LocalBudget struct {
	mu     sync.Mutex
	budget *Budget // Guarded by mu.
}

// NewLocalBudget returns a budget with a full stock and no calls.
func NewLocalBudget(policy BudgetPolicy) *LocalBudget {
	return &LocalBudget{budget: NewBudget(policy)}
}

// Call is [Budget.Call].
func (l *LocalBudget) Call(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.budget.Call(now)
}

// Spend is [Budget.Spend].
func (l *LocalBudget) Spend(now time.Time, limit int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.budget.Spend(now, limit)
}

// Level is [Budget.Level].
func (l *LocalBudget) Level(now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.budget.Level(now)
}
