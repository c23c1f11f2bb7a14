package resilience

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// steady is a window of which everything is confirmed, with a limit per minute.
func steady(limit int) *Window {
	return NewWindow(WindowPolicy{StartLimit: limit, Unconfirmed: maxLimit})
}

// full is a limiter whose window has just been used up.
func full(t *testing.T, limit int) *Limiter {
	t.Helper()
	l := NewLimiter(steady(limit), QueuePolicy{})
	for range limit {
		if waited, err := l.Wait(t.Context(), Ask{}); waited != 0 || err != nil {
			t.Fatalf("Wait in an empty window: %v, %v", waited, err)
		}
	}
	return l
}

// within is a context that ends after d.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// log keeps what happened when, in order.
type log struct {
	mu    sync.Mutex
	begin time.Time
	lines []string
}

func newLog() *log { return &log{begin: time.Now()} }

func (l *log) addf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, time.Since(l.begin).String()+" "+fmt.Sprintf(format, args...))
}

func (l *log) want(t *testing.T, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	// What happens at one time is logged by goroutines in any order.
	byTime := func(a, b string) int {
		atA, atB := timeOf(a), timeOf(b)
		return cmp.Or(cmp.Compare(atA, atB), cmp.Compare(a, b))
	}
	slices.SortFunc(l.lines, byTime)
	slices.SortFunc(want, byTime)
	if !slices.Equal(l.lines, want) {
		t.Errorf("got\n%q\nwant\n%q", l.lines, want)
	}
}

func timeOf(line string) time.Duration {
	at, _, _ := strings.Cut(line, " ")
	d, err := time.ParseDuration(at)
	if err != nil {
		panic(err)
	}
	return d
}

// outcome says how a wait ended, times being told from the begin of the log.
func (l *log) outcome(err error) string {
	var refused *RefusedError
	switch {
	case err == nil:
		return "goes"
	case errors.As(err, &refused):
		return fmt.Sprintf("%s until %v", refused.Reason, refused.RetryAt.Sub(l.begin))
	default:
		return err.Error()
	}
}

// call lets a call wait in the background and logs how that ended. It returns once
// the call stands in the queue.
func (l *log) call(limiter *Limiter, ctx context.Context, name string, ask Ask) { //nolint:revive // The log is the subject.
	go func() {
		_, err := limiter.Wait(ctx, ask)
		l.addf("%s %s", name, l.outcome(err))
	}()
	synctest.Wait()
}

func TestLimiterServesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, log := full(t, 1), newLog()
		log.call(l, t.Context(), "batch", Ask{Class: Batch, Caller: "a"})
		log.call(l, t.Context(), "a1", Ask{Caller: "a"})
		log.call(l, t.Context(), "a2", Ask{Caller: "a"})
		log.call(l, t.Context(), "b1", Ask{Caller: "b"})
		log.call(l, t.Context(), "poll", Ask{Class: Poll, Caller: "jobs"})
		time.Sleep(10 * time.Minute)
		log.want(t,
			"1m0.25s poll goes", // As few as they are, polls come first.
			"2m0.5s a1 goes",
			"3m0.75s b1 goes", // Callers take turns.
			"4m1s a2 goes",
			"5m1.25s batch goes",
		)
	})
}

