package resilience_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

var usualBudget = resilience.BudgetPolicy{Ratio: 0.2, Stock: 10, Refill: 3, LimitShare: 0.1}

func TestBudget(t *testing.T) {
	t.Parallel()
	const s, m = time.Second, time.Minute
	// Each step makes calls, then tries to spend, at a time after the start.
	type step struct {
		at    time.Duration
		calls int
		try   int
		limit int
		spent int // how many of the tries succeed
		level int // what is left afterwards
		why   string
	}
	tests := []struct {
		name   string
		policy resilience.BudgetPolicy
		steps  []step
	}{
		{name: "a stock for times of few calls", policy: usualBudget, steps: []step{
			{at: 0, level: 10, why: "full at first"},
			{at: 0, try: 12, limit: 60, spent: 10, level: 0},
			{at: 9 * s, try: 1, limit: 60, spent: 0, level: 0, why: "a tenth of 60 a minute is one in 10 s"},
			{at: 10 * s, try: 2, limit: 60, spent: 1, level: 0},
			{at: 20 * s, try: 2, limit: 600, spent: 2, level: 8, why: "a larger key: one a second"},
			{at: 21 * s, try: 10, limit: 600, spent: 9, level: 0},
			{at: 22 * s, try: 9, limit: 6000, spent: 3, level: 0, why: "at most 3 a second on any key"},
			{at: 32 * s, try: 9, limit: 0, spent: 0, level: 0, why: "an unknown limit fills nothing"},
			{at: 42 * s, try: 9, limit: -5, spent: 0, level: 0},
			{at: 100 * m, try: 20, limit: 60, spent: 10, level: 0, why: "never above the stock"},
		}},
		{name: "calls pay for a fifth of their number, before the stock does", policy: usualBudget, steps: []step{
			{at: 0, calls: 4, level: 10, why: "no whole retry yet"},
			{at: 0, calls: 1, level: 11},
			{at: 1 * s, calls: 95, level: 30},
			{at: 2 * s, try: 20, limit: 60, spent: 20, level: 10, why: "the stock is whole"},
			{at: 2 * s, try: 20, limit: 60, spent: 10, level: 0},
			{at: 60 * s, try: 9, limit: 60, spent: 5, level: 0, why: "from the stock: it regained 5.8 in 58 s"},
			{at: 61 * s, calls: 100, try: 9, limit: 0, spent: 0, level: 0, why: "the retries of second 2 are still in the minute"},
			{at: 62 * s, try: 30, limit: 0, spent: 20, level: 0, why: "now they are not"},
		}},
		{name: "calls older than a minute pay for nothing", policy: resilience.BudgetPolicy{Ratio: 0.5}, steps: []step{
			{at: 0, calls: 10, level: 5},
			{at: 30 * s, calls: 2, level: 6},
			{at: 60*s - 1, level: 6},
			{at: 60 * s, level: 1},
			{at: 90 * s, try: 1, limit: 60, spent: 0, level: 0},
			{at: 10 * m, calls: 2, level: 1, why: "a long silence"},
			{at: 10*m + 59*s, try: 2, limit: 60, spent: 1, level: 0},
		}},
		{name: "time that goes back has no effect", policy: usualBudget, steps: []step{
			{at: m, calls: 5, try: 11, limit: 600, spent: 11, level: 0},
			{at: 0, calls: 5, try: 2, limit: 600, spent: 1, level: 0, why: "five calls more pay for one retry more"},
			{at: m, try: 1, limit: 600, spent: 0, level: 0},
			{at: m + s, try: 2, limit: 600, spent: 1, level: 0},
		}},
		{name: "the zero value allows nothing", steps: []step{
			{at: 0, calls: 1000, try: 10, limit: 600, spent: 0, level: 0},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			budget := resilience.NewBudget(test.policy)
			start := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
			for i, step := range test.steps {
				now := start.Add(step.at)
				for range step.calls {
					budget.Call(now)
				}
				spent := 0
				for range step.try {
					if budget.Spend(now, step.limit) {
						spent++
					}
				}
				if level := budget.Level(now); spent != step.spent || level != step.level {
					t.Errorf("step %d (%s): spent %d, level %d; want %d, %d", i, step.why, spent, level, step.spent, step.level)
				}
			}
		})
	}
}

// Over any time, retries are at most Ratio × calls + Stock + what was refilled, and Level
// is exactly what Spend then grants.
func TestBudgetKeepsItsFormula(t *testing.T) {
	t.Parallel()
	type event struct {
		at             time.Duration
		calls, retries int
	}
	const limit = 240
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 2))
		budget := resilience.NewBudget(usualBudget)
		start := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
		budget.Spend(start, limit) // tells the limit
		var at time.Duration
		var events []event
		for range 400 {
			at += time.Duration(random.ExpFloat64() * float64(time.Second))
			if random.IntN(50) == 0 {
				at += time.Duration(random.Int64N(int64(2 * time.Minute)))
			}
			e := event{at: at}
			if random.IntN(3) > 0 {
				e.calls = random.IntN(20)
			}
			for range e.calls {
				budget.Call(start.Add(at))
			}
			if random.IntN(2) == 0 {
				level := budget.Level(start.Add(at))
				for range 100 {
					if budget.Spend(start.Add(at), limit) {
						e.retries++
					}
				}
				if e.retries != level {
					t.Fatalf("seed %d, %v: level %d, but %d retries were granted", seed, at, level, e.retries)
				}
			}
			events = append(events, e)
		}
		// The calls of the minute before pay too, so a span begins a minute earlier.
		for i, first := range events {
			calls, retries := 0, 0
			for _, e := range events[:i] {
				if e.at > first.at-time.Minute {
					calls += e.calls
				}
			}
			for _, e := range events[i:] {
				calls += e.calls
				retries += e.retries
				refilled := (e.at - first.at).Minutes() * limit / 10
				if most := 0.2*float64(calls) + 10 + refilled + 1e-6; float64(retries) > most {
					t.Fatalf("seed %d: %d retries from %v to %v, at most %v", seed, retries, first.at, e.at, most)
				}
			}
		}
	}
}
