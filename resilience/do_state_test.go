package resilience

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

// TestDoThrottled shows for whom a 429 closes the way, and that it is learnt before.
func TestDoThrottled(t *testing.T) {
	for _, row := range []struct {
		name          string
		first         Outcome
		same, another string // when a call of the same family goes, and one of another
	}{
		{"nothing said of what remains: the key", throttled(2 * time.Hour), "2h0m0s", "2h0m0s"},
		{"nothing remains: the key", func() Outcome {
			o := throttled(5 * time.Second)
			o.Headers = Headers{Limit: 60, HasLimit: true, HasRemaining: true}
			return o
		}(), "1m0.25s", "1m0.25s"},
		{"the key has room: the family", capped(5 * time.Second), "5s", "0s"},
		{"said of what was no refusal: nobody", asking(invalid, 5*time.Second), "0s", "0s"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(func(p *Policy) { p.Attempts = 1 }, reply{0, row.first})
				if _, err := s.call(t.Context()); err == nil {
					t.Fatal("no error")
				}
				if got := s.limiter.Usage(); got.Own != 1 {
					t.Errorf("the window counts %+v", got)
				}
				var same, another string
				var both sync.WaitGroup
				both.Go(func() {
					_, err := s.call(t.Context())
					same = fmt.Sprint(s.at(), suffix(err))
				})
				both.Go(func() {
					_, err := s.call(t.Context(), func(c *Call) { c.Family = "mave" })
					another = fmt.Sprint(s.at(), suffix(err))
				})
				both.Wait()
				if same != row.same || another != row.another {
					t.Errorf("the same family at %s, want %s; another at %s, want %s", same, row.same, another, row.another)
				}
			})
		})
	}
}

func suffix(err error) string {
	if err == nil {
		return ""
	}
	return " " + err.Error()
}

// TestDoBreaker opens the breaker by one call's retries: others are refused, until
// one of them is the probe.
func TestDoBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(p *Policy) { p.Breaker.Failures = 3 }, reply{0, unavailable}, reply{0, unavailable}, reply{0, unavailable})
		step := func(what, want string, change ...func(*Call)) {
			t.Helper()
			_, err := s.call(t.Context(), change...)
			if got := fmt.Sprint(len(s.attempts), " ", err); got != want {
				t.Errorf("%s: got %s, want %s", what, got, want)
			}
		}
		const open = "the circuit breaker is open until 2000-01-01T00:00:30Z"
		step("the third failure opens it", "3 the upstream failed\n"+open)
		step("another call is refused", "3 "+open)
		if level := s.budget.Level(time.Now()); level != 8 {
			t.Errorf("the budget is %d", level)
		}
		step("a call that is a retry is refused too, and draws nothing", "3 "+open, func(c *Call) { c.Resent = true })
		if level := s.budget.Level(time.Now()); level != 8 {
			t.Errorf("the budget is %d", level)
		}

		time.Sleep(30 * time.Second)
		s.script = []reply{{10 * time.Second, unavailable}, {time.Minute, well}, {10 * time.Second, well}}
		probe := make(chan error)
		ctx, leave := context.WithCancelCause(t.Context())
		go func() {
			_, err := s.call(ctx)
			probe <- err
		}()
		synctest.Wait()
		step("one call is under way as a probe", "4 the circuit breaker is open until 2000-01-01T00:00:33Z")
		if got, want := (<-probe).Error(), "the upstream failed\nthe circuit breaker is open until 2000-01-01T00:01:40Z"; got != want {
			t.Errorf("the probe failed: got %s, want %s", got, want)
		}

		time.Sleep(time.Minute)
		go func() {
			_, err := s.call(ctx)
			probe <- err
		}()
		synctest.Wait()
		leave(errLeft)
		if err := <-probe; !errors.Is(err, errLeft) {
			t.Errorf("the probe that left: %v", err)
		}
		step("its place goes to the next call", "6 <nil>")
		step("all is well", "7 <nil>")
		want := []string{
			"503 250ms", "503 500ms", "closed to open", "open to half-open", "half-open to open",
			"open to half-open", "half-open to closed",
		}
		if diff := cmp.Diff(want, s.told); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// TestDoLongAnswer lets an answer go on for an hour after its head: others learn of
