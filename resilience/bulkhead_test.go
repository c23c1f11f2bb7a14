package resilience_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

func newBulkhead(caps resilience.Caps) *resilience.Bulkhead {
	return resilience.NewBulkhead(caps, resilience.NewLocalSlots())
}

// take acquires a slot that must be free. It is for bubbles, where no time passes by itself.
func take(t testing.TB, bulkhead *resilience.Bulkhead, caller string) *resilience.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond) // too little to wait
	defer cancel()
	lease, waited, err := bulkhead.Acquire(ctx, caller)
	if err != nil || waited != 0 {
		t.Fatalf("Acquire = %v after %v, want a slot at once", err, waited)
	}
	return lease
}

// refused tries to acquire a slot when none must be free.
func refused(t *testing.T, bulkhead *resilience.Bulkhead) *resilience.SlotsFullError {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond) // too little to wait
	defer cancel()
	_, waited, err := bulkhead.Acquire(ctx, "refused")
	var full *resilience.SlotsFullError
	if !errors.As(err, &full) || waited != 0 {
		t.Fatalf("Acquire = %v after %v, want a refusal at once", err, waited)
	}
	return full
}

func wantUsage(t *testing.T, bulkhead *resilience.Bulkhead, want resilience.SlotUsage) {
	t.Helper()
	if got := bulkhead.Usage(); got != want {
		t.Errorf("Usage() = %+v, want %+v", got, want)
	}
}

func TestBulkheadTakesTurns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		joining []string // in this order: the letter is the caller
		leaving []string // before anything is served
		want    []string
	}{
		{name: "one caller: in order", joining: []string{"a1", "a2", "a3"}, want: []string{"a1", "a2", "a3"}},
		{
			name: "a burst of one caller holds up the others by one call each", joining: []string{"a1", "a2", "a3", "b1", "c1", "b2"},
			want: []string{"a1", "b1", "c1", "a2", "b2", "a3"},
		},
		{name: "who leaves holds up nobody", joining: []string{"a1", "a2", "b1", "b2", "c1"}, leaving: []string{"a1", "c1"}, want: []string{"a2", "b1", "b2"}},
		{name: "a caller all of whose calls leave", joining: []string{"a1", "b1", "a2"}, leaving: []string{"a1", "a2"}, want: []string{"b1"}},
		{name: "everyone leaves", joining: []string{"a1", "b1"}, leaving: []string{"b1", "a1"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				bulkhead := newBulkhead(resilience.Caps{Slots: 1})
				first := take(t, bulkhead, "first")
				var served []string // one slot, so never two at once
				cancels := map[string]context.CancelFunc{}
				for _, call := range test.joining {
					var ctx context.Context
					ctx, cancels[call] = context.WithCancel(t.Context())
					go func() {
						lease, _, err := bulkhead.Acquire(ctx, call[:1])
						if err != nil {
							return
						}
						served = append(served, call)
						time.Sleep(time.Second)
						lease.Release()
					}()
					synctest.Wait()
				}
				for _, call := range test.leaving {
					cancels[call]()
				}
				synctest.Wait()
				wantUsage(t, bulkhead, resilience.SlotUsage{Slots: 1, Taken: 1, Waiting: len(test.want)})
				first.Release()
				time.Sleep(time.Minute)
				synctest.Wait()
				if !slices.Equal(served, test.want) {
					t.Errorf("served %v, want %v", served, test.want)
				}
				if !bulkhead.Idle() {
					t.Errorf("still busy: %+v", bulkhead.Usage())
				}
			})
		})
	}
}

func TestBulkheadRefusesBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		timeout time.Duration
		waited  time.Duration
	}{
		{name: "no time left", timeout: time.Millisecond, waited: 0},
		{name: "just the least margin", timeout: 20 * time.Millisecond, waited: 0},
		{name: "20 ms where 5 % is less", timeout: 100 * time.Millisecond, waited: 80 * time.Millisecond},
		{name: "5 %", timeout: time.Second, waited: 950 * time.Millisecond},
		{name: "the longest with 5 %", timeout: 5 * time.Second, waited: 4750 * time.Millisecond},
		{name: "250 ms where 5 % is more", timeout: time.Minute, waited: 59750 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				bulkhead := newBulkhead(resilience.Caps{Slots: 2})
				take(t, bulkhead, "a")
				take(t, bulkhead, "b")
				ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
				defer cancel()
				_, waited, err := bulkhead.Acquire(ctx, "c")
				var full *resilience.SlotsFullError
				// Nothing was freed yet, so the age of the oldest slot is the best guess.
				want := resilience.SlotsFullError{RetryAfter: max(time.Second, test.waited), Slots: 2}
				if !errors.As(err, &full) || *full != want {
					t.Fatalf("Acquire = %#v, want %#v", err, want)
				}
				if waited != test.waited {
					t.Errorf("refused after %v, want %v", waited, test.waited)
				}
				wantUsage(t, bulkhead, resilience.SlotUsage{Slots: 2, Taken: 2})
			})
		})
	}
}

func TestBulkheadWaitsUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bulkhead := newBulkhead(resilience.Caps{Slots: 1})
		lease := take(t, bulkhead, "a")
		left := errors.New("the caller left")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(24*time.Hour, func() { cancel(left) })
		if _, waited, err := bulkhead.Acquire(ctx, "b"); !errors.Is(err, left) || waited != 24*time.Hour {
			t.Errorf("Acquire = %v after %v, want %v after 24h", err, waited, left)
		}
		wantUsage(t, bulkhead, resilience.SlotUsage{Slots: 1, Taken: 1})
		lease.Release()
		if _, _, err := bulkhead.Acquire(ctx, "b"); !errors.Is(err, left) {
			t.Errorf("Acquire with an ended context = %v, want %v", err, left)
		}
		if !bulkhead.Idle() {
			t.Error("an ended context took a slot")
		}
	})
}

func TestBulkheadQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bulkhead := newBulkhead(resilience.Caps{Slots: 1, Queue: 2})
		lease := take(t, bulkhead, "a")
		for range 2 {
			go func() {
				lease, _, err := bulkhead.Acquire(t.Context(), "b")
				if err != nil {
					t.Errorf("Acquire = %v, want a slot", err)
					return
				}
				lease.Release()
			}()
		}
		synctest.Wait()
		time.Sleep(3 * time.Second)
		_, waited, err := bulkhead.Acquire(t.Context(), "c")
		var full *resilience.SlotsFullError
		if want := (resilience.SlotsFullError{RetryAfter: 3 * time.Second, Slots: 1, QueueFull: true}); !errors.As(err, &full) || *full != want || waited != 0 {
			t.Errorf("Acquire = %#v after %v, want %#v at once", err, waited, want)
		}
		if want := "all 1 slots are taken and the queue for them is full"; err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
		if got, want := refused(t, newFull(t)).Error(), "all 1 slots are taken and none was freed in time"; got != want {
			t.Errorf("error %q, want %q", got, want)
		}
		lease.Release()
		synctest.Wait()
	})
}

func newFull(t *testing.T) *resilience.Bulkhead {
	t.Helper()
	bulkhead := newBulkhead(resilience.Caps{Slots: 1})
	if _, _, err := bulkhead.Acquire(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	return bulkhead
}

func TestBulkheadAdvisesTheMedianHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bulkhead := newBulkhead(resilience.Caps{Slots: 1})
		hold := func(d time.Duration) {
			lease := take(t, bulkhead, "a")
			time.Sleep(d)
			lease.Release()
			lease.Release() // counts once
		}
		hold(40 * time.Millisecond)
		wantUsage(t, bulkhead, resilience.SlotUsage{Slots: 1, MedianHold: 40 * time.Millisecond})
		hold(time.Hour)
		hold(50 * time.Millisecond)
		wantUsage(t, bulkhead, resilience.SlotUsage{Slots: 1, MedianHold: 50 * time.Millisecond})
		for range 31 {
			hold(2 * time.Second) // older ones are forgotten
		}
		take(t, bulkhead, "a")
		if got := refused(t, bulkhead).RetryAfter; got != 2*time.Second {
			t.Errorf("advised %v, want the median hold of 2s", got)
		}
	})
}

// A script of random steps: a slot is given exactly while fewer than all are taken, and
// more are taken only by adoption.
func TestBulkheadRandomScripts(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			caps := resilience.Caps{Slots: 1 + random.IntN(5), Jobs: true, MaxAge: time.Hour}
			bulkhead := newBulkhead(caps)
			var leases []*resilience.Lease // what should hold a slot, with jobs
			jobs := map[string]bool{}
			drop := func() *resilience.Lease {
				i := random.IntN(len(leases))
				lease := leases[i]
				leases = slices.Delete(leases, i, i+1)
				return lease
			}
			for step := range 400 {
				id := fmt.Sprint("job", random.IntN(8))
				switch action := random.IntN(14); {
				case action < 6:
					ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // too little to wait
					lease, _, err := bulkhead.Acquire(ctx, id)
					cancel()
					if free := len(leases)+len(jobs) < caps.Slots; (err == nil) != free {
						t.Fatalf("seed %d, step %d: Acquire = %v with %d and %d of %d slots taken", seed, step, err, len(leases), len(jobs), caps.Slots)
					}
					if err == nil {
						leases = append(leases, lease)
					}
				case action < 8 && len(leases) > 0:
					lease := drop()
					lease.Release()
					lease.Release()
				case action < 10 && len(leases) > 0:
					lease := drop()
					lease.Keep(id)
					lease.Release()
					jobs[id] = true
				case action == 10:
					bulkhead.Adopt(id, time.Now())
					jobs[id] = true
				default:
					if freed := bulkhead.Free(id); freed != jobs[id] {
						t.Fatalf("seed %d, step %d: Free = %v, want %v", seed, step, freed, jobs[id])
					}
					delete(jobs, id)
				}
				if usage := bulkhead.Usage(); usage.Taken != len(leases)+len(jobs) || usage.Jobs != len(jobs) {
					t.Fatalf("seed %d, step %d: %+v, want %d leases and %d jobs", seed, step, usage, len(leases), len(jobs))
				}
			}
		})
	}
}

