package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// upstream is a fake Mavera: jobs that end when the script says so.
type upstream struct {
	mu    *sync.Mutex // guards all below, and what else the script and the follower share
	name  string
	begin time.Time
	rows  []jobs.Job
	page  int                             // rows a page
	fails int                             // requests that fail before one succeeds
	blank bool                            // rows of lists have no state
	asked *[]string                       // "5s list groups", "10s get a"
	hang  func(ctx context.Context) error // in place of an answer
}

func (u *upstream) note(what string) error {
	*u.asked = append(*u.asked, fmt.Sprintf("%v %s", time.Since(u.begin).Round(time.Millisecond), what))
	if u.fails > 0 {
		u.fails--
		return errors.New("no answer")
	}
	return nil
}

func (u *upstream) List(ctx context.Context, page string) ([]jobs.Job, string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.note(strings.TrimSpace("list " + u.name + " " + page)); err != nil {
		return nil, "", err
	}
	if hang := u.hang; hang != nil {
		u.mu.Unlock() // the script goes on
		defer u.mu.Lock()
		return nil, "", hang(ctx)
	}
	from, _ := strconv.Atoi(page)
	to, next := len(u.rows), ""
	if u.page > 0 && from+u.page < to {
		to = from + u.page
		next = strconv.Itoa(to)
	}
	rows := slices.Clone(u.rows[from:to])
	for i := range rows {
		if u.blank {
			rows[i].State = jobs.Unsaid
		}
	}
	return rows, next, nil
}

func (u *upstream) Get(_ context.Context, id string) (jobs.Job, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.note("get " + id); err != nil {
		return jobs.Job{}, err
	}
	for _, row := range u.rows {
		if row.ID == id {
			return row, nil
		}
	}
	return jobs.Job{}, fmt.Errorf("get %s: %w", id, jobs.ErrGone)
}

// set gives a job a state, or adds it.
func (u *upstream) set(id string, state jobs.State) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range u.rows {
		if u.rows[i].ID == id {
			u.rows[i].State = state
			return
		}
	}
	u.rows = append(u.rows, jobs.Job{ID: id, State: state, Created: time.Now()})
}

func (u *upstream) remove(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rows = slices.DeleteFunc(u.rows, func(row jobs.Job) bool { return row.ID == id })
}

// world is a follower of two families on fakes, in a bubble.
type world struct {
	t              *testing.T
	mu             sync.Mutex
	groups, videos *upstream
	slots          map[string]*resilience.Bulkhead
	rate           float64
	follower       *jobs.Follower
	asked          []string
	log            journal
	cancel         context.CancelFunc
	ended          chan struct{}
}

// play runs a script against a follower that starts at 0s, with jobs there before.
func play(t *testing.T, before func(*world), script func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, rate: 60, ended: make(chan struct{}), slots: map[string]*resilience.Bulkhead{}}
		for _, name := range []string{"groups", "videos"} {
			caps := resilience.Caps{Slots: 5, Jobs: true, MaxAge: 30 * time.Minute}
			w.slots[name] = resilience.NewBulkhead(caps, resilience.NewLocalSlots())
		}
		w.groups = &upstream{name: "groups", begin: time.Now(), asked: &w.asked, mu: &w.mu}
		w.videos = &upstream{name: "videos", begin: time.Now(), asked: &w.asked, mu: &w.mu}
		if before != nil {
			before(w)
		}
		family := func(name string, source jobs.Source, least, most time.Duration) jobs.Family {
			return jobs.Family{
				Name: name, Source: source, MaxAge: 30 * time.Minute, Interval: jobs.Interval{Least: least, Most: most},
				Slots: func() *resilience.Bulkhead {
					w.mu.Lock()
					defer w.mu.Unlock()
					return w.slots[name]
				},
			}
		}
		logger := slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		w.follower = jobs.New(jobs.Options{
			Families: []jobs.Family{
				family("groups", w.groups, 5*time.Second, 5*time.Second),
				family("videos", w.videos, 15*time.Second, 30*time.Second),
			},
			Slots: func() iter.Seq2[string, *resilience.Bulkhead] {
				return func(yield func(string, *resilience.Bulkhead) bool) {
					_ = yield("groups", w.slots["groups"]) && yield("videos", w.slots["videos"])
				}
			},
			Pace: jobs.NewPace(func() float64 {
				w.mu.Lock()
				defer w.mu.Unlock()
				return w.rate
			}),
			Random: func() float64 { return 0 }, Logger: logger,
		})
		ctx, cancel := context.WithCancel(t.Context())
		w.cancel = cancel
		go func() {
			defer close(w.ended)
			w.follower.Run(ctx)
		}()
		synctest.Wait()
		script(w)
		cancel()
		<-w.ended
	})
}

// journal keeps the log.
type journal struct {
	mu     sync.Mutex
	buffer bytes.Buffer // Guarded by mu.
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buffer.Write(p)
}