// the rate, and the breaker of the probe's success, long before its end, and the end
// changes neither.
func TestDoLongAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(p *Policy) { p.Attempts = 1 })
		fail := func(times int) {
			for range times {
				s.script = []reply{{0, unavailable}}
				_, _ = s.call(t.Context())
			}
		}
		fail(s.policy.Breaker.Failures)
		time.Sleep(s.policy.Breaker.Cooldown)
		call := &Call{
			Policy: &s.policy, TimeoutCause: errTimeout, Family: "personas", Budget: s.budget, Breaker: s.breaker,
			Limiter: s.limiter, Random: func() float64 { return 0.5 },
		}
		_, err := Do(t.Context(), call, func(ctx context.Context, _ *Lease, o *Outcome) {
			if state, _, _ := s.breaker.Check(time.Now()); state != HalfOpen {
				t.Errorf("during the probe the breaker is %s", state)
			}
			call.Answered(2, Headers{Limit: 30, HasLimit: true, Remaining: 20, HasRemaining: true, Reset: time.Now().Add(time.Minute)})
			call.Healthy()
			if state, _, _ := s.breaker.Check(time.Now()); state != Closed {
				t.Errorf("after the probe's first event the breaker is %s", state)
			}
			if got := s.limiter.Usage(); got.Limit != 30 {
				t.Errorf("after the head the limit is %d", got.Limit)
			}
			time.Sleep(time.Hour)
			if ctx.Err() != nil {
				t.Errorf("the attempt was ended: %v", context.Cause(ctx))
			}
			*o = Outcome{Err: errUpstream, Result: Failure, Sends: 1, Headers: Headers{Limit: 60, HasLimit: true}}
		})
		if !errors.Is(err, errUpstream) {
			t.Errorf("got %v", err)
		}
		if got := s.limiter.Usage(); got.Limit != 30 {
			t.Errorf("in the end the limit is %d", got.Limit)
		}
		fail(s.policy.Breaker.Failures - 1)
		if state, _, _ := s.breaker.Check(time.Now()); state != Closed {
			t.Error("the end was counted as a failure")
		}
	})
}

// TestDoQueuedBreaker has calls in the queue of the window while the breaker opens,
// and while it is half-open: they are asked when they leave it.
func TestDoQueuedBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(p *Policy) {
			p.Attempts, p.Breaker = 1, BreakerPolicy{Failures: 1, Cooldown: time.Minute, MaxCooldown: time.Hour}
		}, reply{10 * time.Second, unavailable})
		var mu sync.Mutex
		var got []string
		start := func() {
			_, err := s.call(t.Context())
			mu.Lock()
			defer mu.Unlock()
			got = append(got, s.at()+suffix(err))
		}
		go start() // fails at 10 s
		synctest.Wait()
		s.limiter.Close(s.begin.Add(20 * time.Second))
		go start()
		go start()
		time.Sleep(80 * time.Second)
		if usage := s.limiter.Usage(); usage.Own != 0 { // the first has left
			t.Errorf("refused calls took places: %+v", usage)
		}
		s.limiter.Close(s.begin.Add(100 * time.Second))
		s.script = []reply{{time.Second, well}}
		go start()
		go start()
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		want := []string{
			"10s the upstream failed",
			"20s the circuit breaker is open until 2000-01-01T00:01:10Z", "20s the circuit breaker is open until 2000-01-01T00:01:10Z",
			"1m40s the circuit breaker is open until 2000-01-01T00:01:46Z", "1m41s", // of two, one is the probe
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if usage := s.limiter.Usage(); usage.Own != 1 {
			t.Errorf("a refused call took a place: %+v", usage)
		}
	})
}

