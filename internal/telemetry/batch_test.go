package telemetry

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestBatch: who collects sees all that was recorded before, and no more than a batch waits
// for that.
func TestBatch(t *testing.T) {
	telemetry := mustStart(t, nil)
	defer shutDown(t, telemetry)
	i, err := NewInstruments(telemetry.MeterProvider)
	if err != nil {
		t.Fatal(err)
	}
	recorded := 0
	for _, more := range []int{1, maxWaiting - 1, maxWaiting, 3*maxWaiting + 1} {
		for range more {
			i.AddAttempts(t.Context(), "personas", "200", 2)
			if len(i.batch.waiting) >= maxWaiting {
				t.Fatalf("%d measurements wait", len(i.batch.waiting))
			}
		}
		recorded += 2 * more
		want := []string{fmt.Sprintf(`mavera_gateway_upstream_attempts_total{family="personas",outcome="200"} %d`, recorded)}
		if got := scrape(t, telemetry, "mavera_gateway_upstream_attempts_total"); !slices.Equal(got, want) {
			t.Errorf("after %d more: %q, want %q", more, got, want)
		}
	}
}

// TestBatchAtOnce records from many sides while others collect: nothing is lost or counted
// twice.
func TestBatchAtOnce(t *testing.T) {
	telemetry := mustStart(t, nil)
	defer shutDown(t, telemetry)
	i, err := NewInstruments(telemetry.MeterProvider)
	if err != nil {
		t.Fatal(err)
	}
	const each, sides = 1000, 4
	var all sync.WaitGroup
	for side := range sides {
		all.Go(func() {
			for range each {
				i.RecordWait(t.Context(), "personas", fmt.Sprint("class ", side), time.Second)
			}
		})
	}
	all.Go(func() {
		for range 50 {
			scrape(t, telemetry, "mavera_gateway_wait_seconds_count")
		}
	})
	all.Wait()
	var want []string
	for side := range sides {
		want = append(want, fmt.Sprintf(`mavera_gateway_wait_seconds_count{class="class %d",family="personas"} %d`, side, each))
	}
	if got := scrape(t, telemetry, "mavera_gateway_wait_seconds_count"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
