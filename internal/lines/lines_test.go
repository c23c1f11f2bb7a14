package lines_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
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

// open returns a log whose lines are the messages and attributes.
func open(out io.Writer) (*lines.Log, *slog.Logger) {
	l := lines.New(out, func(w io.Writer) slog.Handler {
		return slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
				return slog.Attr{}
			}
			return a
		}})
	})
	return l, slog.New(l.Handler())
}

func TestLinesAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		l, logger := open(&s)
		logger.Info("1")
		logger.Info("2", "n", 2, "s", "two", "d", time.Second, "t", time.Time{}, "b", true, "f", 0.5)
		time.Sleep(lines.Delay - 1)
		synctest.Wait()
		s.check(t, "before the delay")
		logger.With("a", "b").WithGroup("g").Info("3", "n", 3)
		logger.Debug("not enabled")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		first := "msg=1\nmsg=2 n=2 s=two d=1s t=0001-01-01T00:00:00.000Z b=true f=0.5\nmsg=3 a=b g.n=3\n"
		s.check(t, "after it", first)
		time.Sleep(time.Hour)
		logger.Info("4")
		time.Sleep(lines.Delay)
		synctest.Wait()
		s.check(t, "later", first, "msg=4\n")
		logger.Info("5")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		logger.Info("6")
		s.check(t, "closed", first, "msg=4\n", "msg=5\n", "msg=6\n")
	})
}

// A changing value is another one each time that it is asked for.
type changing struct{ times int }

func (c *changing) LogValue() slog.Value { c.times++; return slog.IntValue(c.times) }
func (c *changing) Error() string        { c.times++; return strconv.Itoa(c.times) }

// TestChangingValues: lines with values that may change are made at once, after those that wait.
func TestChangingValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		l, logger := open(&s)
		c := new(changing)
		for _, attr := range []slog.Attr{
			slog.Any("valuer", c), slog.Any("error", error(c)), slog.Any("any", []int{7}), slog.Group("g", slog.Int("n", 8)),
		} {
			logger.Info("waits")
			logger.LogAttrs(t.Context(), slog.LevelInfo, "is made", attr)
		}
		s.check(t, "at once",
			"msg=waits\nmsg=\"is made\" valuer=1\n", "msg=waits\nmsg=\"is made\" error=2\n",
			"msg=waits\nmsg=\"is made\" any=[7]\n", "msg=waits\nmsg=\"is made\" g.n=8\n")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
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

// TestFull: nobody reads. Whoever logs the line that there is no room for writes what
// waits, and waits itself; others go on for as long as there is room.
func TestFull(t *testing.T) {
	g := gate{entered: make(chan struct{}, 3), open: make(chan struct{})}
	l, logger := open(&g)
	var waits sync.WaitGroup
	waits.Go(func() {
		for range lines.Limit {
			logger.Info("x")
		}
	})
	<-g.entered // by the last line, or the first one's time was over
	for range lines.Limit / 2 {
		logger.Info("y")
	}
	g.check(t, "nobody reads")
	close(g.open)
	waits.Wait()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if got := strings.Count(strings.Join(g.writes, ""), "\n"); got != lines.Limit+lines.Limit/2 {
		t.Errorf("%d lines written, want %d", got, lines.Limit+lines.Limit/2)
	}
}

// TestOrder: the lines of one goroutine stay in their order, and whole, whoever else logs.
func TestOrder(t *testing.T) {
	var s sink
	l, logger := open(&s)
	var all sync.WaitGroup
	const each = 2000
	for who := range 4 {
		all.Go(func() {
			for i := range each {
				logger.Info("m", "who", who, "i", i, "rest", strings.Repeat("y", i%50))
			}
		})
	}
	all.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var next [4]int
	for line := range strings.Lines(strings.Join(s.writes, "")) {
		var who, i int
		if _, err := fmt.Sscanf(line, "msg=m who=%d i=%d", &who, &i); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if i != next[who] || strings.Count(line, "y") != i%50 {
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
		l, logger := open(&s)
		logger.Info("lost")
		if err := l.Close(); !errors.Is(err, s.err) {
			t.Errorf("closed with %v", err)
		}
		record := slog.NewRecord(time.Now(), slog.LevelInfo, "lost too", 0)
		if err := l.Handler().Handle(t.Context(), record); !errors.Is(err, s.err) {
			t.Errorf("written with %v", err)
		}
	})
}
