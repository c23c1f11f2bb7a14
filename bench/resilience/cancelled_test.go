package resilience_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// measureCancelled cancels 10,000 calls at random times: in the queues for a slot and
// for the window, on their way, between attempts.
func measureCancelled(t *testing.T, table *table) {
	t.Helper()
	const calls = 10_000
	current := goleak.IgnoreCurrent()
	synctest.Test(t, func(t *testing.T) {
		up := &upstream{limit: 600, cap: 10, hold: 500 * time.Millisecond}
		l := newLoad(up, func(p *resilience.Policy) { p.Caps.Slots = 10 })
		l.fail = 0.05
		before := goroutines()
		half := caller{perMinute: calls / 10, calls: calls / 2, until: forever, deadline: time.Minute, leaves: 20 * time.Second}
		people, nightly := half, half
		people.name, nightly.name, nightly.class = "people", "nightly", resilience.Batch
		l.run(people, nightly)
		synctest.Wait()
		left := goroutines() - before

		tally := l.tally(0)
		conditions := fmt.Sprintf("%d calls in 5 min, each cancelled within 20 s; limit 600, 10 slots, 5 %% 503", tally.calls)
		table.atMost("goroutines left", conditions, float64(left), 0, "", "")
		places := l.chain.Limiter.Queued()
		waiting := places[resilience.Interactive] + places[resilience.Batch] + l.chain.Slots.Usage().Waiting
		table.atMost("slots and places in queues left", conditions, float64(waiting+l.chain.Slots.Usage().Taken), 0, "", "")
		table.atMost("429s", conditions, float64(up.count(429, l.begin, l.begin.Add(forever))), 0, "", "")
		table.info("goodput", conditions, fmt.Sprintf("%d ok", tally.ok),
			fmt.Sprintf("%d refused, %d cancelled, %d failed; %d attempts", tally.refused, tally.left, tally.failed, tally.attempts))

		l.done = nil
		time.Sleep(2 * time.Minute)
		l.run(caller{name: "people", perMinute: 300, calls: 100, until: forever, deadline: 30 * time.Second})
		table.atLeast("goodput afterwards", "100 calls 2 min later", float64(l.tally(0).ok), 95, "", "")
	})
	if err := goleak.Find(current); err != nil {
		t.Error(err)
	}
}

// goroutines counts those that there are. runtime.NumGoroutine may count some that have
// just ended.
func goroutines() int {
	stacks := make([]byte, 1<<20)
	return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("\n\ngoroutine ")) + 1
}
