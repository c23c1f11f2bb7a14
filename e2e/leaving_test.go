//go:build e2e

package e2e

import (
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// A crowd is many open streams: each has got its first event, and no more come.
type crowd struct {
	t       *testing.T
	g       *gateway
	streams []openStream

	asked       atomic.Int64
	connections atomic.Int64
	mu          sync.Mutex
	ended       map[string]time.Time // When Mavera's side of each ended. Guarded by mu.
}

type openStream struct {
	name  string
	leave context.CancelFunc
	grpc.ServerStreamingClient[maverav1.ResponseStreamEvent]
}

// newCrowd opens n streams. Each asks with a name of its own.
func newCrowd(t *testing.T, n int) *crowd {
	t.Helper()
	c := &crowd{t: t, ended: make(map[string]time.Time, n)}
	server := httptest.NewUnstartedServer(http.HandlerFunc(c.serve))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			c.connections.Add(1)
		case http.StateClosed:
			c.connections.Add(-1)
		case http.StateActive, http.StateIdle, http.StateHijacked:
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL + "/api/v1")
	if err != nil {
		t.Fatal(err)
	}
	c.g = startGateway(t, base)
	var all sync.WaitGroup
	c.streams = make([]openStream, n)
	gate := make(chan struct{}, 100) // streams that are being opened at the same time
	for i := range c.streams {
		gate <- struct{}{}
		all.Go(func() {
			c.streams[i] = c.open(strconv.Itoa(i))
			<-gate
		})
	}
	all.Wait()
	return c
}

func (c *crowd) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c.asked.Add(1)
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, "event: response.output_text.delta\ndata: {\"delta\":\"a\"}\n\n")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
	at := time.Now()
	_, name, _ := strings.Cut(string(body), `"input":"`)
	name, _, _ = strings.Cut(name, `"`)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended[name] = at
}

func (c *crowd) open(name string) openStream {
	ctx, leave := context.WithCancel(c.t.Context())
	c.t.Cleanup(leave)
	request := streamRequest()
	request.Input.Form = &maverav1.ResponseInput_Text{Text: name}
	stream, err := c.g.responses.StreamResponse(ctx, request)
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		c.t.Errorf("stream %s: %v", name, err)
	}
	return openStream{name, leave, stream}
}

// after is how long after a moment Mavera's side of a stream ended; false while it
// has not.
func (c *crowd) after(begin time.Time, name string) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.ended[name]
	return at.Sub(begin), ok
}

func (c *crowd) countEnded() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ended)
}

// cpu is how long the gateway has worked.
func (c *crowd) cpu() time.Duration {
	_, metrics := c.g.page("/metrics")
	for line := range strings.Lines(metrics) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "process_cpu_seconds_total "); ok {
			seconds, err := strconv.ParseFloat(text, 64)
			if err != nil {
				c.t.Error(err)
			}
			return time.Duration(seconds * float64(time.Second))
		}
	}
	c.t.Error("/metrics has no process_cpu_seconds_total")
	return 0
}

// goroutines are those of the gateway.
func (c *crowd) goroutines() int {
	_, page := c.g.page("/debug/pprof/goroutine?debug=1")
	_, count, _ := strings.Cut(page, "total ")
	count, _, _ = strings.Cut(count, "\n")
	n, err := strconv.Atoi(count)
	if err != nil {
		c.t.Errorf("the profile says %q", page[:min(len(page), 100)])
	}
	return n
}

// TestOneOfManyLeaves has callers leave one after the other among a thousand: Mavera's
// side of each ends within 50 ms, and that of nobody else does.
func TestOneOfManyLeaves(t *testing.T) {
	const leaving, limit = 21, 50 * time.Millisecond
	c := newCrowd(t, 1000)
	var took []time.Duration
	for _, s := range c.streams[:leaving] {
		begin := time.Now()
		s.leave()
		eventually(t, "the end of stream "+s.name, func() bool { _, ok := c.after(begin, s.name); return ok })
		passed, _ := c.after(begin, s.name)
		took = append(took, passed)
	}
	slices.Sort(took)
	// The median: the machine is the tests' of everybody.
	if median := took[leaving/2]; median > limit {
		t.Errorf("a request ended %s after its caller left, want at most %s (all: %s)", median, limit, took)
	}
	t.Logf("ended after %s at the median, %s at most", took[leaving/2], took[leaving-1])
	if ended := c.countEnded(); ended != leaving {
		t.Errorf("%d requests ended, want %d", ended, leaving)
	}
	if asked := c.asked.Load(); asked != 1000 {
		t.Errorf("%d requests were made for 1000 streams", asked)
	}
}

// files is how many files a program may have open: Mavera's side has a connection for
// each stream.
func files() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(limit.Cur, math.MaxInt32))
}

// TestAllLeave has ten thousand callers leave at once: within a second nothing is left
// of their requests, and nothing is tried again.
func TestAllLeave(t *testing.T) {
	n, limit := min(10_000, max(files()-1000, 100)), time.Second
	if raceEnabled {
		n, limit = min(n, 1000), 5*time.Second
	}
	c := newCrowd(t, n)
	before, used := c.goroutines(), c.cpu()
	begin := time.Now()
	for _, s := range c.streams {
		s.leave()
	}
	eventually(t, "the end of all streams", func() bool { return c.countEnded() == n && c.connections.Load() == 0 })
	passed, used := time.Since(begin), c.cpu()-used
	// On a machine that is busy with other tests the time says nothing of the gateway:
	// then what counts is whether one processor would have been enough.
	if passed > limit && used > limit {
		t.Errorf("%d requests ended %s after their callers left, for which the gateway worked %s, want at most %s", n, passed, used, limit)
	}
	eventually(t, "the end of their goroutines", func() bool { return c.goroutines() < before/20 })
	t.Logf("%d requests ended within %s and %s of work, goroutines went from %d to %d", n, passed, used, before, c.goroutines())
	if asked := c.asked.Load(); asked != int64(n) {
		t.Errorf("%d requests were made for %d streams", asked, n)
	}
}
