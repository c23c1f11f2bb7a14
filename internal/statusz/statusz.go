// Package statusz shows how the gateway is: a page for people that renews itself, and
// the same as JSON for programs and for those who ask Mavera's support for help.
//
// A [Board] is told of every call that ends and looks at the state of the gateway's own
// key every [Interval]; its memory is bounded. It serves
//
//	/statusz       the page; it works on a phone and without scripts too
//	/statusz.json  the same as JSON, a [Report]
//	/supportz      what Mavera's support asks for, as JSON: a [Bundle]
//
// Prompts and answers are never among it, and what looks like a key is redacted as it
// is written, wherever it comes from: callers choose their names and request ids.
package statusz

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// Interval is how often the state is looked at, for the charts.
const Interval = 5 * time.Second

// Options configure a [Board]. All functions and Level are required; they are first
// called when the board is looked at.
type Options struct {
	// Version is that of the program.
	Version string
	// Upstream is Mavera's base URL, Key the gateway's key in its redacted form.
	Upstream string
	Key      func() string
	// Configuration is the effective configuration as YAML, keys redacted.
	Configuration string
	// Level is the least severe level that is logged, at the moment.
	Level slog.Leveler
	// State tells how things stand with the gateway's own key.
	State func() resilience.Snapshot
	// Ready reports whether calls are taken.
	Ready func() bool
}

// A Call is one that has ended.
type Call struct {
	// At is when it ended, Duration how long it took, Waited how much of that it waited
	// for permission and between attempts.
	At               time.Time
	Duration, Waited time.Duration

	RequestID, TraceID, RPC, Route, Family, Caller string

	// Code is its status; Reason and Message are empty after OK. Message is what the
	// caller was told.
	Code            codes.Code
	Reason, Message string
	// HTTPStatus is the last one of Mavera's, 0 when there was none; UpstreamCode and
	// UpstreamType are what the body of an error said.
	HTTPStatus                 int
	UpstreamCode, UpstreamType string
	// StorageStatus is the last refusal of the storage behind an upload, 0 for none.
	StorageStatus int

	// Attempts counts the requests sent to Mavera; of a watch those that it waited for,
	// shared with the other watches of its job.
	Attempts int
	// Credits are those that Mavera reported.
	Credits float64
}

// failed reports whether the gateway or Mavera did not do what was asked; a caller who
// left is no failure.
func (c *Call) failed() bool { return c.Code != codes.OK && c.Code != codes.Canceled }

// refused reports whether it failed without a request to Mavera.
func (c *Call) refused() bool { return c.failed() && c.Attempts == 0 }

// A Board remembers what its page shows. It is safe for concurrent use.
type Board struct {
	options Options
	started time.Time

	mu       sync.Mutex
	families map[string]*tally // Guarded by mu, as is all below.
	recent   ring[Call]        // Failures.
	history  ring[Point]
	current  Point // Of the interval that has begun.
}

// tally counts the calls of a family since the start.
type tally struct {
	calls, failures, refusals int
	attempts                  int
	credits                   float64
	codes                     map[codes.Code]int
}

// New returns a board without memories.
func New(options Options) *Board {
	return &Board{
		options: options, started: time.Now(),
		families: make(map[string]*tally),
		recent:   ring[Call]{limit: keptFailures}, history: ring[Point]{limit: keptPoints},
	}
}

// Add tells of a call.
func (b *Board) Add(c Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.families[c.Family]
	if t == nil {
		t = &tally{codes: make(map[codes.Code]int)}
		b.families[c.Family] = t
	}
	t.calls++
	t.attempts += c.Attempts
	t.credits += c.Credits
	t.codes[c.Code]++
	b.current.Calls++
	if !c.failed() {
		return
	}
	t.failures++
	b.current.Failures++
	if c.refused() {
		t.refusals++
		b.current.Refusals++
	}
	b.recent.add(c)
}

// Run looks at the state every [Interval] until ctx ends.
func (b *Board) Run(ctx context.Context) {
	ticker := time.NewTicker(Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			b.look(now)
		}
	}
}

// look ends an interval.
func (b *Board) look(now time.Time) {
	state := b.options.State()
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.current
	b.current = Point{}
	p.At = now.UTC()
	p.Own, p.Foreign, p.Places = state.Window.Own, state.Window.Foreign, state.Window.Places
	for _, waiting := range state.Queued {
		p.Queued += waiting
	}
	b.history.add(p)
}
