package resilience_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// load is callers in front of the chain of one key and family, and the upstream behind
// it. It lives in a bubble of testing/synctest.
type load struct {
	policy   resilience.Policy
	chain    resilience.Call // what all calls have in common
	upstream *upstream
	fail     float64 // the share of attempts that fail at random

	begin time.Time
	mu    sync.Mutex
	done  []result // Guarded by mu.
}

// caller is a stream of calls that ask for the same.
type caller struct {
	name      string
	class     resilience.Class
	perMinute float64       // at random times; 0 is all within a millisecond
	calls     int           // at most
	from      time.Duration // when it begins, since the begin of the load
	until     time.Duration // when it ends
	deadline  time.Duration
	leaves    time.Duration // if not zero, each call is cancelled at random within it
}

// result is what became of a call.
type result struct {
	caller   string
	at       time.Duration // since the begin, when it came
	waited   time.Duration // for a slot and the window, and between attempts
	attempts int
	err      error
}

// seed makes runs alike. The times of all events are drawn in nanoseconds, so that
// hardly ever two of them coincide and the scheduler has a say.
const seed = 3

// newLoad is a load under default policies.
func newLoad(up *upstream, change func(*resilience.Policy)) *load {
	policy := resilience.DefaultPolicy()
	if change != nil {
		change(&policy)
	}
	l := &load{
		policy:   policy,
		upstream: up,
		begin:    time.Now(),
		chain: resilience.Call{
			Policy:  &policy,
			Timeout: time.Minute, TimeoutCause: context.DeadlineExceeded,
			Family:  "family",
			Budget:  resilience.NewLocalBudget(policy.Budget),
			Breaker: resilience.NewLocalBreaker(policy.Breaker),
			Limiter: resilience.NewLimiter(resilience.NewWindow(resilience.WindowPolicy{}), resilience.QueuePolicy{}),
		},
	}
	if policy.Caps.Slots > 0 {
		l.chain.Slots = resilience.NewBulkhead(policy.Caps, resilience.NewLocalSlots())
	}
	return l
}

// run lets the callers come, and returns when the last call is over.
func (l *load) run(callers ...caller) {
	var all sync.WaitGroup
	for n, c := range callers {
		all.Go(func() {
			time.Sleep(c.from)
			random := rand.New(rand.NewPCG(seed, uint64(n)))
			for i := range c.calls {
				gap := time.Millisecond / time.Duration(c.calls)
				if c.perMinute > 0 {
					gap = time.Duration(random.ExpFloat64() / c.perMinute * float64(time.Minute))
				}
				time.Sleep(gap)
				if time.Since(l.begin) >= c.until {
					return
				}
				luck := rand.New(rand.NewPCG(random.Uint64(), uint64(i)))
				all.Go(func() { l.call(c, luck) })
			}
		})
	}
	all.Wait()
}

// call is one call of a caller.
func (l *load) call(c caller, random *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), c.deadline)
	defer cancel()
	if c.leaves > 0 {
		leave := time.AfterFunc(time.Duration(random.Int64N(int64(c.leaves))), cancel)
		defer leave.Stop()
	}
	call := l.chain
	call.Class, call.Caller, call.Random = c.class, c.name, random.Float64
	begin, attempts := time.Now(), 0
	waited, err := resilience.Do(ctx, &call, func(ctx context.Context, _ *resilience.Lease, o *resilience.Outcome) {
		attempts++
		l.upstream.attempt(ctx, trip{
			there: 10*time.Millisecond + time.Duration(random.Int64N(int64(90*time.Millisecond))),
			back:  100*time.Millisecond + time.Duration(random.Int64N(int64(200*time.Millisecond))),
			fails: random.Float64() < l.fail,
		}, o)
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = append(l.done, result{
		caller: c.name, at: begin.Sub(l.begin), waited: waited, attempts: attempts, err: err,
	})
}

// tally counts what became of calls.
type tally struct {
	calls, ok, refused, left, failed int
	sent, attempts                   int // calls that reached the upstream, and how often
}

// tally is that of the calls that came from a time on.
func (l *load) tally(from time.Duration) (t tally) {
	for _, r := range l.done {
		if r.at < from {
			continue
		}
		t.calls++
		t.attempts += r.attempts
		if r.attempts > 0 {
			t.sent++
		}
		switch {
		case r.err == nil:
			t.ok++
		case errors.Is(r.err, context.Canceled):
			t.left++
		case refusal(r.err):
			t.refused++
		default:
			t.failed++
		}
	}
	return t
}

// refusal reports whether the chain itself refused the call.
func refusal(err error) bool {
	return errors.As(err, new(*resilience.OpenError)) || errors.As(err, new(*resilience.RefusedError)) ||
		errors.As(err, new(*resilience.SlotsFullError)) || errors.As(err, new(*resilience.BudgetError))
}

// waits are the waits of the calls of a caller that succeeded, sorted.
func (l *load) waits(name string) (waits []time.Duration) {
	for _, r := range l.done {
		if r.caller == name && r.err == nil {
			waits = append(waits, r.waited)
		}
	}
	slices.Sort(waits)
	return waits
}

// mean is that of durations.
func mean(all []time.Duration) (mean time.Duration) {
	for _, d := range all {
		mean += d / time.Duration(len(all))
	}
	return mean
}

// quantile is that of sorted durations.
func quantile(t *testing.T, sorted []time.Duration, q float64) time.Duration {
	t.Helper()
	if len(sorted) == 0 {
		t.Fatal("nothing succeeded")
	}
	return sorted[int(q*float64(len(sorted)-1))]
}
