package resilience_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// ignore is a Watcher that does nothing.
type ignore struct{}

func (ignore) Retried(string, time.Duration)                  {}
func (ignore) BudgetSpent()                                   {}
func (ignore) Changed(resilience.Transition)                  {}
func (ignore) Waited(_, _ time.Duration)                      {}
func (ignore) Attempting(ctx context.Context) context.Context { return ctx }
func (ignore) Attempted(context.Context)                      {}

// shared is what the server keeps for a key and a family.
type shared struct {
	budget  resilience.BudgetStore
	breaker resilience.BreakerStore
	limiter *resilience.Limiter
	slots   *resilience.Bulkhead
}

// BenchmarkDo is the chain alone, all of it wired: the state is looked up by its key, and
// the exchange succeeds at once. The window is of a millisecond, so that it holds some
// hundred to a thousand requests, as one of 60 s does in earnest.
func BenchmarkDo(b *testing.B) {
	policy := resilience.DefaultPolicy()
	policy.Caps.Slots = 64
	const limit = 1_000_000
	states := resilience.NewRegistry(1000, func(string) *shared {
		return &shared{
			budget:  resilience.NewLocalBudget(policy.Budget),
			breaker: resilience.NewLocalBreaker(policy.Breaker),
			limiter: resilience.NewLimiter(resilience.NewWindow(resilience.WindowPolicy{
				StartLimit: limit, Span: time.Millisecond, Margin: 4 * time.Microsecond,
			}), resilience.QueuePolicy{}),
			slots: resilience.NewBulkhead(policy.Caps, resilience.NewLocalSlots()),
		}
	}, func(s *shared) bool { return s.slots.Idle() })
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()

	b.ReportAllocs()
	for b.Loop() {
		state := states.Use("key")
		call := &resilience.Call{
			Policy: &policy, Timeout: time.Minute, TimeoutCause: context.DeadlineExceeded,
			Caller: "caller", Family: "family",
			Budget: state.Value.budget, Breaker: state.Value.breaker, Limiter: state.Value.limiter, Slots: state.Value.slots,
			Random: rand.Float64, Watch: ignore{},
		}
		_, err := resilience.Do(ctx, call, func(_ context.Context, _ *resilience.Lease, o *resilience.Outcome) {
			now := time.Now()
			*o = resilience.Outcome{
				Result: resilience.Success, Sends: 1,
				Headers: resilience.Headers{Limit: limit, HasLimit: true, Remaining: limit, HasRemaining: true, Reset: now, Date: now},
			}
		})
		state.Release()
		if err != nil {
			b.Fatal(err)
		}
	}
}

// measureCost is in real time, and so depends on the machine: its time is printed and
// not judged.
func measureCost(table *table) {
	cost := testing.Benchmark(BenchmarkDo)
	const conditions = "happy path, everything wired, state of the key looked up; real time"
	table.info("cost of the chain, ns per call", conditions, fmt.Sprintf("%d ns", cost.NsPerOp()), fmt.Sprintf("target 5000 ns; %d calls", cost.N))
	table.atMost("cost of the chain, allocations per call", conditions, float64(cost.AllocsPerOp()), 12, "", fmt.Sprintf("%d B", cost.AllocedBytesPerOp()))
}
