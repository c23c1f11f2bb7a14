package resilience_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

var usualBreaker = resilience.BreakerPolicy{Failures: 5, Cooldown: 30 * time.Second, MaxCooldown: 5 * time.Minute}

const (
	closed, open, half        = resilience.Closed, resilience.Open, resilience.HalfOpen
	noAnswer, success, failed = resilience.NoAnswer, resilience.Success, resilience.Failure
)

// A breakerStep is one call of a breaker's method, at a time after the start. Exactly one
// of ask, done and check is set.
type breakerStep struct {
	at time.Duration

	// ask names the ticket that is got; an empty retry says that there is one. A name
	// that is used again is overwritten.
	ask string
	// check asks without taking a probe.
	check bool
	// retryAt is the answer to ask and check when the call is refused.
	retryAt time.Duration
	// probe is whether the ticket is one.
	probe bool

	// done names the ticket that reports result.
	done   string
	result resilience.Result

	// change is the transition that the step makes, state what the breaker is after it.
	change resilience.Transition
	state  resilience.State

	why string
}

func run(t *testing.T, breaker *resilience.Breaker, steps []breakerStep) {
	t.Helper()
	start := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	tickets := map[string]resilience.Ticket{}
	for i, step := range steps {
		now := start.Add(step.at)
		var change resilience.Transition
		switch {
		case step.done != "":
			change = breaker.Done(now, tickets[step.done], step.result)
		default:
			var retryAt time.Time
			var ok bool
			var probe bool
			if step.check {
				_, retryAt, ok = breaker.Check(now)
			} else {
				var ticket resilience.Ticket
				ticket, retryAt, ok = breaker.Ask(now)
				tickets[step.ask] = ticket
				change, probe = ticket.Transition, ticket.Probe
			}
			var want time.Time
			if step.retryAt != 0 {
				want = start.Add(step.retryAt)
			}
			if !retryAt.Equal(want) || ok != want.IsZero() || probe != step.probe {
				t.Errorf("step %d (%s): retry at %v, probe %v, ok %v; want %v, %v, %v", i, step.why, retryAt, probe, ok, want, step.probe, want.IsZero())
			}
		}
		if change != step.change || change.Happened() != (step.change != resilience.Transition{}) {
			t.Errorf("step %d (%s): transition %+v, want %+v", i, step.why, change, step.change)
		}
		if got := breaker.State(now); got != step.state {
			t.Errorf("step %d (%s): state %v, want %v", i, step.why, got, step.state)
		}
	}
}

func opened(cooldown time.Duration) resilience.Transition {
	return resilience.Transition{From: closed, To: open, Cooldown: cooldown}
}

