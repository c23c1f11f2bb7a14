package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A call that hangs delays none after it, and one that begins late counts from when it
// was due.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var mu sync.Mutex
		began, due := make([]time.Duration, 5), make([]time.Duration, 5)
		pace(t.Context(), sleep, 1000, 5, func(i int, at time.Time) {
			mu.Lock()
			began[i], due[i] = time.Since(begin), at.Sub(begin)
			mu.Unlock()
			if i == 1 {
				time.Sleep(time.Minute)
			}
		})
		want := []time.Duration{0, 1e6, 2e6, 3e6, 4e6}
		if !slices.Equal(began, want) || !slices.Equal(due, want) {
			t.Errorf("began %v, due %v, want %v", began, due, want)
		}
		if took := time.Since(begin); took != time.Minute+time.Millisecond {
			t.Errorf("took %v, want the time of the call that hangs", took)
		}
	})
}

func TestPaceEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var calls atomic.Int64
		pace(ctx, sleep, 10, 100, func(i int, _ time.Time) {
			calls.Add(1)
			if i == 3 {
				cancel()
			}
		})
		if got := calls.Load(); got != 4 {
			t.Errorf("%d calls were made, want 4", got)
		}
	})
}

// asleep is the load by timers that a bubble knows.
func (l load) asleep() load {
	l.waiting = func(f func(wait)) { f(sleep) }
	return l
}

// A fake answers after the delay that it is asked for and a time of its own.
type fake struct {
	own  time.Duration
	fail error
}

func (f fake) ask(_ context.Context, _ int, q question) error {
	time.Sleep(q.delay + f.own)
	return f.fail
}

func (f fake) stream(_ context.Context, _, events int) error {
	time.Sleep(time.Duration(events) * f.own)
	return f.fail
}

func (fake) close() error { return nil }

func TestLoads(t *testing.T) {
	one := sizes()[0]
	for _, tc := range []struct {
		name  string
		load  load
		calls int
		took  time.Duration
		late  time.Duration // of every call of an open loop
	}{
		{"open: the delay is not counted", load{size: one, rate: 100, turn: time.Second, delay: fixed}, 100, 990*time.Millisecond + 57*time.Millisecond, 7 * time.Millisecond},
		{"closed: each waits for its answer", load{size: one, callers: 3, turn: 70 * time.Millisecond, delay: atOnce}, 30, 70 * time.Millisecond, 0},
		{"streams: each caller reads one", load{callers: 3, events: 5}, 15, 35 * time.Millisecond, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, err := tc.load.asleep().run(t.Context(), fake{own: 7 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				if got.calls != tc.calls || got.took != tc.took {
					t.Errorf("%d calls in %v, want %d in %v", got.calls, got.took, tc.calls, tc.took)
				}
				for _, late := range got.late {
					if late != tc.late {
						t.Fatalf("late = %v, want %v", late, tc.late)
					}
				}
			})
		})
	}
}

func TestLoadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := errors.New("refused")
		for _, l := range []load{{size: sizes()[0], rate: 10, turn: time.Second}, {size: sizes()[0], callers: 2, turn: time.Second}, {callers: 2, events: 3}} {
			if _, err := l.asleep().run(t.Context(), fake{own: time.Millisecond, fail: want}); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", l, err, want)
			}
		}
	})
}

// The tail is the same in every turn, has its median where it is said to be, and its cap.
func TestTail(t *testing.T) {
	below, most := 0, time.Duration(0)
	for i := range 10_000 {
		d := tailed.of(i)
		if d != tailed.of(i) {
			t.Fatal("a call has two delays")
		}
		if d < delayed {
			below++
		}
		most = max(most, d)
	}
	if below < 4800 || below > 5200 || most != tailCap {
		t.Errorf("%d of 10,000 delays are below %v and the longest is %v; want about half and %v", below, delayed, most, tailCap)
	}
}