func TestLimiterRefusesAtOnce(t *testing.T) {
	tests := []struct {
		name   string
		before func(l *Limiter)
		ask    Ask
		time   time.Duration
		want   string
	}{
		{name: "fits", time: 61 * time.Second, want: "1m0.25s call goes"},
		{name: "fits without the time that a refusal needs", time: 60*time.Second + 500*time.Millisecond, want: "1m0.25s call goes"},
		{name: "does not leave that time", time: 60*time.Second + 499*time.Millisecond, want: "0s call RATE_LIMITED_LOCALLY until 1m0.25s"},
		{name: "does not fit", time: 30 * time.Second, want: "0s call RATE_LIMITED_LOCALLY until 1m0.25s"},
		{
			name: "the window is closed", time: 2 * time.Minute, want: "0s call RATE_LIMITED_LOCALLY until 2m0s",
			before: func(l *Limiter) { l.Close(time.Now().Add(2 * time.Minute)) },
		},
		{
			name: "its family is held back", time: 2 * time.Minute, want: "0s call RATE_LIMITED_LOCALLY until 3m0s",
			before: func(l *Limiter) { l.HoldFamily("mave", time.Now().Add(3*time.Minute)) }, ask: Ask{Family: "mave"},
		},
		{
			name: "another family is held back", time: 2 * time.Minute, want: "1m0.25s call goes",
			before: func(l *Limiter) { l.HoldFamily("mave", time.Now().Add(3*time.Minute)) }, ask: Ask{Family: "news"},
		},
		{
			name: "the limit has fallen", time: 2 * time.Minute, want: "1m0.25s call goes",
			before: func(l *Limiter) { l.Learn(time.Now(), Headers{Limit: 1, HasLimit: true}) },
		},
		{
			name: "the limit has risen", time: 30 * time.Second, want: "0s call goes",
			before: func(l *Limiter) { l.Learn(time.Now(), Headers{Limit: 3, HasLimit: true}) },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, log := full(t, 2), newLog()
				if test.before != nil {
					test.before(l)
				}
				log.call(l, within(t, test.time), "call", test.ask)
				time.Sleep(5 * time.Minute)
				log.want(t, test.want)
			})
		})
	}
}

func TestLimiterKnowsThePlaceInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, log := full(t, 2), newLog()
		for range 2 {
			log.call(l, t.Context(), "a", Ask{Caller: "a"})
		}
		// The third place is one window later, yet b comes before the second call of a.
		log.call(l, within(t, 90*time.Second), "late a", Ask{Caller: "a"})
		log.call(l, within(t, 90*time.Second), "b", Ask{Caller: "b"})
		// The batch call comes after them all; the first of them is owed after nine.
		log.call(l, within(t, 90*time.Second), "batch", Ask{Class: Batch})
		time.Sleep(3 * time.Minute)
		log.want(t,
			"0s late a RATE_LIMITED_LOCALLY until 2m0.5s",
			"0s batch RATE_LIMITED_LOCALLY until 2m0.5s",
			"1m0.25s a goes", "1m0.25s b goes", "2m0.5s a goes",
		)
	})
}

func TestLimiterRefusesWhatNoLongerFits(t *testing.T) {
	tests := []struct {
		name   string
		happen func(l *Limiter)
		want   []string
	}{
		{name: "nothing happens", happen: func(*Limiter) {}, want: []string{"1m0.25s call goes"}},
		{
			name: "the window closes", happen: func(l *Limiter) { l.Close(time.Now().Add(time.Minute)) },
			want: []string{"20s call RATE_LIMITED_LOCALLY until 1m20s"},
		},
		{
			name: "the family is held back", happen: func(l *Limiter) { l.HoldFamily("mave", time.Now().Add(time.Minute)) },
			want: []string{"20s call RATE_LIMITED_LOCALLY until 1m20s"},
		},
		{
			name: "the family is held back for a while", happen: func(l *Limiter) { l.HoldFamily("mave", time.Now().Add(10*time.Second)) },
			want: []string{"1m0.25s call goes"},
		},
		{
			name: "a request repeats itself", // The limit falls, and one more is counted.
			happen: func(l *Limiter) {
				l.Learn(time.Now(), Headers{Limit: 1, HasLimit: true})
				l.Charge()
			},
			want: []string{"20s call RATE_LIMITED_LOCALLY until 1m20.25s"},
		},
		{
			name: "others use the key", // Two more, of which one must leave as well.
			happen: func(l *Limiter) {
				l.Learn(time.Now(), Headers{Limit: 4, HasLimit: true, Remaining: 0, HasRemaining: true, Reset: time.Now().Add(time.Minute)})
				l.Learn(time.Now(), Headers{Limit: 2, HasLimit: true})
			},
			want: []string{"20s call RATE_LIMITED_LOCALLY until 1m20s"},
		},
		{
			name: "foreign requests turn out to be none",
			happen: func(l *Limiter) {
				l.Learn(time.Now(), Headers{Limit: 3, HasLimit: true, Remaining: 1, HasRemaining: true})
			},
			want: []string{"20s call goes"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, log := full(t, 2), newLog()
				log.call(l, within(t, 61*time.Second), "call", Ask{Family: "mave"})
				time.Sleep(20 * time.Second)
				test.happen(l)
				time.Sleep(5 * time.Minute)
				log.want(t, test.want...)
			})
		})
	}
}

