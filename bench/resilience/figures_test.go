// Package resilience_test measures what the package resilience promises, and prints it as
// one table:
//
//	make bench-resilience
//
// Every figure but the cost is measured in virtual time (testing/synctest) with a fixed
// seed, so that it is a property of the code and not of the machine, and the test fails
// when a target is missed. Callers call resilience.Do, with the chain wired as the server
// wires it for one key and one family and with default policies where nothing else is
// said; behind it is a model of Mavera in memory, with a true sliding window, a cap and
// faults by script. There is no gRPC and no HTTP in between: those are the business of
// bench/gateway and of the end-to-end tests.
package resilience_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

const forever = 24 * time.Hour

func TestFigures(t *testing.T) {
	table := &table{}
	fmt.Fprint(t.Output(), "go test -count=1 -run '^TestFigures$' -v ./bench/resilience\n\n",
		"Virtual time, fixed seed. One key, one family; an attempt takes 0.01-0.1 s there and 0.1-0.3 s back.\n",
		"Default policies: 4 attempts, backoff 0.5-30 s, breaker 5 failures and 30 s-5 min, budget 20 % and 10, start limit 60.\n\n")
	measureWindow(t, table)
	measureQueue(t, table)
	measureAmplification(t, table)
	measureRecovery(t, table)
	measureCancelled(t, table)
	if !testing.Short() {
		measureCost(table)
	}
	table.print(t)
}

// measureWindow offers three times the limit for three windows. The cold start is over
// with the first answer; with a window that was half full at the start, with the first
// window.
func measureWindow(t *testing.T, table *table) {
	t.Helper()
	for _, limit := range []int{60, 240, 600} {
		for _, empties := range []bool{false, true} {
			for _, before := range []int{0, limit / 2} {
				if before > 0 && limit != 240 {
					continue // one size is enough to show it
				}
				synctest.Test(t, func(t *testing.T) {
					up := &upstream{limit: limit, empties: empties}
					for i := range before { // by the process that ran before this one
						up.times = append(up.times, time.Now().Add(-time.Minute+time.Minute*time.Duration(i)/time.Duration(before)))
					}
					l := newLoad(up, nil)
					const span = 3 * time.Minute
					l.run(
						caller{name: "a", class: resilience.Interactive, perMinute: 1.5 * float64(limit), calls: 9 * limit, until: span, deadline: 30 * time.Second},
						caller{name: "b", class: resilience.Interactive, perMinute: 0.5 * float64(limit), calls: 9 * limit, until: span, deadline: 30 * time.Second},
						caller{name: "c", class: resilience.Batch, perMinute: float64(limit), calls: 9 * limit, until: span, deadline: 2 * time.Minute})
					cold := l.begin
					if before > 0 {
						cold = cold.Add(time.Minute)
					}
					conditions := fmt.Sprintf("3x limit %d for 3 windows, %s, %d requests there before", limit, reading(empties), before)
					early, late := up.count(429, l.begin, cold), up.count(429, cold, l.begin.Add(forever))
					table.atMost("429s after the cold start", conditions, float64(late), 0, "", fmt.Sprintf("%d during it", early))
					used := 100 * float64(up.count(200, l.begin, l.begin.Add(span))) / float64(3*limit)
					if before > 0 {
						table.info("window used", conditions, fmt.Sprintf("%.1f %%", used), "")
						return
					}
					table.atLeast("window used", conditions, used, 98, " %", "")
				})
			}
		}
	}
}

func reading(empties bool) string {
	if empties {
		return "Reset = window empty"
	}
	return "Reset = oldest leaves"
}

// measureQueue lets a batch burst of nine windows come at once and interactive calls, a
// third of the limit, beside it. A minute of interactive calls goes before, by which the
// limit is learnt: until then no more wait than the start limit allows.
func measureQueue(t *testing.T, table *table) {
	t.Helper()
	for _, limit := range []int{60, 600} {
		for _, class := range []resilience.Class{resilience.Batch, resilience.Interactive} {
			synctest.Test(t, func(t *testing.T) {
				l := newLoad(&upstream{limit: limit}, nil)
				l.run(
					caller{name: "people", class: resilience.Interactive, perMinute: float64(limit) / 3, calls: 10 * limit, until: 11 * time.Minute, deadline: time.Minute},
					caller{name: "nightly", class: class, calls: 9 * limit, from: time.Minute, until: forever, deadline: 20 * time.Minute})
				people, nightly := l.waits("people"), l.waits("nightly")
				conditions := fmt.Sprintf("limit %d: %d %v calls at once, beside %d interactive ones in 11 min", limit, len(nightly), class, len(people))
				mean, p50, p99 := mean(people).Seconds(), quantile(t, people, 0.5).Seconds(), quantile(t, people, 0.99).Seconds()
				if class == resilience.Interactive {
					table.info("interactive wait, burst not marked batch", conditions, fmt.Sprintf("p50 %.2f s, p99 %.2f s", p50, p99), fmt.Sprintf("mean %.2f s", mean))
					return
				}
				table.atMost("interactive wait: p50", conditions, p50, 0.1, " s", "")
				table.info("interactive wait: p99", conditions, number(p99)+" s", "")
				table.atMost("interactive wait: mean", conditions, mean, 1, " s", "")
				table.info("batch wait", conditions, fmt.Sprintf("p50 %.0f s, p99 %.0f s", quantile(t, nightly, 0.5).Seconds(), quantile(t, nightly, 0.99).Seconds()), "")
			})
		}
	}
}

