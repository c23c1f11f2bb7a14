package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

func TestWatchToTheEnd(t *testing.T) {
	perform(t, func(s *stage) {
		w := s.watch("a")
		w.saw("0s 0 %") // at once
		s.pass(6*time.Second, "0s a first", "5s a")
		w.saw() // nothing has changed
		s.set("a", "50 %")
		s.pass(5*time.Second, "10s a")
		w.saw("10s 50 %")
		s.set("a", "done")
		s.pass(5*time.Second, "15s a")
		w.saw("15s done", "15s EOF")
		s.pass(time.Hour)
		s.left("a")
		s.logged()
		if want := (map[jobs.Result]int{jobs.Changed: 3, jobs.Unchanged: 1}); fmt.Sprint(s.counts) != fmt.Sprint(want) {
			s.t.Errorf("polls %v, want %v", s.counts, want)
		}
		if got := w.watch.Sends(); got != 4 {
			s.t.Errorf("%d requests, want 4", got)
		}
	})
}

// A job that is over is shown once and never polled.
func TestWatchOfAJobThatIsOver(t *testing.T) {
	perform(t, func(s *stage) {
		s.set("a", "done")
		s.watch("a").saw("0s done", "0s EOF")
		s.watch("a").saw("0s done", "0s EOF")
		s.pass(time.Hour, "0s a first", "0s a first")
	})
}

func TestWatchersShareThePolls(t *testing.T) {
	perform(t, func(s *stage) {
		s.pass(0)
		var all []*watcher
		for range 50 {
			all = append(all, s.watch("a"))
		}
		time.Sleep(7 * time.Second)
		late := s.watch("a")
		late.saw("7s 0 %") // at once, and without a request
		s.pass(0, "0s a first", "5s a")
		s.set("a", "done")
		s.pass(5*time.Second, "10s a")
		for _, w := range all {
			w.saw("0s 0 %", "10s done", "10s EOF")
		}
		late.saw("10s done", "10s EOF")
		if early, late := all[0].watch.Sends(), late.watch.Sends(); early != 3 || late != 1 {
			s.t.Errorf("%d and %d requests while they watched, want 3 and 1", early, late)
		}
		s.left("a")
	})
}

func TestJobsAreApart(t *testing.T) {
	perform(t, func(s *stage) {
		s.set("b", "done")
		a, b := s.watch("a"), s.watch("b")
		a.saw("0s 0 %")
		b.saw("0s done", "0s EOF")
		if !s.hub.Watching("a") || s.hub.Watching("b") {
			s.t.Error("a is watched, b is not any more")
		}
		if got := s.hub.All(); len(got) != 1 || got["a"] != 1 {
			s.t.Errorf("watched: %v", got)
		}
	})
}

// The last watcher who leaves ends the polling, be it in the middle of a poll.
func TestLastWatcherLeaves(t *testing.T) {
	perform(t, func(s *stage) {
		one, two := s.watch("a"), s.watch("a")
		one.leave()
		s.pass(6*time.Second, "0s a first", "5s a")
		s.left()
		s.change(func() { s.hangs = true })
		s.pass(5*time.Second, "10s a")
		two.leave()
		synctest.Wait()
		two.saw("0s 0 %", "11s context canceled")
		s.left("a")
		s.pass(time.Hour)
		s.logged()

		s.change(func() { s.hangs = false })
		s.watch("a").saw("1h0m11s 0 %") // anew
		s.pass(0, "1h0m11s a first")
	})
}

// Who looks seldom sees the latest, and the end.
func TestSlowWatcher(t *testing.T) {
	perform(t, func(s *stage) {
		slow := s.observe("a", s.subject("a"), func() { time.Sleep(12 * time.Second) })
		time.Sleep(time.Second)
		for i := range 5 {
			s.set("a", fmt.Sprintf("%d0 %%", i+1))
			time.Sleep(5 * time.Second)
		}
		s.set("a", "done")
		time.Sleep(25 * time.Second)
		synctest.Wait()
		slow.saw("0s 0 %", "12s 20 %", "24s 40 %", "36s done", "48s EOF")
	})
}

