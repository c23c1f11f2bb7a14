package resilience_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// A crowd that asks at once after the cooldown gets one probe.
func TestLocalBreakerGivesOneProbeToACrowd(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	breaker := resilience.NewLocalBreaker(usualBreaker)
	var opened, passed atomic.Int32
	var crowd sync.WaitGroup
	for range 50 {
		crowd.Go(func() {
			ticket, _, ok := breaker.Ask(start)
			if ok && breaker.Done(start, ticket, failed).To == open {
				opened.Add(1)
			}
		})
	}
	crowd.Wait()
	if got := opened.Load(); got != 1 {
		t.Fatalf("opened %d times, want once", got)
	}
	later := start.Add(30 * time.Second)
	for range 50 {
		crowd.Go(func() {
			if state, _, _ := breaker.Check(later); state != half {
				t.Errorf("state %v after the cooldown, want %v", state, half)
			}
			if _, _, ok := breaker.Ask(later); ok {
				passed.Add(1)
			}
		})
	}
	crowd.Wait()
	if got := passed.Load(); got != 1 {
		t.Errorf("%d probes, want 1", got)
	}
}

// A crowd spends what there is, and no more.
func TestLocalBudgetGivesACrowdWhatThereIs(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	budget := resilience.NewLocalBudget(usualBudget)
	var crowd sync.WaitGroup
	for range 50 {
		crowd.Go(func() { budget.Call(start) })
	}
	crowd.Wait()
	if got := budget.Level(start); got != 20 {
		t.Errorf("level %d, want a fifth of 50 calls and a stock of 10", got)
	}
	var spent atomic.Int32
	for range 50 {
		crowd.Go(func() {
			if budget.Spend(start, 60) {
				spent.Add(1)
			}
		})
	}
	crowd.Wait()
	if got := spent.Load(); got != 20 {
		t.Errorf("%d retries, want 20", got)
	}
}

func BenchmarkBreaker(b *testing.B) {
	breaker := resilience.NewLocalBreaker(usualBreaker)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		ticket, _, _ := breaker.Ask(now)
		breaker.Done(now, ticket, success)
	}
}

func BenchmarkBudgetCall(b *testing.B) {
	budget := resilience.NewLocalBudget(usualBudget)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		budget.Call(now)
	}
}

func BenchmarkBudgetSpend(b *testing.B) {
	budget := resilience.NewLocalBudget(usualBudget)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		budget.Spend(now, 600)
	}
}
