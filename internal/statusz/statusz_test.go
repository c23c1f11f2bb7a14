package statusz

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A gateway is what a board looks at.
type gateway struct {
	state resilience.Snapshot
	ready bool
	level slog.LevelVar
}

func (g *gateway) options() Options {
	return Options{
		Version: "v1.2.3", Upstream: "https://mavera.test/api/v1", Configuration: "share: 0.5\n",
		Key: func() string { return "mvra_live_abcd..." }, Level: &g.level,
		State: func() resilience.Snapshot { return g.state },
		Ready: func() bool { return g.ready },
	}
}

// busy is a gateway with a bit of everything.
func busy() *gateway {
	return &gateway{ready: true, state: resilience.Snapshot{
		Window: resilience.WindowUsage{
			Limit: 120, Places: 60, Own: 12, Foreign: 3, ForeignTotal: 40, Confirmed: true,
			ClosedUntil: time.Now().Add(8500 * time.Millisecond),
		},
		Queued: resilience.Waiting{resilience.Interactive: 2, resilience.Batch: 5}, RetryBudget: 7,
		Breakers:    map[string]resilience.State{"personas": resilience.Closed, "mave": resilience.Open, "focus_groups": resilience.HalfOpen},
		Slots:       map[string]resilience.SlotUsage{"mave": {Slots: 5, Taken: 5, Waiting: 1}, "focus_groups": {Slots: 2, Taken: 1, Jobs: 1}},
		Watches:     map[string]int{"focus_groups": 3},
		WatchedJobs: map[string]int{"focus_groups": 1},
	}}
}

// The calls of the tests, without their times.
func calls() []Call {
	return []Call{
		{RequestID: "r-1", RPC: "GetPersona", Route: "GET /personas/{id}", Family: "personas", Caller: "shop", HTTPStatus: 200, Attempts: 1, Duration: 40 * time.Millisecond},
		{
			RequestID: "r-2", TraceID: "0123456789abcdef0123456789abcdef", RPC: "SendMaveMessage", Route: "POST /mave/chat", Family: "mave", Caller: "shop",
			Code: codes.Internal, Reason: "HTTP_500", Message: "SendMaveMessage: Mavera failed (HTTP 500 oops)", HTTPStatus: 500, UpstreamCode: "oops", UpstreamType: "api_error",
			Attempts: 4, Credits: 12.5, Waited: 1500 * time.Millisecond, Duration: 9 * time.Second,
		},
		{
			RequestID: "r-3", RPC: "SendMaveMessage", Route: "POST /mave/chat", Family: "mave",
			Code: codes.Unavailable, Reason: "CIRCUIT_OPEN", Message: "SendMaveMessage: the circuit is open",
		},
		{RequestID: "r-4", RPC: "GetPersona", Route: "GET /personas/{id}", Family: "personas", Code: codes.Canceled, Reason: "CALLER_LEFT", Attempts: 1},
	}
}