func reopened(cooldown time.Duration) resilience.Transition {
	return resilience.Transition{From: half, To: open, Cooldown: cooldown}
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	const s, m = time.Second, time.Minute
	toHalf := resilience.Transition{From: open, To: half}
	toClosed := resilience.Transition{From: half, To: closed}
	tests := []struct {
		name   string
		policy resilience.BreakerPolicy
		steps  []breakerStep
	}{
		{
			name: "opens after failures in a row, and closes after a probe", policy: resilience.BreakerPolicy{Failures: 3, Cooldown: 30 * s, MaxCooldown: 5 * m},
			steps: []breakerStep{
				{at: 0, check: true, state: closed},
				{at: 0, ask: "a", state: closed},
				{at: 1 * s, done: "a", result: failed, state: closed, why: "one"},
				{at: 1 * s, ask: "b", state: closed},
				{at: 2 * s, done: "b", result: failed, state: closed, why: "two"},
				{at: 2 * s, ask: "c", state: closed},
				{at: 3 * s, done: "c", result: success, state: closed, why: "the row is broken"},
				{at: 3 * s, ask: "d", state: closed},
				{at: 3 * s, ask: "e", state: closed, why: "any number at a time"},
				{at: 3 * s, ask: "f", state: closed},
				{at: 4 * s, done: "f", result: failed, state: closed},
				{at: 4 * s, done: "d", result: failed, state: closed},
				{at: 5 * s, done: "e", result: failed, change: opened(30 * s), state: open, why: "three in a row"},
				{at: 5 * s, ask: "g", retryAt: 35 * s, state: open},
				{at: 35*s - 1, check: true, retryAt: 35 * s, state: open, why: "a nanosecond early"},
				{at: 35*s - 1, ask: "g", retryAt: 35 * s, state: open},
				{at: 35 * s, check: true, state: half, why: "a look does not take the probe"},
				{at: 35 * s, ask: "h", probe: true, change: toHalf, state: half},
				{at: 35 * s, check: true, retryAt: 38 * s, state: half, why: "the place is taken"},
				{at: 36 * s, ask: "i", retryAt: 39 * s, state: half, why: "a tenth of the cooldown from now"},
				{at: 37 * s, done: "h", result: success, change: toClosed, state: closed},
				{at: 37 * s, check: true, state: closed},
				{at: 37 * s, ask: "j", state: closed},
			},
		},
		{
			name: "answers without news count for nothing", policy: resilience.BreakerPolicy{Failures: 2, Cooldown: 30 * s, MaxCooldown: 5 * m},
			steps: []breakerStep{
				{ask: "a", state: closed},
				{done: "a", result: failed, state: closed},
				{ask: "a", state: closed},
				{done: "a", result: noAnswer, state: closed, why: "neither a failure nor the end of the row"},
				{ask: "a", state: closed},
				{done: "a", result: failed, change: opened(30 * s), state: open},
				{done: "never asked", result: success, state: open, why: "the zero ticket is nobody's"},
			},
		},
		{
			name: "the zero ticket is of no generation", policy: resilience.BreakerPolicy{Failures: 1, Cooldown: 30 * s, MaxCooldown: 5 * m},
			steps: []breakerStep{{done: "never asked", result: failed, state: closed}},
		},
		{
			name: "the cooldown doubles up to its maximum and starts anew after a success", policy: resilience.BreakerPolicy{Failures: 1, Cooldown: 30 * s, MaxCooldown: 100 * s},
			steps: []breakerStep{
				{ask: "a", state: closed},
				{done: "a", result: failed, change: opened(30 * s), state: open},
				{at: 30 * s, ask: "b", probe: true, change: toHalf, state: half},
				{at: 40 * s, done: "b", result: failed, change: reopened(60 * s), state: open, why: "counted from the probe's end"},
				{at: 100 * s, ask: "c", probe: true, change: toHalf, state: half},
				{at: 100 * s, done: "c", result: failed, change: reopened(100 * s), state: open, why: "120 s is too long"},
				{at: 200 * s, ask: "d", probe: true, change: toHalf, state: half},
				{at: 200 * s, done: "d", result: failed, change: reopened(100 * s), state: open},
				{at: 300 * s, ask: "e", probe: true, change: toHalf, state: half},
				{at: 300 * s, done: "e", result: success, change: toClosed, state: closed},
				{at: 301 * s, ask: "f", state: closed},
				{at: 301 * s, done: "f", result: failed, change: opened(30 * s), state: open},
			},
		},
		{
			name: "a probe without an answer gives its place to the next call at once", policy: resilience.BreakerPolicy{Failures: 1, Cooldown: 30 * s, MaxCooldown: 5 * m},
			steps: []breakerStep{
				{ask: "a", state: closed},
				{done: "a", result: failed, change: opened(30 * s), state: open},
				{at: 30 * s, ask: "b", probe: true, change: toHalf, state: half},
				{at: 31 * s, ask: "c", retryAt: 34 * s, state: half},
				{at: 31 * s, done: "b", result: noAnswer, state: half, why: "its caller left"},
				{at: 31 * s, check: true, state: half},
				{at: 31 * s, ask: "d", probe: true, state: half, why: "half-open already"},
				{at: 31 * s, done: "b", result: noAnswer, state: half, why: "reported twice"},
				{at: 31 * s, ask: "e", retryAt: 34 * s, state: half, why: "d still has the place"},
				{at: 32 * s, done: "b", result: success, state: half, why: "a given-back ticket decides nothing"},
				{at: 33 * s, done: "d", result: failed, change: reopened(60 * s), state: open},
				{at: 33 * s, done: "d", result: failed, state: open, why: "reported twice"},
				{at: 93 * s, ask: "f", probe: true, change: toHalf, state: half},
			},
		},
		{
			name: "late results count for nothing", policy: resilience.BreakerPolicy{Failures: 1, Cooldown: 30 * s, MaxCooldown: 5 * m},
			steps: []breakerStep{
				{ask: "early failure", state: closed},
				{ask: "late success", state: closed},
				{ask: "late failure", state: closed},
				{ask: "later failure", state: closed},
				{ask: "last failure", state: closed},
				{at: 1 * s, done: "early failure", result: failed, change: opened(30 * s), state: open},
				{at: 2 * s, done: "late success", result: success, state: open, why: "does not close it"},
				{at: 3 * s, done: "late failure", result: failed, state: open, why: "does not prolong the cooldown"},
				{at: 31 * s, ask: "probe", probe: true, change: toHalf, state: half},
				{at: 32 * s, done: "later failure", result: failed, state: half, why: "is not the probe's"},
				{at: 33 * s, done: "probe", result: success, change: toClosed, state: closed},
				{at: 34 * s, done: "last failure", result: failed, state: closed, why: "was sent before it opened"},
			},
		},
		{
			name: "durations too long to double", policy: resilience.BreakerPolicy{Failures: 1, Cooldown: math.MaxInt64/2 + 1, MaxCooldown: math.MaxInt64},
			steps: []breakerStep{
				{ask: "a", state: closed},
				{done: "a", result: failed, change: opened(math.MaxInt64/2 + 1), state: open},
				{at: math.MaxInt64/2 + 1, ask: "b", probe: true, change: toHalf, state: half},
				{at: math.MaxInt64/2 + 1, done: "b", result: failed, change: reopened(math.MaxInt64), state: open},
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			run(t, resilience.NewBreaker(test.policy), test.steps)
		})
	}
}

