package lines_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/lines"
)

// A sink notes what is written to it, each write by itself.
type sink struct {
	mu     sync.Mutex
	writes []string
	err    error
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	s.writes = append(s.writes, string(p))
	return len(p), nil
}

func (s *sink) check(t *testing.T, when string, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.writes, want) {
		t.Errorf("%s: writes %q, want %q", when, s.writes, want)
	}
}

func log(t *testing.T, w *lines.Writer, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("line %q: %d, %v", text, n, err)
		}
	}
}

func TestLinesAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		w := lines.NewWriter(&s)
		log(t, w, "1\n", "2\n")
		time.Sleep(lines.Delay - 1)
		synctest.Wait()
		s.check(t, "before the delay")
		log(t, w, "3\n")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		s.check(t, "after it", "1\n2\n3\n")
		time.Sleep(time.Hour)
		log(t, w, "4\n")
		time.Sleep(lines.Delay)
		synctest.Wait()
		s.check(t, "later", "1\n2\n3\n", "4\n")
		log(t, w, "5\n")
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		log(t, w, "6\n")
		s.check(t, "closed", "1\n2\n3\n", "4\n", "5\n", "6\n")
	})
}

// A gate is a sink that lets nothing through until it is opened.
type gate struct {
	sink

	entered chan struct{}
	open    chan struct{}
}

func (g *gate) Write(p []byte) (int, error) {
	g.entered <- struct{}{}
	<-g.open
	return g.sink.Write(p)
}

// TestFullMemory: nobody reads. Whoever logs the line that there is no room for writes
// what waits, and waits itself; others go on for as long as there is room.
func TestFullMemory(t *testing.T) {
	g := gate{entered: make(chan struct{}, 3), open: make(chan struct{})}
	w := lines.NewWriter(&g)
	const limit = 64 << 10
	log(t, w, strings.Repeat("x", limit-1))
	var waits sync.WaitGroup
	waits.Go(func() { log(t, w, "x\n") })
	<-g.entered // by the second line, or the first one's time was over
	log(t, w, strings.Repeat("y", limit-3))
	g.check(t, "nobody reads")
	close(g.open)
	waits.Wait()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if got := len(strings.Join(g.writes, "")); got != 2*limit-2 {
		t.Errorf("%d bytes written, want %d", got, 2*limit-2)
	}
}

// TestOrder: the lines of one goroutine stay in their order, and whole, whoever else logs.
func TestOrder(t *testing.T) {
	var s sink
	w := lines.NewWriter(&s)
	var all sync.WaitGroup
	const each = 2000
	for who := range 4 {
		all.Go(func() {
			for i := range each {
				log(t, w, fmt.Sprintf("%d %d %s\n", who, i, strings.Repeat("y", i%50)))
			}
		})
	}
	all.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var next [4]int
	for line := range strings.Lines(strings.Join(s.writes, "")) {
		var who, i int
		var rest string
		_, _ = fmt.Sscanf(line, "%d %d %s", &who, &i, &rest) // a line may have no rest
		if i != next[who] || len(rest) != i%50 {
			t.Fatalf("line %q, want the %d. one of %d", line, next[who], who)
		}
		next[who]++
	}
	if next != [4]int{each, each, each, each} {
		t.Errorf("lines %v", next)
	}
}

func TestError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{err: errors.New("disk full")}
		w := lines.NewWriter(&s)
		log(t, w, "lost\n")
		if err := w.Close(); !errors.Is(err, s.err) {
			t.Errorf("closed with %v", err)
		}
		if _, err := w.Write([]byte("lost too\n")); !errors.Is(err, s.err) {
			t.Errorf("written with %v", err)
		}
	})
}
