package resilience

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// load is a simulation of callers, limiter, network and upstream in virtual time.
type load struct {
	limiter *Limiter
	latency time.Duration // Of an answer.

	mu       sync.Mutex
	upstream upstream
	refused  int
	sent     []sending
}

type sending struct {
	at     time.Duration // Since the begin.
	waited time.Duration
	class  Class
	caller string
}

func newLoad(limit int, empties bool) *load {
	return &load{
		limiter:  NewLimiter(NewWindow(WindowPolicy{}), QueuePolicy{}),
		latency:  200 * time.Millisecond,
		upstream: upstream{limit: limit, empties: empties},
	}
}

// call waits, sends and learns.
func (l *load) call(ctx context.Context, begin time.Time, class Class, caller string) {
	waited, err := l.limiter.Wait(ctx, Ask{Class: class, Caller: caller})
	if err != nil {
		return
	}
	sentAt := time.Now()
	l.mu.Lock()
	l.sent = append(l.sent, sending{at: sentAt.Sub(begin), waited: waited, class: class, caller: caller})
	l.mu.Unlock()
	time.Sleep(time.Duration(rand.Int64N(int64(100 * time.Millisecond)))) // The way there.
	l.mu.Lock()
	ok, headers := l.upstream.arrive(time.Now())
	if !ok {
		l.refused++
	}
	l.mu.Unlock()
	time.Sleep(l.latency)
	l.limiter.Learn(sentAt, headers)
	if !ok {
		l.limiter.Close(time.Now().Add(headers.Reset.Sub(headers.Date)))
	}
}

// stream is calls of one class and caller.
type stream struct {
	class     Class
	caller    string
	perMinute float64 // Spread at random; 0: all at once.
	calls     int
	from      time.Duration
}

// run lets the streams come for a while.
func (l *load) run(t *testing.T, d time.Duration, streams ...stream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	begin := time.Now()
	var all sync.WaitGroup
	for i, s := range streams {
		arrivals := rand.New(rand.NewPCG(1, uint64(i))) // the same in every run
		all.Go(func() {
			time.Sleep(s.from)
			for range s.calls {
				if s.perMinute > 0 {
					time.Sleep(time.Duration(arrivals.ExpFloat64() / s.perMinute * float64(time.Minute)))
				}
				if ctx.Err() != nil {
					return
				}
				all.Go(func() { l.call(ctx, begin, s.class, s.caller) })
			}
		})
	}
	all.Wait()
}