// measureAmplification counts attempts per call while everything fails, and while some
// of it does. A minute in which all is well goes before and does not count.
func measureAmplification(t *testing.T, table *table) {
	t.Helper()
	noBreaker := func(p *resilience.Policy) { p.Breaker.Failures = 1 << 30 }
	for _, c := range []struct {
		name      string
		perMinute float64
		fail      float64 // 0 is an outage
		change    func(*resilience.Policy)
		target    float64 // 0 is none
	}{
		{name: "all 503", perMinute: 480, target: 1.2},
		{name: "all 503", perMinute: 6, target: 1.2},
		{name: "all 503, breaker off (budget alone)", perMinute: 480, change: noBreaker},
		{name: "5 % random 503", perMinute: 480, fail: 0.05, target: 1.1},
	} {
		synctest.Test(t, func(t *testing.T) {
			const well = time.Minute
			begin := time.Now()
			up := &upstream{limit: 600}
			if c.fail == 0 {
				up.outage = func(now time.Time) bool { return now.Sub(begin) >= well }
			}
			l := newLoad(up, c.change)
			l.fail = c.fail
			l.run(caller{name: "people", perMinute: c.perMinute, calls: math.MaxInt, until: well + 30*time.Minute, deadline: 30 * time.Second})
			tally := l.tally(well)
			conditions := fmt.Sprintf("%s for 30 min, %d calls, limit 600", c.name, tally.calls)
			perCall := float64(tally.attempts) / float64(tally.calls)
			note := fmt.Sprintf("%d attempts, %.2f for each of %d calls that were sent; %.2f %% ok",
				tally.attempts, float64(tally.attempts)/float64(tally.sent), tally.sent, 100*float64(tally.ok)/float64(tally.calls))
			if c.target == 0 {
				table.info("attempts per call", conditions, number(perCall), note)
				return
			}
			table.atMost("attempts per call", conditions, perCall, c.target, "", note)
		})
	}
}

// measureRecovery tells how long after an outage every call that comes succeeds again.
// Each run begins the outage at another time.
func measureRecovery(t *testing.T, table *table) {
	t.Helper()
	const runs = 10
	for _, length := range []time.Duration{15 * time.Second, time.Minute, 5 * time.Minute} {
		for _, highest := range []time.Duration{5 * time.Minute, 30 * time.Second} {
			var after []time.Duration
			for run := range runs {
				from := time.Minute + time.Duration(run)*700*time.Millisecond
				after = append(after, recovery(t, from, length, highest))
			}
			slices.Sort(after)
			conditions := fmt.Sprintf("503 for %v, 8 calls/s at limit 600, cooldowns to %v, %d runs", length, highest, runs)
			// Cooldowns double, so that the one that outlasts the outage is at most
			// 30 s longer than those before it together; and a second for the answers.
			target := min(length+30*time.Second, highest) + time.Second
			table.atMost("recovery to full goodput, worst run", conditions, after[runs-1].Seconds(), target.Seconds(), " s",
				fmt.Sprintf("median %.1f s", after[runs/2].Seconds()))
		}
	}
}

// recovery is the time from the end of an outage until the last call that came in vain.
func recovery(t *testing.T, from, length, highestCooldown time.Duration) (after time.Duration) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		begin := time.Now()
		up := &upstream{limit: 600, outage: func(now time.Time) bool {
			d := now.Sub(begin)
			return d >= from && d < from+length
		}}
		l := newLoad(up, func(p *resilience.Policy) { p.Breaker.MaxCooldown = highestCooldown })
		l.run(caller{name: "people", perMinute: 480, calls: math.MaxInt, until: from + 2*length + 2*time.Minute, deadline: 30 * time.Second})
		for _, r := range l.done {
			if r.err != nil {
				after = max(after, r.at-from-length)
			}
		}
	})
	return after
}
