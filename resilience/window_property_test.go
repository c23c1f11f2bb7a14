package resilience

import (
	"math/rand/v2"
	"testing"
	"time"
)

// scene is a random situation: an upstream, a network and those who want places.
type scene struct {
	*events
	t        *testing.T
	window   *Window
	upstream upstream
	way      time.Duration // The most that the way there takes.
	back     time.Duration // The most that the answer takes.
	waiting  Waiting
	sent     int
	refused  []time.Time // When the upstream refused own requests.
	asking   [classes]bool
}

func newScene(t *testing.T, seed uint64) *scene {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	pick := func(n ...int) int { return n[random.IntN(len(n))] }
	s := &scene{
		events: &events{now: epoch, rand: random},
		t:      t,
		window: NewWindow(WindowPolicy{}),
		upstream: upstream{
			limit: pick(1, 7, 60, 60, 120, 240, 600), empties: random.IntN(2) == 0, counts: random.IntN(2) == 0,
			skew: time.Duration(random.IntN(7200)-3600) * time.Second,
		},
		way:  time.Duration(pick(0, 1, 50, 250)) * time.Millisecond,
		back: time.Duration(pick(0, 100, 2000, 30_000)) * time.Millisecond,
	}
	return s
}

// want adds calls of a class, and lets the class ask.
func (s *scene) want(class Class, n int) {
	s.waiting[class] += n
	s.ask(class)
}

// ask takes places as long as there are any, in the order of the classes.
func (s *scene) ask(class Class) {
	for s.waiting[class] > 0 {
		ok, next := s.window.Take(s.now, class, s.waiting)
		if !ok {
			if !next.After(s.now) {
				s.t.Fatalf("Take at %v was refused until %v, which is not later", s.now, next)
			}
			if !s.asking[class] {
				s.asking[class] = true
				s.after(next.Sub(s.now), func() { s.asking[class] = false; s.askAll() })
			}
			return
		}
		s.waiting[class]--
		s.send()
	}
}

func (s *scene) askAll() {
	for _, class := range []Class{Poll, Interactive, Batch} {
		s.ask(class)
	}
}

func (s *scene) send() {
	s.sent++
	sentAt := s.now
	s.after(s.upTo(s.way+1), func() {
		ok, headers := s.upstream.arrive(s.now)
		if !ok {
			s.refused = append(s.refused, s.now)
		}
		s.after(s.upTo(s.back+1), func() {
			s.window.Learn(s.now, sentAt, headers)
			if !ok {
				s.window.Close(s.now, s.now.Add(headers.Reset.Sub(headers.Date)))
			}
			s.askAll()
		})
	})
}

// arrivals lets calls come for a while, in bursts of random sizes.
func (s *scene) arrivals(d time.Duration) {
	end := s.now.Add(d)
	most := 1 + s.rand.IntN(2*s.upstream.limit)
	pause := s.upTo(10 * time.Second)
	var burst func()
	burst = func() {
		if s.now.After(end) {
			return
		}
		class := Class(s.rand.IntN(int(classes)))
		if s.waiting[class] < 10*s.upstream.limit {
			s.want(class, 1+s.rand.IntN(most))
		}
		s.after(s.upTo(pause), burst)
	}
	s.after(0, burst)
}

// stranger sends foreign requests for a while.
func (s *scene) stranger(d time.Duration) {
	end := s.now.Add(d)
	pause := time.Duration(2+s.rand.IntN(7)) * time.Minute / time.Duration(s.upstream.limit)
	var send func()
	send = func() {
		if s.now.After(end) {
			return
		}
		for range 1 + s.rand.IntN(3) {
			s.upstream.arrive(s.now)
		}
		s.after(s.upTo(2*pause), send)
	}
	s.after(0, send)
}

const scenes = 100 // 2500 have been seen to hold.

// Whatever the arrivals, classes, delays up to the margin, skew and reading of Reset:
// alone with its key, the window never lets the upstream refuse.
func TestWindowNeverExceedsTheLimit(t *testing.T) {
	for seed := range uint64(scenes) {
		s := newScene(t, seed)
		s.window = NewWindow(WindowPolicy{StartLimit: s.upstream.limit})
		s.arrivals(6 * time.Minute)
		s.run(6 * time.Minute)
		if len(s.refused) != 0 {
			t.Errorf("seed %d: %d of %d requests refused, the first after %v", seed, len(s.refused), s.sent, s.refused[0].Sub(epoch))
		}
		if usage := s.window.Usage(s.now); usage.Ignored != 0 {
			t.Errorf("seed %d: %d headers ignored", seed, usage.Ignored)
		}
	}
}

// A limit that changes is followed in both directions: what is refused was sent
// before an answer told the new one. The start limit is one such case.
func TestWindowFollowsTheLimit(t *testing.T) {
	for seed := range uint64(scenes) {
		s := newScene(t, seed)
		s.arrivals(8 * time.Minute)
		s.run(4 * time.Minute) // Refusals: the limit may be far from the start limit.
		s.upstream.limit = max(s.upstream.limit*(1+s.rand.IntN(4))/2, 1)
		changed := s.now
		s.run(time.Minute + s.window.policy.Margin + s.way + s.back + 10*time.Second)
		known := s.now
		s.run(3 * time.Minute)
		for _, at := range s.refused {
			if at.After(known) {
				t.Errorf("seed %d: a request refused %v after the limit changed to %d", seed, at.Sub(changed), s.upstream.limit)
			}
		}
		if got := s.window.Usage(s.now).Limit; got != s.upstream.limit {
			t.Errorf("seed %d: limit %d learnt, want %d", seed, got, s.upstream.limit)
		}
	}
}

// Foreign requests may be refused, and make own ones be refused; once they have left
// the window, nothing is refused any more, and the whole limit is ours again.
func TestWindowOutlivesForeignRequests(t *testing.T) {
	refused, sent, excused := 0, 0, 0
	for seed := range uint64(scenes) {
		s := newScene(t, seed)
		s.window = NewWindow(WindowPolicy{StartLimit: s.upstream.limit})
		s.stranger(4 * time.Minute)
		s.run(s.upTo(2 * time.Minute)) // A cold start: the window may be full already.
		s.arrivals(20 * time.Minute)
		s.run(epoch.Add(4 * time.Minute).Sub(s.now))
		sent += s.sent
		excused += len(s.refused)
		// The last of them leave, and so do the answers that were made before.
		s.run(time.Minute + s.window.policy.Margin + s.way + s.back + time.Minute)
		quiet := s.now
		s.run(3 * time.Minute)
		for _, at := range s.refused {
			if at.After(quiet) {
				refused++
				t.Errorf("seed %d: a request refused %v after the last foreign one", seed, at.Sub(epoch.Add(4*time.Minute)))
			}
		}
		// A request that has just been overtaken may look foreign until the next answer.
		if got := s.window.Usage(s.now).Foreign; got > max(s.upstream.limit/20, 1) {
			t.Errorf("seed %d: %d foreign requests of %d, want none", seed, got, s.upstream.limit)
		}
	}
	t.Logf("beside foreign traffic %d of %d requests were refused (%.2f %%)", excused, sent, 100*float64(excused)/float64(sent))
}
