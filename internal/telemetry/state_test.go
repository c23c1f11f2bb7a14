package telemetry

import (
	"slices"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// TestInstruments uses every instrument and expects the whole page.
func TestInstruments(t *testing.T) {
	telemetry := mustStart(t, nil)
	defer shutDown(t, telemetry)
	instruments, err := NewInstruments(telemetry.MeterProvider)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	instruments.AddAttempts(ctx, "personas", "ok", 1)
	instruments.AddAttempts(ctx, "personas", "http_503", 2)
	instruments.AddRetry(ctx, "personas", "http_503")
	instruments.AddBudgetRefusal(ctx, "mave")
	instruments.AddTransition(ctx, "mave", "half-open", "closed")
	instruments.AddLookUp(ctx, "personas", "found")
	instruments.AddLookUp(ctx, "personas", "none")
	instruments.AddLookUp(ctx, "personas", "none")
	instruments.AddPoll(ctx, "meetings", "changed")
	instruments.AddRefusal(ctx, "mave", "CIRCUIT_OPEN")
	instruments.AddPanic(ctx)

	state := resilience.Snapshot{
		Window: resilience.WindowUsage{Limit: 120, Places: 60, Own: 7, Foreign: 3, ForeignTotal: 11, Ignored: 2},
		Queued: resilience.Waiting{resilience.Interactive: 4, resilience.Batch: 5}, RetryBudget: 9,
		Breakers: map[string]resilience.State{"chat": resilience.Closed, "mave": resilience.HalfOpen, "news": resilience.Open},
		Slots:    map[string]resilience.SlotUsage{"mave": {Slots: 10, Taken: 8, Jobs: 6, Waiting: 1}},
		Watches:  map[string]int{"meetings": 50}, WatchedJobs: map[string]int{"meetings": 2},
	}
	if err := ObserveState(telemetry.MeterProvider, func() resilience.Snapshot { return state }); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`mavera_gateway_breaker_state{family="chat"} 0`,
		`mavera_gateway_breaker_state{family="mave"} 1`,
		`mavera_gateway_breaker_state{family="news"} 2`,
		`mavera_gateway_breaker_transitions_total{family="mave",from="half-open",to="closed"} 1`,
		`mavera_gateway_create_lookups_total{family="personas",result="found"} 1`,
		`mavera_gateway_create_lookups_total{family="personas",result="none"} 2`,
		`mavera_gateway_panics_total 1`,
		`mavera_gateway_queue_length{class="batch"} 5`,
		`mavera_gateway_queue_length{class="interactive"} 4`,
		`mavera_gateway_queue_length{class="poll"} 0`,
		`mavera_gateway_refusals_total{family="mave",reason="CIRCUIT_OPEN"} 1`,
		`mavera_gateway_retries_total{family="personas",reason="http_503"} 1`,
		`mavera_gateway_retry_budget 9`,
		`mavera_gateway_retry_budget_refusals_total{family="mave"} 1`,
		`mavera_gateway_slots{family="mave"} 10`,
		`mavera_gateway_slots_in_use{family="mave"} 8`,
		`mavera_gateway_slots_waiting{family="mave"} 1`,
		`mavera_gateway_upstream_attempts_total{family="personas",outcome="http_503"} 2`,
		`mavera_gateway_upstream_attempts_total{family="personas",outcome="ok"} 1`,
		`mavera_gateway_watch_polls_total{family="meetings",result="changed"} 1`,
		`mavera_gateway_watched_jobs{family="meetings"} 2`,
		`mavera_gateway_watches{family="meetings"} 50`,
		`mavera_gateway_window_foreign 3`,
		`mavera_gateway_window_foreign_requests_total 11`,
		`mavera_gateway_window_ignored_headers_total 2`,
		`mavera_gateway_window_limit 120`,
		`mavera_gateway_window_places 60`,
		`mavera_gateway_window_used 7`,
	}
	if got := scrape(t, telemetry, "mavera_"); !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}

	state.Breakers["news"], state.Window.Own = resilience.Closed, 0 // it is read anew for each page
	for prefix, want := range map[string]string{
		`mavera_gateway_breaker_state{family="news"}`: `mavera_gateway_breaker_state{family="news"} 0`,
		`mavera_gateway_window_used`:                  `mavera_gateway_window_used 0`,
	} {
		if got := scrape(t, telemetry, prefix); !slices.Equal(got, []string{want}) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestWaitIsInSeconds looks at both ends of the buckets.
func TestWaitIsInSeconds(t *testing.T) {
	telemetry := mustStart(t, nil)
	defer shutDown(t, telemetry)
	instruments, err := NewInstruments(telemetry.MeterProvider)
	if err != nil {
		t.Fatal(err)
	}
	for _, waited := range []time.Duration{0, 250 * time.Millisecond, 29 * time.Second} {
		instruments.RecordWait(t.Context(), "mave", "batch", waited)
	}
	for line, prefix := range map[string]string{
		`mavera_gateway_wait_seconds_bucket{class="batch",family="mave",le="0.001"} 1`: `mavera_gateway_wait_seconds_bucket{class="batch",family="mave",le="0.001"}`,
		`mavera_gateway_wait_seconds_bucket{class="batch",family="mave",le="0.25"} 2`:  `mavera_gateway_wait_seconds_bucket{class="batch",family="mave",le="0.25"}`,
		`mavera_gateway_wait_seconds_bucket{class="batch",family="mave",le="30"} 3`:    `mavera_gateway_wait_seconds_bucket{class="batch",family="mave",le="30"}`,
		`mavera_gateway_wait_seconds_sum{class="batch",family="mave"} 29.25`:           `mavera_gateway_wait_seconds_sum`,
	} {
		if got := scrape(t, telemetry, prefix); !slices.Equal(got, []string{line}) {
			t.Errorf("got %q, want %q", got, line)
		}
	}
}
