//go:build !race

package resilience

import (
	"context"
	"testing"
	"time"
)

// TestAllocations holds the loop to its number of allocations, where all goes well and
// everything is wired: more are a decision, fewer are to be written down here.
func TestAllocations(t *testing.T) {
	policy := DefaultPolicy()
	policy.Caps.Slots = 64
	const limit = 1_000_000
	budget, breaker := NewLocalBudget(policy.Budget), NewLocalBreaker(policy.Breaker)
	limiter := NewLimiter(NewWindow(WindowPolicy{StartLimit: limit, Span: time.Millisecond, Margin: 4 * time.Microsecond}), QueuePolicy{})
	slots := NewBulkhead(policy.Caps, NewLocalSlots())
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	answered := func(_ context.Context, _ *Lease, o *Outcome) {
		now := time.Now()
		*o = Outcome{Result: Success, Sends: 1, Headers: Headers{Limit: limit, HasLimit: true, Remaining: limit, HasRemaining: true, Reset: now, Date: now}}
	}
	const want = 7
	got := testing.AllocsPerRun(1000, func() {
		call := &Call{
			Policy: &policy, Timeout: time.Minute, TimeoutCause: context.DeadlineExceeded, Caller: "caller", Family: "family",
			Budget: budget, Breaker: breaker, Limiter: limiter, Slots: slots, Random: func() float64 { return 0.5 },
		}
		if _, err := Do(ctx, call, answered); err != nil {
			t.Fatal(err)
		}
	})
	if got != want {
		t.Errorf("a call makes %v allocations, want %d", got, want)
	}
}
