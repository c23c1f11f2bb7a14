package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// AddAttempts is nobody's concern but attemptTally's.
func (*tally) AddAttempts(context.Context, string, string, int) {}

// An attemptTally also remembers attempts and their repeats.
type attemptTally struct {
	*tally
	attempts map[string]int // By "family outcome". Guarded by mu.
	retries  map[string]int // By "family reason". Guarded by mu.
}

func (c *attemptTally) AddAttempts(_ context.Context, family, outcome string, count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts[family+" "+outcome] += count
}

func (c *attemptTally) AddRetry(_ context.Context, family, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retries[family+" "+reason]++
}

// inTurn gives one status after the other, then 200; codes of errors are Mavera's to
// invent.
func inTurn(statuses ...int) http.HandlerFunc {
	var calls atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		n := int(calls.Add(1))
		if n <= len(statuses) {
			answers(statuses[n-1], fmt.Sprintf(`{"error": {"code": "invented_%d"}}`, n))(w, r)
			return
		}
		answers(http.StatusOK, `{"id": "p-1"}`)(w, r)
	}
}

// TestAttemptsAreCounted repeats twice and looks for bounded names.
func TestAttemptsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counted := &attemptTally{attempts: map[string]int{}, retries: map[string]int{}}
		h := newHarness(t, inTurn(http.StatusServiceUnavailable, http.StatusInternalServerError), func(o *Options) {
			counted.tally, _ = o.Observer.(*tally)
			o.Observer = counted
		})
		if _, _, err := h.getPersona(t.Context(), "p-1"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int{"personas http_503": 1, "personas http_500": 1, "personas ok": 1}, counted.attempts); diff != "" {
			t.Errorf("attempts: -want +got:\n%s", diff)
		}
		if diff := cmp.Diff(map[string]int{"personas http_503": 1, "personas http_500": 1}, counted.retries); diff != "" {
			t.Errorf("retries: -want +got:\n%s", diff)
		}
	})
}

// TestSnapshot looks before any call, after one, and at an open breaker.
func TestSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := http.StatusOK
		h := newHarness(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Ratelimit-Limit", "120")
			w.Header().Set("X-Ratelimit-Remaining", "99")
			w.Header().Set("X-Ratelimit-Reset", strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10))
			answers(status, `{"id": "p-1"}`)(w, r)
		}, func(o *Options) {
			policy := resilience.DefaultPolicy()
			policy.Attempts, policy.Breaker.Failures = 1, 1
			var err error
			if o.Policies, err = DefaultPolicies(policy, 0.5); err != nil {
				t.Fatal(err)
			}
			o.AllowCallerKeys = true
		})
		breakers := map[string]resilience.State{}
		for _, plan := range h.server.plans {
			breakers[plan.Family] = resilience.Closed
		}
		slots := map[string]resilience.SlotUsage{"mave": {Slots: 5}, "focus_groups": {Slots: 2}, "video_analyses": {Slots: 1}}
		none := map[string]int{"brand_voices": 0, "focus_groups": 0, "meetings": 0, "video_analyses": 0}
		check := func(name string, want resilience.Snapshot) {
			t.Helper()
			ignore := cmpopts.IgnoreFields(resilience.WindowUsage{}, "ClosedUntil", "Confirmed")
			if diff := cmp.Diff(want, h.server.Snapshot(), ignore); diff != "" {
				t.Errorf("%s: -want +got:\n%s", name, diff)
			}
		}
		check("before any call", resilience.Snapshot{
			Window: resilience.WindowUsage{Limit: 60, Places: 30}, RetryBudget: 10, Breakers: breakers, Slots: slots, Watches: none, WatchedJobs: none,
		})

		if _, _, err := h.getPersona(t.Context(), "p-1"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.getPersona(t.Context(), "p-1", "x-mavera-api-key", "a-key-of-the-caller"); err != nil {
			t.Fatal(err)
		}
		after := resilience.Snapshot{
			Window:      resilience.WindowUsage{Limit: 120, Places: 60, Own: 1, Foreign: 20, ForeignTotal: 20},
			RetryBudget: 10, Breakers: breakers, Slots: slots, Watches: none, WatchedJobs: none,
		}
		check("after one call with the own key", after)

		status = http.StatusBadGateway
		if _, _, err := h.getPersona(t.Context(), "p-1"); err == nil {
			t.Fatal("no error")
		}
		breakers["personas"] = resilience.Open
		after.Window.Own, after.Window.Foreign, after.Window.ForeignTotal = 2, 19, 20
		check("after a failure", after)
		time.Sleep(30 * time.Second)
		breakers["personas"] = resilience.HalfOpen
		after.Window.Foreign = h.server.Snapshot().Window.Foreign // some have left
		check("after the cooldown", after)
	})
}

// TestOutcomeOf keeps the names that dashboards go by.
func TestOutcomeOf(t *testing.T) {
	status := func(status int) error { return &mavera.Failure{HTTPStatus: status, Reason: "INVENTED"} }
	cause := func(cause mavera.Cause) error { return mavera.NewFailure(cause, nil) }
	for _, row := range []struct {
		err  error
		want string
	}{
		{nil, "ok"},
		{status(400), "http_400"},
		{status(404), "http_404"},
		{status(418), "http_4xx"},
		{status(429), "http_429"},
		{status(500), "http_500"},
		{status(503), "http_503"},
		{status(504), "http_504"},
		{status(520), "http_5xx"},
		{status(302), "http_3xx"},
		{cause(mavera.NotSent), "connection_failed"},
		{cause(mavera.Lost), "connection_lost"},
		{cause(mavera.AttemptTimedOut), "attempt_timeout"},
		{cause(mavera.Malformed), "malformed_response"},
		{cause(mavera.TooLarge), "answer_too_large"},
		{cause(mavera.StreamCut), "stream_cut"},
		{cause(mavera.StreamStalled), "stream_stalled"},
		{cause(mavera.StreamFailed), "stream_failed"},
		{cause(mavera.CallerDeadline), "caller_deadline"},
		{cause(mavera.CallerLeft), "caller_left"},
		{cause(mavera.TotalTimedOut), "total_timeout"},
		{cause(mavera.ShuttingDown), "shutting_down"},
		{cause(mavera.Panicked), "other"},
		{errors.New("not a failure"), "other"},
	} {
		if got := outcomeOf(row.err); got != row.want {
			t.Errorf("%v: %s, want %s", row.err, got, row.want)
		}
	}
	lost := mavera.NewFailure(mavera.Lost, nil)
	lost.HTTPStatus = http.StatusOK // it broke off inside the body
	if got := outcomeOf(lost); got != "connection_lost" {
		t.Errorf("an answer that broke off is %s", got)
	}
}