func TestHiccups(t *testing.T) {
	perform(t, func(s *stage) {
		w := s.watch("a")
		s.change(func() { s.fails = []error{hiccup{}, hiccup{pause: 20 * time.Second}} })
		s.pass(41*time.Second, "0s a first", "5s a", "10s a", "30s a", "35s a", "40s a")
		w.saw("0s 0 %")
		s.logged(`level=WARN msg="a watched job could not be polled; it will be again" error="come back in 0s"`,
			`level=INFO msg="the watched job can be polled again" failures=2`)
		s.set("a", "")
		s.pass(5*time.Second, "45s a")
		w.saw("45s refused")
		s.left("a")
		s.pass(time.Hour)
	})
}

// The first answer may take its time too.
func TestHiccupAtTheStart(t *testing.T) {
	perform(t, func(s *stage) {
		s.fails = []error{hiccup{}}
		w := s.watch("a")
		w.saw()
		s.pass(6*time.Second, "0s a first", "5s a")
		w.saw("5s 0 %")
		if got := w.watch.Sends(); got != 3 {
			s.t.Errorf("%d requests, want 3", got)
		}
	})
}

func TestWatchOfAMissingJob(t *testing.T) {
	perform(t, func(s *stage) {
		s.watch("none").saw("0s refused")
		s.pass(time.Hour, "0s none first")
		s.left("none")
	})
}

// Deleted while it is watched.
func TestWake(t *testing.T) {
	perform(t, func(s *stage) {
		w := s.watch("a")
		time.Sleep(2 * time.Second)
		s.set("a", "")
		s.hub.Wake("a")
		s.hub.Wake("nobody watches")
		synctest.Wait()
		w.saw("0s 0 %", "2s refused")
	})
}

// Who wakes the poller all the time does not take the polls of others.
func TestWakesAreSpaced(t *testing.T) {
	perform(t, func(s *stage) {
		s.watch("a")
		for range 30 {
			s.hub.Wake("a")
			time.Sleep(100 * time.Millisecond)
		}
		s.pass(0, "0s a first", "1s a", "2s a", "3s a")
		s.change(func() { s.fails = []error{hiccup{pause: 20 * time.Second}} })
		s.pass(6*time.Second, "4s a") // the last wake came after the poll before
		s.hub.Wake("a")
		s.pass(15*time.Second, "24s a") // Retry-After holds
	})
}

func TestShow(t *testing.T) {
	perform(t, func(s *stage) {
		w := s.watch("a")
		time.Sleep(2 * time.Second)
		s.hub.Show("a", s.begin.Add(-time.Second), jobs.View{Wire: []byte("old news")})
		s.hub.Show("a", time.Now(), jobs.View{Wire: []byte("10 %")})
		s.hub.Show("b", time.Now(), jobs.View{Wire: []byte("nobody watches")})
		synctest.Wait()
		w.saw("0s 0 %", "2s 10 %")
		s.change(func() { s.hangs = true })
		s.pass(4*time.Second, "0s a first", "5s a")
		s.set("a", "done")
		s.hub.Show("a", time.Now(), s.view("a"))
		synctest.Wait()
		w.saw("6s done", "6s EOF")
		s.left("a")
		s.pass(time.Hour) // the poll that was under way is cancelled
	})
}

func TestClose(t *testing.T) {
	perform(t, func(s *stage) {
		s.change(func() { s.hangs = true })
		w := s.watch("a")
		s.hub.Close()
		synctest.Wait()
		w.saw("0s jobs are not watched any more")
		s.watch("a").saw("0s jobs are not watched any more")
		s.pass(time.Hour, "0s a first")
	})
}

// Every interval is lengthened by up to a tenth of it.
func TestJitter(t *testing.T) {
	perform(t, func(s *stage) {
		s.watch("a")
		s.change(func() { s.random = 0.999 })
		s.pass(11*time.Second, "0s a first", "5s a", "10.5s a")
	})
}