// Whatever happens in whatever order: there are never two probes at once, no call goes
// through while the breaker is open, and a cooldown is kept and at most the maximum.
func TestBreakerRandomScripts(t *testing.T) {
	t.Parallel()
	type held struct {
		ticket resilience.Ticket
		spent  bool
	}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		breaker := resilience.NewBreaker(usualBreaker)
		now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
		var out []held // every ticket ever given; some report twice
		var openUntil time.Time
		probes := 0
		for step := range 1000 {
			now = now.Add(time.Duration(random.Int64N(int64(5 * time.Second))))
			if random.IntN(2) == 0 || len(out) == 0 {
				_, _, wouldPass := breaker.Check(now)
				ticket, retryAt, ok := breaker.Ask(now)
				if ok != wouldPass {
					t.Fatalf("seed %d, step %d: Ask says %v, Check said %v", seed, step, ok, wouldPass)
				}
				if !ok {
					if !retryAt.After(now) {
						t.Fatalf("seed %d, step %d: refused until %v, which is not after %v", seed, step, retryAt, now)
					}
					continue
				}
				if now.Before(openUntil) {
					t.Fatalf("seed %d, step %d: let through %v before the cooldown is over", seed, step, openUntil.Sub(now))
				}
				if ticket.Probe {
					probes++
				}
				if probes > 1 {
					t.Fatalf("seed %d, step %d: %d probes at once", seed, step, probes)
				}
				out = append(out, held{ticket: ticket})
				continue
			}
			i := random.IntN(len(out))
			change := breaker.Done(now, out[i].ticket, resilience.Result(random.IntN(3)))
			if out[i].ticket.Probe && !out[i].spent {
				probes--
			}
			out[i].spent = true
			if change.To == open {
				if change.Cooldown < usualBreaker.Cooldown || change.Cooldown > usualBreaker.MaxCooldown {
					t.Fatalf("seed %d, step %d: a cooldown of %v", seed, step, change.Cooldown)
				}
				openUntil = now.Add(change.Cooldown)
			}
		}
	}
}

func TestStateString(t *testing.T) {
	t.Parallel()
	want := map[resilience.State]string{closed: "closed", open: "open", half: "half-open", 7: "unknown"}
	for state, text := range want {
		if got := state.String(); got != text {
			t.Errorf("State(%d) is written %q, want %q", int(state), got, text)
		}
	}
}