// Calls come, wait, run, give up and leave at random, on a grid of 10 ms so that much
// happens in the same instant: never more than all slots are in use, nobody waits past
// the margin, callers who wait are served in turn, and in the end nothing is left over.
func TestBulkheadRandomCrowd(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 4))
			const slots = 3
			bulkhead := newBulkhead(resilience.Caps{Slots: slots})
			var mu sync.Mutex
			running, served := 0, 0
			grid := func(most int) time.Duration { return time.Duration(random.IntN(most)) * 10 * time.Millisecond }
			for range 500 {
				start, timeout, leave, hold := grid(1000), 40*time.Millisecond+grid(50), grid(100), grid(20)
				caller := string(rune('a' + random.IntN(5)))
				go func() {
					time.Sleep(start)
					ctx, cancel := context.WithTimeout(t.Context(), timeout)
					defer cancel()
					time.AfterFunc(leave, cancel)
					lease, waited, err := bulkhead.Acquire(ctx, caller)
					if waited > min(timeout-20*time.Millisecond, leave) {
						t.Errorf("seed %d: waited %v of %v", seed, waited, min(timeout, leave))
					}
					if err != nil {
						return
					}
					mu.Lock()
					running++
					served++
					if running > slots {
						t.Errorf("seed %d: %d slots in use", seed, running)
					}
					mu.Unlock()
					time.Sleep(hold)
					mu.Lock()
					running--
					mu.Unlock()
					lease.Release()
				}()
			}
			time.Sleep(time.Minute)
			usage := bulkhead.Usage()
			usage.MedianHold = 0
			if usage != (resilience.SlotUsage{Slots: slots}) || !bulkhead.Idle() {
				t.Errorf("seed %d: %+v is left over", seed, usage)
			}
			if served < 100 {
				t.Errorf("seed %d: only %d of 500 were served", seed, served)
			}
		})
	}
}

// With k callers waiting, each is served at least every k times, whatever the crowd.
func TestBulkheadIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bulkhead := newBulkhead(resilience.Caps{Slots: 1})
		random := rand.New(rand.NewPCG(1, 5))
		var order []string
		waiting := map[string]int{}
		gate := take(t, bulkhead, "gate")
		for range 1000 {
			caller := string(rune('a' + min(random.IntN(20), 6))) // g has two thirds of all calls
			waiting[caller]++
			go func() {
				lease, _, err := bulkhead.Acquire(t.Context(), caller)
				if err != nil {
					t.Errorf("Acquire = %v, want a slot", err)
					return
				}
				order = append(order, caller)
				time.Sleep(time.Second)
				lease.Release()
			}()
			synctest.Wait()
		}
		gate.Release()
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(order) != 1000 {
			t.Fatalf("%d of 1000 were served", len(order))
		}
		type turn struct{ at, callers int } // of a caller's last call, and who waited then
		last := map[string]turn{}
		for i, caller := range order {
			if l, ok := last[caller]; ok && i-l.at > l.callers {
				t.Fatalf("%s was served after %d others, of %d callers waiting", caller, i-l.at-1, l.callers)
			}
			last[caller] = turn{at: i, callers: len(waiting)}
			if waiting[caller]--; waiting[caller] == 0 {
				delete(waiting, caller)
			}
		}
	})
}

// A bubble ends only when all its goroutines have; goleak sees those outside of it, and
// those of other tests, so this one is not parallel.
func TestBulkheadLeaksNothing(t *testing.T) {
	ignored := goleak.IgnoreCurrent()
	synctest.Test(t, func(t *testing.T) {
		bulkhead := newFull(t)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 10_000 {
			all.Go(func() {
				if _, _, err := bulkhead.Acquire(ctx, fmt.Sprint("caller", i%100)); !errors.Is(err, context.Canceled) {
					t.Errorf("Acquire = %v, want %v", err, context.Canceled)
				}
			})
		}
		synctest.Wait()
		wantUsage(t, bulkhead, resilience.SlotUsage{Slots: 1, Taken: 1, Waiting: 10_000})
		cancel()
		all.Wait()
		wantUsage(t, bulkhead, resilience.SlotUsage{Slots: 1, Taken: 1})
	})
	goleak.VerifyNone(t, ignored)
}

func BenchmarkBulkhead(b *testing.B) {
	bulkhead := newBulkhead(resilience.Caps{Slots: 10})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		lease, _, _ := bulkhead.Acquire(ctx, "caller")
		lease.Release()
	}
}
