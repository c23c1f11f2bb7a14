package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
)

// hiccup is an error after which a job is asked for again.
type hiccup struct{ pause time.Duration }

func (h hiccup) Error() string { return fmt.Sprintf("come back in %v", h.pause) }

var errRefused = errors.New("refused")

// stage is a hub whose jobs are those of a fake Mavera, in a bubble.
type stage struct {
	t     *testing.T
	hub   *jobs.Hub[string]
	pace  *jobs.Pace
	begin time.Time
	log   journal

	mu     sync.Mutex
	rate   float64 // polls a minute that fit
	random float64
	words  map[string]string // of each job; "" is one that Mavera refuses to show
	fails  []error           // of the next polls
	hangs  bool              // polls do not end by themselves
	asked  []string          // "5s a"
	ended  []string          // jobs that are not watched any more
	counts map[jobs.Result]int
}

// perform runs a script with a hub, and closes it.
func perform(t *testing.T, script func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, begin: time.Now(), rate: 60, words: map[string]string{"a": "0 %"}, counts: map[jobs.Result]int{}}
		s.pace = jobs.NewPace(func() float64 { s.mu.Lock(); defer s.mu.Unlock(); return s.rate })
		s.hub = jobs.NewHub(jobs.HubOptions[string]{
			Random: func() float64 { s.mu.Lock(); defer s.mu.Unlock(); return s.random },
			Polled: func(_ string, result jobs.Result) { s.change(func() { s.counts[result]++ }) },
			Left:   func(key string) { s.change(func() { s.ended = append(s.ended, key) }) },
		})
		script(s)
		s.hub.Close()
	})
}

func (s *stage) change(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// set gives a job a state: "done" is over.
func (s *stage) set(id, word string) { s.change(func() { s.words[id] = word }) }

// ask is Mavera.
func (s *stage) ask(ctx context.Context, id string, first bool) (jobs.View, int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what := fmt.Sprintf("%v %s", time.Since(s.begin).Round(time.Millisecond), id)
	if first {
		what += " first"
	}
	s.asked = append(s.asked, what)
	if s.hangs {
		s.mu.Unlock() // the script goes on
		defer s.mu.Lock()
		<-ctx.Done()
		return jobs.View{}, 1, ctx.Err()
	}
	if len(s.fails) > 0 {
		err := s.fails[0]
		s.fails = s.fails[1:]
		return jobs.View{}, 2, err
	}
	if s.words[id] == "" {
		return jobs.View{}, 1, errRefused
	}
	return s.view(id), 1, nil
}

// view is the job as it stands.
func (s *stage) view(id string) jobs.View {
	view := jobs.View{Job: jobs.Job{ID: id, State: jobs.Running}, Wire: []byte(s.words[id])}
	if s.words[id] == "done" {
		view.State = jobs.Final
	}
	return view
}

func (s *stage) subject(id string) jobs.Subject {
	return jobs.Subject{
		Ask: func(ctx context.Context, first bool) (jobs.View, int, error) { return s.ask(ctx, id, first) },
		Retry: func(err error) (time.Duration, bool) {
			again := hiccup{}
			return again.pause, errors.As(err, &again)
		},
		Interval: jobs.Interval{Least: 5 * time.Second, Most: 5 * time.Second},
		Pace:     s.pace,
		Logger: slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})),
	}
}

// A watcher notes what it sees.
type watcher struct {
	s     *stage
	watch *jobs.Watch[string]
	leave context.CancelFunc

	seen []string // "5s 10 %"; the last is the error. Guarded by the stage's mu.
}

// watch begins to watch a job, and looks as fast as it can.
func (s *stage) watch(id string) *watcher { return s.observe(id, s.subject(id), func() {}) }

// observe calls pause after every view.
func (s *stage) observe(id string, subject jobs.Subject, pause func()) *watcher {
	ctx, cancel := context.WithCancel(s.t.Context())
	w := &watcher{s: s, watch: s.hub.Watch(id, subject), leave: cancel}
	go func() {
		defer w.watch.Close()
		for {
			view, err := w.watch.Next(ctx)
			what := string(view.Wire)
			if err != nil {
				what = err.Error()
			}
			s.change(func() {
				w.seen = append(w.seen, fmt.Sprintf("%v %s", time.Since(s.begin).Round(time.Millisecond), what))
			})
			if err != nil {
				return
			}
			pause()
		}
	}()
	synctest.Wait()
	return w
}

// saw wants exactly these views since the last look.
func (w *watcher) saw(want ...string) {
	w.s.t.Helper()
	w.s.change(func() {
		if !slices.Equal(w.seen, want) {
			w.s.t.Errorf("seen\n got %q\nwant %q", w.seen, want)
		}
		w.seen = nil
	})
}

// pass lets time pass and wants exactly these requests.
func (s *stage) pass(d time.Duration, want ...string) {
	s.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	s.change(func() {
		if !slices.Equal(s.asked, want) {
			s.t.Errorf("requests\n got %q\nwant %q", s.asked, want)
		}
		s.asked = nil
	})
}

// left wants exactly these jobs not to be watched any more since the last look.
func (s *stage) left(want ...string) {
	s.t.Helper()
	s.change(func() {
		if !slices.Equal(s.ended, want) {
			s.t.Errorf("left %q, want %q", s.ended, want)
		}
		s.ended = nil
	})
}

func (s *stage) logged(want ...string) {
	s.t.Helper()
	got := strings.FieldsFunc(s.log.take(), func(r rune) bool { return r == '\n' })
	if !slices.Equal(got, want) {
		s.t.Errorf("log\n got %q\nwant %q", got, want)
	}
}