// of is what was sent in a class, or by a caller.
func (l *load) of(keep func(s sending) bool) (kept []sending) {
	for _, s := range l.sent {
		if keep(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

func waits(sent []sending) (mean, p50, p99 time.Duration) {
	if len(sent) == 0 {
		return 0, 0, 0
	}
	all := make([]time.Duration, 0, len(sent))
	var sum time.Duration
	for _, s := range sent {
		all = append(all, s.waited)
		sum += s.waited
	}
	slices.Sort(all)
	return sum / time.Duration(len(all)), all[len(all)/2], all[len(all)*99/100]
}

// At three times the limit for three windows nothing is refused, and 98 % of what the
// upstream allows is used.
func TestPacingUsesTheWindow(t *testing.T) {
	for _, limit := range []int{60, 120, 600} {
		for _, empties := range []bool{false, true} {
			for _, class := range []Class{Interactive, Batch} {
				synctest.Test(t, func(t *testing.T) {
					l := newLoad(limit, empties)
					l.run(t, 3*time.Minute,
						stream{class: class, caller: "a", perMinute: 2 * float64(limit), calls: 6 * limit},
						stream{class: Interactive, caller: "b", perMinute: 0.5 * float64(limit), calls: 2 * limit},
						stream{class: Batch, caller: "c", perMinute: 0.5 * float64(limit), calls: 2 * limit})
					used := float64(len(l.sent)) / float64(3*limit)
					t.Logf("limit %d, empties %t, mostly %v: %.1f %% used, %d refused", limit, empties, class, 100*used, l.refused)
					if l.refused != 0 || used < 0.98 {
						t.Errorf("%d refused, %.3f of the window used", l.refused, used)
					}
				})
			}
		}
	}
}

// Behind a batch burst that fills the queue, interactive calls hardly wait: a third of
// a window a minute wants in. If the burst went at once, they would wait 29 s.
func TestPacingSpreadsBatch(t *testing.T) {
	const runs = 8
	var interactive []sending
	sent, refused := 0, 0
	for range runs {
		synctest.Test(t, func(t *testing.T) {
			l := newLoad(60, false)
			l.run(t, 10*time.Minute,
				stream{class: Batch, caller: "nightly", calls: 550},
				stream{class: Interactive, caller: "people", perMinute: 20, calls: 400})
			interactive = append(interactive, l.of(func(s sending) bool { return s.class == Interactive })...)
			sent += len(l.sent)
			refused += l.refused
		})
	}
	mean, p50, p99 := waits(interactive)
	t.Logf("%d interactive calls waited %v on average, p50 %v, p99 %v, beside %d batch calls; %.1f %% used, %d refused",
		len(interactive), mean, p50, p99, sent-len(interactive), float64(sent)/6/runs, refused)
	if mean > time.Second || float64(sent) < 0.95*600*runs || refused != 0 {
		t.Errorf("interactive calls waited %v on average, want at most 1 s; %d sent, %d refused", mean, sent, refused)
	}
}

// However many interactive calls press, batch keeps a tenth, and so do polls.
func TestPacingStarvesNobody(t *testing.T) {
	for _, limit := range []int{60, 240} {
		synctest.Test(t, func(t *testing.T) {
			l := newLoad(limit, false)
			l.run(t, 10*time.Minute,
				stream{class: Interactive, caller: "people", perMinute: 3 * float64(limit), calls: 30 * limit},
				stream{class: Batch, caller: "nightly", calls: 3 * limit},
				stream{class: Poll, caller: "jobs", perMinute: 0.3 * float64(limit), calls: 3 * limit})
			var counts [classes]int
			for _, s := range l.sent {
				counts[s.class]++
			}
			total := len(l.sent)
			t.Logf("limit %d: %d interactive, %d batch (%.1f %%), %d polls (%.1f %%), %d refused", limit, counts[Interactive],
				counts[Batch], 100*float64(counts[Batch])/float64(total), counts[Poll], 100*float64(counts[Poll])/float64(total), l.refused)
			if 10*counts[Batch] < total-10 || 10*counts[Poll] < total*90/100 || total < 98*limit/10 || l.refused != 0 {
				t.Errorf("of %d: %v, %d refused", total, counts, l.refused)
			}
		})
	}
}

// Polls that use less than their tenth keep their places through a burst.
func TestPacingKeepsPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoad(60, false)
		polls := stream{class: Poll, caller: "jobs", calls: 1}
		streams := []stream{{class: Interactive, caller: "people", calls: 300, from: 95 * time.Second}}
		for i := range 30 {
			polls.from = time.Duration(i) * 20 * time.Second
			streams = append(streams, polls)
		}
		l.run(t, 10*time.Minute, streams...)
		_, _, longest := waits(l.of(func(s sending) bool { return s.class == Poll }))
		if t.Logf("the longest wait of a poll: %v", longest); longest > 2*time.Second {
			t.Errorf("a poll waited %v", longest)
		}
	})
}

// Two callers of whom one wants ten times as much get the same, as long as both want.
func TestPacingIsFairBetweenCallers(t *testing.T) {
	for _, class := range []Class{Interactive, Batch} {
		synctest.Test(t, func(t *testing.T) {
			l := newLoad(60, false)
			l.run(t, 4*time.Minute+time.Second,
				stream{class: class, caller: "greedy", calls: 500},
				stream{class: class, caller: "modest", calls: 50, from: 10 * time.Second})
			modest := l.of(func(s sending) bool { return s.caller == "modest" })
			greedy := l.of(func(s sending) bool {
				return s.caller == "greedy" && len(modest) > 0 && s.at >= modest[0].at && s.at < modest[len(modest)-1].at
			})
			_, _, longest := waits(modest)
			t.Logf("%v: while %d of the modest went, %d of the greedy; the modest waited %v at most", class, len(modest), len(greedy), longest)
			if len(modest) != 50 || len(greedy) > 55 {
				t.Errorf("modest %d, greedy %d meanwhile", len(modest), len(greedy))
			}
		})
	}
}