// A wait that nobody can know, for the first headers, ends before the deadline.
func TestLimiterRefusesBeforeTheDeadline(t *testing.T) {
	for _, test := range []struct{ time, want time.Duration }{
		{time: 100 * time.Millisecond, want: 80 * time.Millisecond}, // 20 ms before.
		{time: 2 * time.Second, want: 1900 * time.Millisecond},      // 5 % before.
		{time: 30 * time.Second, want: 29750 * time.Millisecond},    // 250 ms before.
	} {
		synctest.Test(t, func(t *testing.T) {
			l, log := NewLimiter(NewWindow(WindowPolicy{Unconfirmed: 1}), QueuePolicy{}), newLog()
			log.call(l, t.Context(), "first", Ask{})
			log.call(l, within(t, test.time), "second", Ask{})
			time.Sleep(time.Minute)
			log.want(t, "0s first goes", fmt.Sprintf("%v second RATE_LIMITED_LOCALLY until %v", test.want, test.want))
		})
	}
}

func TestLimiterConfirmsBeforeItGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, log := NewLimiter(NewWindow(WindowPolicy{Unconfirmed: 2}), QueuePolicy{}), newLog()
		sentAt := time.Now()
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			log.call(l, t.Context(), name, Ask{})
		}
		time.Sleep(time.Second)
		l.Learn(sentAt, Headers{}) // An answer without headers confirms nothing, but is an answer.
		time.Sleep(time.Second)
		l.Learn(sentAt, Headers{Limit: 60, HasLimit: true, Remaining: 57, HasRemaining: true})
		synctest.Wait()
		log.want(t, "0s a goes", "0s b goes", "1s c goes", "2s d goes", "2s e goes")
	})
}

func TestLimiterBoundsItsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		l, log := full(t, 2), newLog()
		for range 19 {
			go l.Wait(ctx, Ask{Class: Batch, Caller: "a"})
		}
		synctest.Wait()
		l.HoldFamily("mave", time.Now().Add(time.Hour))
		log.call(l, ctx, "held", Ask{Family: "mave"})
		if got, want := l.Queued(), (Waiting{Interactive: 1, Batch: 19}); got != want {
			t.Errorf("queued %v, want %v", got, want)
		}
		log.call(l, ctx, "more", Ask{Caller: "b"})
		cancel(errors.New("the caller left"))
		synctest.Wait()
		log.want(t, "0s more QUEUE_FULL until 1m0.25s", "0s held the caller left")
		if got, want := l.Queued(), (Waiting{}); got != want {
			t.Errorf("queued %v after all left, want %v", got, want)
		}
	})
}

func TestLimiterHoldsOneFamily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, log := full(t, 2), newLog()
		log.call(l, t.Context(), "mave 1", Ask{Family: "mave"})
		log.call(l, t.Context(), "mave 2", Ask{Family: "mave"})
		log.call(l, t.Context(), "news", Ask{Family: "news"})
		l.HoldFamily("mave", time.Now().Add(30*time.Second))
		l.HoldFamily("mave", time.Now().Add(65*time.Second)) // The longer one holds.
		l.HoldFamily("mave", time.Now().Add(10*time.Second))
		l.HoldFamily("mave", time.Now().Add(-10*time.Second))
		time.Sleep(3 * time.Minute)
		log.want(t, "1m0.25s news goes", "1m5s mave 1 goes", "2m0.5s mave 2 goes")
	})
}

func TestLimiterPassesATurnOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, log := full(t, 1), newLog()
		open, asked := errors.New("the breaker is open"), new(atomic.Int32)
		check := func(err error) func() error { return func() error { asked.Add(1); return err } }
		head, leave := context.WithCancelCause(t.Context())
		log.call(l, head, "head", Ask{})
		log.call(l, t.Context(), "broken", Ask{Recheck: check(open)})
		log.call(l, t.Context(), "next", Ask{Recheck: check(nil)})
		log.call(l, t.Context(), "last", Ask{Recheck: check(open)})
		time.Sleep(10 * time.Second)
		if got := asked.Load(); got != 0 {
			t.Errorf("Recheck was asked %d times in the queue", got)
		}
		leave(errors.New("the caller left"))
		time.Sleep(5 * time.Minute)
		if got := asked.Load(); got != 3 {
			t.Errorf("Recheck was asked %d times, want once for each", got)
		}
		log.call(l, t.Context(), "free", Ask{Recheck: check(open)}) // Not asked without a wait.
		log.want(t, "10s head the caller left", "1m0.25s broken the breaker is open", "1m0.25s next goes", "2m0.5s last the breaker is open", "5m10s free goes")
	})
}

// A caller who leaves in the very moment of its turn does not keep the place.
func TestLimiterPassesOnThePlaceOfTheGone(t *testing.T) {
	for range 50 { // Which of the two is noticed first is a matter of chance.
		synctest.Test(t, func(t *testing.T) {
			l, log := full(t, 1), newLog()
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			log.call(l, ctx, "gone", Ask{Recheck: func() error { leave(); return nil }})
			log.call(l, t.Context(), "next", Ask{})
			time.Sleep(time.Minute + time.Second)
			log.want(t, "1m0.25s gone context canceled", "1m0.25s next goes")
			if got := l.Usage().Own; got != 1 {
				t.Errorf("%d places taken, want 1", got)
			}
		})
	}
}

func TestLimiterWaitOfTheGone(t *testing.T) {
	l := NewLimiter(steady(1), QueuePolicy{})
	cause := errors.New("the caller left")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if waited, err := l.Wait(ctx, Ask{}); waited != 0 || err != cause { //nolint:errorlint // This very one.
		t.Errorf("Wait = %v, %v; want 0 and the cause", waited, err)
	}
	if got := l.Usage().Own; got != 0 {
		t.Errorf("%d places taken, want none", got)
	}
}

func TestRefusedError(t *testing.T) {
	for want, err := range map[string]*RefusedError{
		"the next place for a call of class batch, expected at 2026-03-01T12:00:00Z, is too late for its deadline": {Reason: RateLimited, Class: Batch, RetryAt: epoch},
		"the queue is full; the next place for a call of class poll is expected at 2026-03-01T12:00:00Z":           {Reason: QueueFull, Class: Poll, RetryAt: epoch},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestLimiterLeaksNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	l := NewLimiter(steady(2000), QueuePolicy{})
	for range 2000 {
		l.Wait(t.Context(), Ask{})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 10_000 {
		all.Go(func() {
			if _, err := l.Wait(ctx, Ask{Class: Class(i % int(classes)), Caller: fmt.Sprint(i % 100)}); !errors.Is(err, context.Canceled) {
				t.Errorf("Wait: %v, want %v", err, context.Canceled)
			}
		})
	}
	cancel()
	all.Wait()
	if got := l.Queued(); got != (Waiting{}) {
		t.Errorf("%v still queued", got)
	}
	if !l.wake.IsZero() {
		t.Error("the timer still runs")
	}
}

// The path without a wait, with half a window of requests and of answers: the place is
// given back so that the window never fills.
func BenchmarkLimiterWait(b *testing.B) {
	l := NewLimiter(NewWindow(WindowPolicy{StartLimit: 600}), QueuePolicy{})
	for range 300 {
		l.Wait(b.Context(), Ask{})
		l.Learn(time.Now(), Headers{Limit: 600, HasLimit: true, Remaining: 300, HasRemaining: true})
	}
	ask := Ask{Caller: "caller", Family: "mave"}
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Wait(ctx, ask); err != nil {
			b.Fatal(err)
		}
		l.Learn(time.Now(), Headers{Unsent: true})
	}
}

func BenchmarkWindowLearn(b *testing.B) {
	w := steady(600)
	for i := range 300 {
		w.Take(epoch.Add(time.Duration(i)*100*time.Millisecond), Interactive, Waiting{})
	}
	now := epoch.Add(30 * time.Second)
	headers := Headers{Limit: 600, HasLimit: true, Remaining: 290, HasRemaining: true, Reset: now.Add(30 * time.Second), Date: now}
	b.ReportAllocs()
	for b.Loop() {
		w.Learn(now, now, headers)
	}
}