// closing is a breaker that opens between Check and Ask.
type closing struct{ *LocalBreaker }

func (closing) Ask(now time.Time) (Ticket, time.Time, bool) {
	return Ticket{}, now.Add(time.Minute), false
}

// TestDoBreakerOpensMeanwhile gives back the place of a call that took it in vain.
func TestDoBreakerOpensMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		_, err := s.call(t.Context(), func(c *Call) { c.Breaker = closing{s.breaker} })
		var open *OpenError
		if !errors.As(err, &open) || open.RetryAt.Sub(s.begin) != time.Minute || len(s.attempts) != 0 || s.limiter.Usage().Own != 0 {
			t.Errorf("got %v, attempts %v, window %+v", err, s.attempts, s.limiter.Usage())
		}
	})
}

// TestDoSlots bounds what is under way: a pause between attempts is not.
func TestDoSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(p *Policy) { p.Caps.Slots = 1 }, reply{time.Second, asking(unavailable, 4*time.Second)}, reply{2 * time.Second, well}, reply{10 * time.Second, well})
		var mu sync.Mutex
		var got []string
		start := func(name string, deadline time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			waited, err := s.call(ctx)
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fmt.Sprintf("%s at %s, waited %s%s", name, s.at(), waited, suffix(err)))
		}
		go start("retried", time.Minute)
		synctest.Wait()
		go start("in its pause", time.Minute) // 1 s to 3 s
		time.Sleep(4 * time.Second)
		go start("long", time.Minute) // 4 s to 14 s
		synctest.Wait()
		go start("too late", 5*time.Second) // of which 250 ms are for the refusal
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		want := []string{
			"in its pause at 3s, waited 1s",
			"too late at 8.75s, waited 4.75s all 1 slots are taken and none was freed in time",
			"long at 14s, waited 0s",
			"retried at 14s, waited 13s",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if !s.slots.Idle() {
			t.Error("a slot is still taken")
		}
	})
}

// TestDoFullWindow refuses at once what cannot go in time, and gives the slot back.
func TestDoFullWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(p *Policy) { p.Caps.Slots = 1 })
		for range 60 {
			s.limiter.Charge()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err := s.call(ctx)
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Reason != RateLimited || refused.RetryAt.Sub(s.begin) != 60250*time.Millisecond {
			t.Errorf("got %v", err)
		}
		if s.at() != "0s" || !s.slots.Idle() || len(s.attempts) != 0 {
			t.Errorf("at %s, slots %+v, attempts %v", s.at(), s.slots.Usage(), s.attempts)
		}
	})
}

// TestDoBudget spends it: by retries, and by calls that are retries themselves.
func TestDoBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(p *Policy) { p.Budget.Stock, p.Breaker.Failures = 2, 100 })
		s.script = slices.Repeat([]reply{{0, unavailable}}, 100)
		if _, err := s.call(t.Context()); !errors.Is(err, errUpstream) || len(s.attempts) != 3 {
			t.Errorf("two retries in stock: %v after %d attempts", err, len(s.attempts))
		}
		again := func(c *Call) { c.Resent = true }
		_, err := s.call(t.Context(), again)
		var spent *BudgetError
		const text = "the call is itself a retry, and the retry budget is spent"
		if !errors.As(err, &spent) || err.Error() != text || spent.RetryAfter != 10*time.Second || len(s.attempts) != 3 {
			t.Errorf("a retry of the caller's: %v after %d attempts", err, len(s.attempts))
		}
		time.Sleep(10 * time.Second)
		if _, err := s.call(t.Context(), again); !errors.Is(err, errUpstream) || len(s.attempts) != 4 {
			t.Errorf("after a refill: %v after %d attempts", err, len(s.attempts))
		}
		for range 8 { // with the first call nine: no whole retry
			_, _ = s.call(t.Context(), func(c *Call) { c.Policy.Attempts = 1 })
		}
		if level := s.budget.Level(time.Now()); level != 1 {
			t.Errorf("nine calls pay for %d retries", level)
		}
		want := []string{"503 250ms", "503 500ms", "budget spent", "budget spent", "budget spent"}
		if diff := cmp.Diff(want, s.told); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// TestDoPanic settles slot, place and ticket of an attempt that panics.
func TestDoPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(p *Policy) { p.Caps.Slots, p.Breaker.Failures = 1, 1 }, reply{0, unavailable})
		_, _ = s.call(t.Context()) // the breaker is open
		time.Sleep(30 * time.Second)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			call := &Call{
				Policy: &s.policy, Timeout: time.Minute, Budget: s.budget, Breaker: s.breaker, Limiter: s.limiter, Slots: s.slots,
			}
			_, _ = Do(t.Context(), call, func(context.Context, *Lease, *Outcome) { panic("a mistake") })
		}()
		if _, _, ok := s.breaker.Check(time.Now()); !ok || !s.slots.Idle() || s.limiter.Usage().Own != 2 {
			t.Errorf("let through: %v, slots %+v, window %+v", ok, s.slots.Usage(), s.limiter.Usage())
		}
	})
}

// TestDoCancelled lets 10,000 callers leave, wherever they are: in the attempt, in
// its pause, in the queue of the window or for the slots.
func TestDoCancelled(t *testing.T) {
	ignored := goleak.IgnoreCurrent()
	synctest.Test(t, func(t *testing.T) {
		const calls = 10_000
		s := newStage(func(p *Policy) { p.Caps.Slots, p.Breaker.Failures = 30, 1_000_000 })
		s.limiter = NewLimiter(NewWindow(WindowPolicy{}), QueuePolicy{Factor: calls}) // room for all
		s.script = slices.Concat(slices.Repeat([]reply{{time.Second, asking(unavailable, time.Minute)}}, 10), slices.Repeat([]reply{{time.Hour, well}}, calls))
		ctx, cancel := context.WithCancelCause(t.Context())
		var mu sync.Mutex
		ends := map[string]int{}
		for i := range calls {
			go func() {
				_, err := s.call(ctx, func(c *Call) {
					c.Timeout, c.Caller = 2*time.Hour, fmt.Sprint("caller ", i%7)
					if i%2 == 0 {
						c.Slots = nil
					}
				})
				mu.Lock()
				defer mu.Unlock()
				ends[err.Error()]++
			}()
		}
		time.Sleep(30 * time.Second)
		cancel(errLeft)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if ends["the caller left"] != calls {
			t.Errorf("ended by %v", ends)
		}
		if queued := s.limiter.Queued(); queued != (Waiting{}) || !s.slots.Idle() {
			t.Errorf("still waiting: %v, slots %+v", queued, s.slots.Usage())
		}
	})
	goleak.VerifyNone(t, ignored)
}

// BenchmarkDo is what the whole chain costs a call that goes straight through.
func BenchmarkDo(b *testing.B) {
	policy := DefaultPolicy()
	call := &Call{
		Policy: &policy, Timeout: time.Minute, TimeoutCause: errTimeout, Family: "mave", Caller: "tester",
		Budget: NewLocalBudget(policy.Budget), Breaker: NewLocalBreaker(policy.Breaker),
		Limiter: NewLimiter(NewWindow(WindowPolicy{StartLimit: 1_000_000_000, Unconfirmed: 1_000_000_000}), QueuePolicy{}),
		Slots:   NewBulkhead(Caps{Slots: 10}, NewLocalSlots()),
		Random:  func() float64 { return 0.5 },
	}
	attempt := func(_ context.Context, _ *Lease, o *Outcome) { *o = well }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Do(b.Context(), call, attempt); err != nil {
			b.Fatal(err)
		}
	}
}