// TestReport compares a whole report, six seconds after the calls.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gateway := busy()
		gateway.level.Set(slog.LevelWarn)
		start := time.Now().UTC()
		board := New(gateway.options())
		life, end := context.WithCancel(t.Context())
		defer end()
		go board.Run(life)
		time.Sleep(2 * time.Second)
		for _, c := range calls() {
			c.At = time.Now()
			board.Add(c)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		at := start.Add(2 * time.Second)
		want := Report{
			Version: "v1.2.3", Now: start.Add(8 * time.Second), Started: start, UptimeS: 8, Ready: true,
			Upstream: "https://mavera.test/api/v1", Key: "mvra_live_abcd...", LogLevel: "warn",
			Window: Window{Limit: 120, Places: 60, Own: 12, Foreign: 3, ForeignTotal: 40, Confirmed: true, ClosedS: 0.5},
			Queued: map[string]int{"interactive": 2, "batch": 5, "poll": 0}, RetryBudget: 7,
			Families: []Family{
				{Name: "focus_groups", Breaker: "half-open", Slots: &Slots{Slots: 2, Taken: 1, Jobs: 1}, Watches: &Watches{Open: 3, Jobs: 1}, Codes: map[string]int{}},
				{
					Name: "mave", Breaker: "open", Slots: &Slots{Slots: 5, Taken: 5, Waiting: 1}, Calls: 2, Failures: 2, Refusals: 1, Attempts: 4, Credits: 12.5,
					Codes: map[string]int{"Internal": 1, "Unavailable": 1},
				},
				{Name: "personas", Breaker: "closed", Calls: 2, Attempts: 2, Codes: map[string]int{"OK": 1, "Canceled": 1}},
			},
			Recent: []Failure{
				{At: at, RequestID: "r-3", RPC: "SendMaveMessage", Route: "POST /mave/chat", Family: "mave", Code: "Unavailable", Reason: "CIRCUIT_OPEN", Message: "SendMaveMessage: the circuit is open"},
				{
					At: at, RequestID: "r-2", TraceID: "0123456789abcdef0123456789abcdef", RPC: "SendMaveMessage", Route: "POST /mave/chat", Family: "mave", Caller: "shop",
					Code: "Internal", Reason: "HTTP_500", Message: "SendMaveMessage: Mavera failed (HTTP 500 oops)", HTTPStatus: 500, UpstreamCode: "oops", UpstreamType: "api_error",
					Attempts: 4, WaitedMS: 1500, DurationMS: 9000,
				},
			},
			History:       []Point{{At: start.Add(Interval), Calls: 4, Failures: 2, Refusals: 1, Own: 12, Foreign: 3, Places: 60, Queued: 7}},
			Configuration: "share: 0.5\n",
		}
		if diff := cmp.Diff(want, board.Report()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		time.Sleep(Interval) // nothing happens, and the window opens
		synctest.Wait()
		got := board.Report()
		if got.Window.ClosedS != 0 || len(got.History) != 2 || got.History[1].Calls != 0 {
			t.Errorf("later: %+v, %+v", got.Window, got.History)
		}
		want.Recent = want.Recent[1:]
		want.Recent[0].Caller = ""
		bundle := Bundle{Gateway: "mavera-gateway/v1.2.3", Made: got.Now, Upstream: want.Upstream, Key: want.Key, RateLimit: 120, Failures: want.Recent}
		if diff := cmp.Diff(bundle, board.Bundle("")); diff != "" {
			t.Errorf("the bundle, -want +got:\n%s", diff)
		}
		if diff := cmp.Diff(bundle, board.Bundle("r-2")); diff != "" {
			t.Errorf("the bundle of a call, -want +got:\n%s", diff)
		}
		bundle.Failures = []Failure{}
		if diff := cmp.Diff(bundle, board.Bundle("r-3")); diff != "" {
			t.Errorf("the bundle of a call that did not reach Mavera, -want +got:\n%s", diff)
		}
	})
}

// TestMemoryIsBounded has more failures and more time pass than a board remembers.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := New(busy().options())
		life, end := context.WithCancel(t.Context())
		defer end()
		go board.Run(life)
		for i := range 3*keptFailures + 1 {
			board.Add(Call{RequestID: strconv.Itoa(i), Family: "personas", Code: codes.NotFound, Attempts: 1})
		}
		began := time.Now().UTC()
		time.Sleep(2 * keptPoints * Interval)
		synctest.Wait()
		r := board.Report()
		if len(r.Recent) != keptFailures || r.Recent[0].RequestID != "300" || r.Recent[keptFailures-1].RequestID != "201" {
			t.Errorf("%d failures, from %s to %s", len(r.Recent), r.Recent[0].RequestID, r.Recent[len(r.Recent)-1].RequestID)
		}
		if len(r.History) != keptPoints || !r.History[0].At.Equal(began.Add((keptPoints+1)*Interval)) || !r.History[keptPoints-1].At.Equal(r.Now) {
			t.Errorf("%d points, from %v to %v, now %v", len(r.History), r.History[0].At, r.History[len(r.History)-1].At, r.Now)
		}
		if f := r.Families[2]; f.Failures != 301 {
			t.Errorf("%d failures are counted", f.Failures)
		}
	})
}

func TestRing(t *testing.T) {
	for _, row := range []struct {
		added int
		want  []int
	}{
		{0, nil},
		{2, []int{0, 1}},
		{3, []int{0, 1, 2}},
		{4, []int{1, 2, 3}},
		{8, []int{5, 6, 7}},
	} {
		r := ring[int]{limit: 3}
		for i := range row.added {
			r.add(i)
		}
		if got := slices.Collect(r.all()); !slices.Equal(got, row.want) {
			t.Errorf("after %d: %v, want %v", row.added, got, row.want)
		}
		for first := range r.all() { // a reader may stop
			if first != row.want[0] {
				t.Errorf("after %d the first is %d", row.added, first)
			}
			break
		}
	}
}