func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.buffer.Reset()
	return j.buffer.String()
}

// change changes what the follower may look at.
func (w *world) change(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// start makes a job that holds a slot.
func (w *world) start(u *upstream, id string) {
	w.t.Helper()
	u.set(id, jobs.Running)
	lease, _, err := w.slots[u.name].Acquire(w.t.Context(), "caller")
	if err != nil {
		w.t.Fatal(err)
	}
	lease.Keep(id)
	w.follower.Wake()
	synctest.Wait()
}

// pass lets time pass and wants exactly these requests.
func (w *world) pass(d time.Duration, want ...string) {
	w.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	w.requests(want...)
}

func (w *world) requests(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.asked, want) {
		w.t.Errorf("requests\n got %q\nwant %q", w.asked, want)
	}
	w.asked = nil
}

// held wants exactly these jobs to hold slots.
func (w *world) held(name string, want ...string) {
	w.t.Helper()
	var got []string
	for _, slot := range w.slots[name].Jobs() {
		got = append(got, slot.Holder.Job)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		w.t.Errorf("%s: %q hold slots, want %q", name, got, want)
	}
}

// logged wants exactly these lines since the last look.
func (w *world) logged(want ...string) {
	w.t.Helper()
	got := strings.FieldsFunc(w.log.take(), func(r rune) bool { return r == '\n' })
	if !slices.Equal(got, want) {
		w.t.Errorf("log\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// began forgets the two listings of a start without jobs.
func (w *world) began() {
	w.t.Helper()
	w.requests("0s list groups", "0s list videos")
}

func TestOneJobIsAskedForByItself(t *testing.T) {
	play(t, nil, func(w *world) {
		w.began()
		w.pass(time.Hour) // nothing holds a slot: nothing is asked
		w.start(w.groups, "a")
		w.pass(11*time.Second, "1h0m5s get a", "1h0m10s get a")
		w.groups.set("a", jobs.Final)
		w.pass(5*time.Second, "1h0m15s get a")
		w.held("groups")
		w.pass(time.Hour)
		w.logged(`level=INFO msg="slot freed: the job is over" family=groups job=a`)
	})
}

func TestSeveralJobsAreListed(t *testing.T) {
	play(t, nil, func(w *world) {
		w.began()
		w.start(w.groups, "a")
		w.start(w.groups, "b")
		w.start(w.groups, "c")
		w.pass(6*time.Second, "5s list groups")
		w.groups.set("a", jobs.Final)
		w.groups.remove("b")
		w.pass(5*time.Second, "10s list groups", "10s get b") // it is not listed; gone
		w.held("groups", "c")
		w.logged(`level=INFO msg="slot freed: the job is over" family=groups job=a`,
			`level=INFO msg="slot freed: the job is over" family=groups job=b`)
	})
}

func TestListWithoutStates(t *testing.T) {
	play(t, nil, func(w *world) {
		w.began()
		w.change(func() { w.groups.blank = true })
		w.start(w.groups, "a")
		w.start(w.groups, "b")
		w.groups.set("b", jobs.Final)
		w.pass(6*time.Second, "5s list groups", "5s get a", "5s get b")
		w.held("groups", "a")
	})
}

func TestIntervalOfVideosGrows(t *testing.T) {
	play(t, nil, func(w *world) {
		w.began()
		w.start(w.videos, "v")
		w.pass(200*time.Second, "15s get v", "30s get v", "45s get v", "1m0s get v", "1m20s get v", "1m46.667s get v", "2m16.667s get v", "2m46.667s get v", "3m16.667s get v")
	})
}

// Both families together want 12 + 4 polls a minute.
func TestPollsFitTheirRate(t *testing.T) {
	play(t, func(w *world) { w.rate = 4 }, func(w *world) {
		w.began()
		w.start(w.groups, "g")
		w.start(w.videos, "v")
		w.pass(61*time.Second, "20s get g", "40s get g", "1m0s get g", "1m0s get v")
		w.change(func() { w.rate = 16 })
		w.follower.Wake()
		w.pass(15*time.Second, "1m5s get g", "1m10s get g", "1m15s get g")
		w.pass(5*time.Second, "1m20s get v", "1m20s get g") // 60 s, and a quarter of its age
	})
}

// Five focus groups and three videos never take more than a tenth of 60 a minute.
func TestPollsNeverExceedTheirRate(t *testing.T) {
	play(t, func(w *world) { w.rate = 6 }, func(w *world) {
		w.began()
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			w.start(w.groups, id)
		}
		for _, id := range []string{"x", "y", "z"} {
			w.start(w.videos, id)
		}
		for range 25 {
			time.Sleep(time.Minute)
			synctest.Wait()
			w.change(func() {
				if len(w.asked) > 7 { // 6, and one for where the minute happens to begin
					t.Errorf("%d polls in a minute: %q", len(w.asked), w.asked)
				}
				w.asked = nil
			})
		}
	})
}

func TestOldJobsLoseTheirSlots(t *testing.T) {
	play(t, func(w *world) { w.rate = 0.001 }, func(w *world) {
		w.began()
		w.start(w.groups, "a")
		w.pass(29 * time.Minute)
		w.held("groups", "a")
		w.pass(time.Minute)
		w.held("groups")
		w.logged(`level=WARN msg="slot freed: the job is too old, though nobody saw it end" family=groups job=a`)
	})
}

func TestRecoveryOfAllPages(t *testing.T) {
	play(t, func(w *world) {
		w.groups.page = 2
		now := time.Now()
		w.groups.rows = []jobs.Job{
			{ID: "over", State: jobs.Final, Created: now.Add(-time.Minute)},
			{ID: "a", State: jobs.Running, Created: now.Add(-time.Minute)},
			{ID: "stuck", State: jobs.Running, Created: now.Add(-30 * time.Minute)},
			{ID: "unsaid", Created: now},
			{ID: "b", State: jobs.Running}, // of unknown age
			{State: jobs.Running},
		}
	}, func(w *world) {
		w.requests("0s list groups", "0s list videos", "0s list groups 2", "0s list groups 4")
		w.held("groups", "a", "b")
		if got := w.slots["groups"].Jobs()[0].Since; time.Since(got) != time.Minute {
			t.Errorf("a runs since %v", got)
		}
		w.logged(`level=INFO msg="job adopted: it was found running" family=groups job=a`,
			`level=INFO msg="job adopted: it was found running" family=groups job=b`)
		w.groups.set("a", jobs.Final)
		w.groups.set("b", jobs.Final)
		w.pass(6*time.Second, "5s list groups", "5s get b") // only one is left to be looked for
		w.held("groups")
	})
}

func TestRecoveryIsBounded(t *testing.T) {
	play(t, func(w *world) {
		w.groups.page = 1
		for i := range 11 {
			w.groups.rows = append(w.groups.rows, jobs.Job{ID: fmt.Sprint(i), State: jobs.Final})
		}
	}, func(w *world) {
		if last := w.asked[len(w.asked)-1]; len(w.asked) != 11 || last != "0s list groups 9" {
			t.Errorf("%q", w.asked)
		}
		w.change(func() { w.asked = nil })
		w.logged(`level=WARN msg="there are more jobs than are listed; those that run beyond hold no slots" family=groups pages=10`)
		w.pass(time.Hour)
	})
}

func TestRecoveryIsRepeated(t *testing.T) {
	play(t, func(w *world) {
		w.groups.fails = 5
		w.groups.set("a", jobs.Running)
	}, func(w *world) {
		w.requests("0s list groups", "0s list videos")
		w.held("groups")
		w.logged(`level=WARN msg="running jobs could not be listed; those of an earlier process hold no slots until they are" family=groups retry_in=5s error="no answer"`)
		w.start(w.videos, "v") // the other family is not held up
		w.pass(20*time.Second, "5s list groups", "15s list groups", "15s get v")
		w.pass(2*time.Minute, "30s get v", "35s list groups", "45s get v", "1m0s get v", "1m15s list groups", "1m20s get v", "1m46.667s get v", "2m15s list groups", "2m16.667s get v", "2m20s get a")
		w.held("groups", "a")
	})
}

func TestFailedPollsAreRepeated(t *testing.T) {
	play(t, nil, func(w *world) {
		w.began()
		w.start(w.groups, "a")
		w.change(func() { w.groups.fails = 2 })
		w.pass(6*time.Second, "5s get a")
		w.start(w.groups, "b")
		w.pass(10*time.Second, "10s list groups", "15s list groups")
		w.held("groups", "a", "b")
		line := `level=WARN msg="jobs could not be polled" family=groups error="no answer"`
		w.logged(line, line)
	})
}

// A new key has other slots: its running jobs are looked for.
func TestNewKeyIsRecovered(t *testing.T) {
	play(t, func(w *world) { w.groups.set("a", jobs.Running) }, func(w *world) {
		w.began()
		w.held("groups", "a")
		other := resilience.NewBulkhead(resilience.Caps{Slots: 5, Jobs: true, MaxAge: time.Hour}, resilience.NewLocalSlots())
		w.change(func() { w.slots["groups"] = other })
		w.pass(6*time.Second, "5s list groups")
		w.held("groups", "a")
	})
}

// A request that is under way when the follower is stopped is cut, and nothing is said.
func TestStop(t *testing.T) {
	play(t, func(w *world) {
		w.groups.hang = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	}, func(w *world) {
		w.requests("0s list groups")
		w.cancel()
		<-w.ended
		w.requests()
		w.logged()
	})
}
