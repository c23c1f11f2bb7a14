package resilience_test

import (
	"math"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

func TestPolicyValidate(t *testing.T) {
	t.Parallel()
	jobs := resilience.Caps{Slots: 5, Jobs: true, MaxAge: time.Hour, Queue: 600}
	tests := []struct {
		name   string
		change func(p *resilience.Policy)
		want   string // empty for none
	}{
		{name: "the default", change: func(*resilience.Policy) {}},
		{name: "caps of calls", change: func(p *resilience.Policy) { p.Caps = resilience.Caps{Slots: 10} }},
		{name: "caps of jobs", change: func(p *resilience.Policy) { p.Caps = jobs }},
		{name: "no retries", change: func(p *resilience.Policy) { p.Attempts, p.Budget = 1, resilience.BudgetPolicy{} }},
		{name: "no waiting for Retry-After", change: func(p *resilience.Policy) { p.MaxRetryAfter = 0 }},
		{name: "bounds that touch", change: func(p *resilience.Policy) {
			p.Backoff.Cap, p.Breaker.MaxCooldown = p.Backoff.Base, p.Breaker.Cooldown
		}},
		{
			name: "everything zero, which is not the default", change: func(p *resilience.Policy) { *p = resilience.Policy{} },
			want: `attempts: must be at least 1, is 0
backoff.base: must be above 0, is 0s
backoff.cap: must be above 0 and not below backoff.base (0s), is 0s
slow_deadline: must be above 0, is 0s
breaker.failures: must be at least 1, is 0
breaker.cooldown: must be above 0, is 0s
breaker.max_cooldown: must be above 0 and not below breaker.cooldown (0s), is 0s`,
		},
		{
			name: "everything negative", change: func(p *resilience.Policy) {
				*p = resilience.Policy{
					Attempts: -1, Backoff: resilience.Backoff{Base: -1, Cap: -1}, MaxRetryAfter: -1, SlowDeadline: -1,
					Breaker: resilience.BreakerPolicy{Failures: -1, Cooldown: -1, MaxCooldown: -1},
					Budget:  resilience.BudgetPolicy{Ratio: -1, Stock: -1, Refill: -1, LimitShare: -1},
					Caps:    resilience.Caps{Slots: -1, MaxAge: -1, Queue: -1},
				}
			},
			want: `attempts: must be at least 1, is -1
backoff.base: must be above 0, is -1ns
backoff.cap: must be above 0 and not below backoff.base (-1ns), is -1ns
max_retry_after: must not be negative, is -1ns
slow_deadline: must be above 0, is -1ns
breaker.failures: must be at least 1, is -1
breaker.cooldown: must be above 0, is -1ns
breaker.max_cooldown: must be above 0 and not below breaker.cooldown (-1ns), is -1ns
budget.ratio: must be from 0 to 1, is -1
budget.stock: must not be negative, is -1
budget.refill: must not be negative, is -1
budget.limit_share: must be from 0 to 1, is -1
caps.slots: must not be negative, is -1
caps.queue: must not be negative, is -1
caps.max_age: is for jobs, and caps.jobs is false, is -1ns`,
		},
		{
			name: "caps below their bases", change: func(p *resilience.Policy) {
				p.Backoff.Cap, p.Breaker.MaxCooldown = 499*time.Millisecond, 29*time.Second
			},
			want: `backoff.cap: must be above 0 and not below backoff.base (500ms), is 499ms
breaker.max_cooldown: must be above 0 and not below breaker.cooldown (30s), is 29s`,
		},
		{
			name: "shares above the whole, and no numbers", change: func(p *resilience.Policy) {
				p.Budget = resilience.BudgetPolicy{Ratio: 1.1, Refill: math.NaN(), LimitShare: math.NaN()}
			},
			want: `budget.ratio: must be from 0 to 1, is 1.1
budget.refill: must not be negative, is NaN
budget.limit_share: must be from 0 to 1, is NaN`,
		},
		{
			name: "jobs without slots or an age", change: func(p *resilience.Policy) { p.Caps = resilience.Caps{Jobs: true} },
			want: `caps.slots: must be above 0 for jobs, is 0
caps.max_age: must be above 0 for jobs, is 0s`,
		},
		{
			name: "an age for calls", change: func(p *resilience.Policy) { p.Caps = resilience.Caps{Slots: 10, MaxAge: time.Hour} },
			want: `caps.max_age: is for jobs, and caps.jobs is false, is 1h0m0s`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			policy := resilience.DefaultPolicy()
			test.change(&policy)
			got := ""
			if err := policy.Validate(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("Validate() says\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestDefaultPolicy(t *testing.T) {
	t.Parallel()
	want := resilience.Policy{
		Attempts:      4,
		Backoff:       resilience.Backoff{Base: 500 * time.Millisecond, Cap: 30 * time.Second},
		MaxRetryAfter: 2 * time.Minute,
		SlowDeadline:  10 * time.Second,
		Breaker:       usualBreaker,
		Budget:        usualBudget,
	}
	if got := resilience.DefaultPolicy(); got != want {
		t.Errorf("DefaultPolicy() = %+v, want %+v", got, want)
	}
}

func TestCapsScale(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		slots   int
		share   float64
		want    int
		wantErr string
	}{
		{name: "all of it", slots: 10, share: 1, want: 10},
		{name: "half, rounded down", slots: 5, share: 0.5, want: 2},
		{name: "a product that floats put just below", slots: 100, share: 0.29, want: 29},
		{name: "exactly one", slots: 3, share: 1.0 / 3, want: 1},
		{name: "no bound has no share", slots: 0, share: 0.01, want: 0},
		{name: "less than one", slots: 3, share: 0.33, wantErr: "share: 0.33 of 3 slots is less than one"},
		{name: "zero", slots: 3, share: 0, wantErr: "share: must be above 0 and at most 1, is 0"},
		{name: "negative", slots: 3, share: -1, wantErr: "share: must be above 0 and at most 1, is -1"},
		{name: "more than all", slots: 3, share: 1.5, wantErr: "share: must be above 0 and at most 1, is 1.5"},
		{name: "not a number", slots: 3, share: math.NaN(), wantErr: "share: must be above 0 and at most 1, is NaN"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			whole := resilience.Caps{Slots: test.slots, Jobs: true, MaxAge: time.Hour, Queue: 7}
			want := resilience.Caps{Slots: test.want, Jobs: true, MaxAge: time.Hour, Queue: 7}
			got, err := whole.Scale(test.share)
			if test.wantErr != "" {
				if err == nil || err.Error() != test.wantErr {
					t.Fatalf("Scale(%v) = %v, want %q", test.share, err, test.wantErr)
				}
				return
			}
			if err != nil || got != want {
				t.Errorf("Scale(%v) = %+v, %v; want %+v", test.share, got, err, want)
			}
		})
	}
}