// A quarter of its age, from 15 to 30 s.
func TestIntervalGrows(t *testing.T) {
	perform(t, func(s *stage) {
		subject := s.subject("a")
		subject.Interval = jobs.Interval{Least: 15 * time.Second, Most: 30 * time.Second}
		s.observe("a", subject, func() {})
		s.pass(3*time.Minute, "0s a first", "15s a", "30s a", "45s a", "1m0s a", "1m20s a", "1m46.667s a", "2m16.667s a", "2m46.667s a")
	})
}

// Eight jobs at 5 s want 96 polls a minute of 6. Once the limit is learnt to be higher,
// or jobs are over, the others come sooner.
func TestPollsAreStretched(t *testing.T) {
	perform(t, func(s *stage) {
		s.rate = 6
		ids := strings.Split("abcdefgh", "")
		for _, id := range ids {
			s.set(id, "0 %")
			s.watch(id)
		}
		time.Sleep(time.Second)
		minute := func(want int) {
			s.t.Helper()
			s.change(func() { s.asked = nil })
			time.Sleep(4 * time.Minute)
			synctest.Wait()
			s.change(func() {
				if got := len(s.asked); got > 4*want || got < 4*want-8 {
					t.Errorf("%d polls in 4 min, want %d a minute", got, want)
				}
			})
		}
		minute(6)
		s.change(func() { s.rate = 60 })
		minute(60)
		for _, id := range ids[4:] {
			s.set(id, "done")
		}
		time.Sleep(10 * time.Second)
		minute(48)
		s.change(func() { s.rate = 1000 })
		minute(48)
	})
}

// A job that holds a slot is polled by its watch's poller alone; the follower goes on
// afterwards.
func TestOnePollerForSlotAndWatch(t *testing.T) {
	perform(t, func(s *stage) {
		begin := time.Now()
		slots := resilience.NewBulkhead(resilience.Caps{Slots: 5, Jobs: true, MaxAge: time.Hour}, resilience.NewLocalSlots())
		groups := &upstream{name: "groups", begin: begin, asked: &s.asked, mu: &s.mu}
		var follower *jobs.Follower
		hub := jobs.NewHub(jobs.HubOptions[string]{
			Random: func() float64 { return 0 }, Left: func(string) { follower.Wake() },
		})
		defer hub.Close()
		s.hub = hub
		follower = jobs.New(jobs.Options{
			Families: []jobs.Family{{
				Name: "groups", Source: groups, MaxAge: time.Hour, Interval: jobs.Interval{Least: 5 * time.Second, Most: 5 * time.Second},
				Slots: func() *resilience.Bulkhead { return slots }, Watched: hub.Watching,
			}},
			Slots: func() iter.Seq2[string, *resilience.Bulkhead] {
				return func(func(string, *resilience.Bulkhead) bool) {}
			},
			Pace: s.pace, Random: func() float64 { return 0 }, Logger: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil)),
		})
		ctx, cancel := context.WithCancel(s.t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); follower.Run(ctx) }()
		synctest.Wait()
		s.pass(0, "0s list groups")

		groups.set("a", jobs.Running)
		slots.Adopt("a", time.Now())
		follower.Wake()
		w := s.watch("a")
		s.pass(11*time.Second, "0s a first", "5s a", "10s a")
		s.change(func() { s.rate = 6 }) // stretched by nobody else: 10 s
		s.pass(10*time.Second, "20s a")
		w.leave()
		s.pass(10*time.Second, "31s get a")
		w = s.watch("a")
		s.pass(10*time.Second, "31s a first", "41s a")
		w.leave()
		cancel()
		<-ended
	})
}

// Nobody's memory grows with what a slow watcher has not seen.
func TestEndIsNeverLost(t *testing.T) {
	perform(t, func(s *stage) {
		watch := s.hub.Watch("a", s.subject("a"))
		defer watch.Close()
		s.set("a", "done")
		time.Sleep(time.Hour)
		view, err := watch.Next(s.t.Context())
		if string(view.Wire) != "done" || err != nil {
			s.t.Errorf("%s, %v", view.Wire, err)
		}
		for range 2 {
			if _, err := watch.Next(s.t.Context()); !errors.Is(err, io.EOF) {
				s.t.Errorf("at the end: %v", err)
			}
		}
		watch.Close()
		watch.Close()
	})
}
