package main

import (
	"fmt"
	"math"
)

// A verdict is a target and what became of it.
type verdict struct {
	what, measured string
	want           string
	goal           string // to go on to; empty where there is none
	met            bool
	unknown        bool // its rows were not measured
}

func (v verdict) verdict() string {
	switch {
	case v.unknown:
		return "not measured"
	case v.met:
		return "met"
	default:
		return "MISSED"
	}
}

// missed are the targets of a record that are not met. What was not measured is not
// among them: flags narrow a run.
func (r *record) missed() int {
	n := 0
	for _, v := range r.targets() {
		if !v.met && !v.unknown {
			n++
		}
	}
	return n
}

// targets judges a record by the targets of docs/performance.md.
func (r *record) targets() []verdict {
	var out []verdict
	most := func(what, unit string, limit, goal, got float64) {
		v := verdict{what: what, want: fmt.Sprintf("%g%s", limit, unit), met: got <= limit, unknown: math.IsNaN(got), measured: measuredAs(got) + unit}
		if goal > 0 {
			v.goal = fmt.Sprintf("%g%s", goal, unit)
		}
		if v.unknown {
			v.measured = ""
		}
		out = append(out, v)
	}
	for _, t := range []struct {
		size        string
		limit, goal float64
	}{{"1KB", 1.4, 1.25}, {"12.5KB", 2, 1.6}, {"100KB", 3.5, 2.5}} {
		most("CPU per call, gateway to floor, "+t.size, "", t.limit, t.goal, r.closed(gatewayName, floorName, t.size, cpuRatio))
	}
	for _, s := range sizes() {
		most("CPU per call, gateway to dynamicpb, "+s.name, "", 0.5, 0, r.closed(gatewayName, dynamicCommand, s.name, cpuRatio))
	}
	for _, s := range sizes() {
		most("CPU per call, gateway to Portkey (1/15), "+s.name, "", 0.067, 0, r.closed(gatewayName, portkeyName, s.name, cpuRatio))
	}
	most("CPU per call, metrics to none, 1KB", "", 1.05, 0, r.closed(gatewayName, noMetricsName, "1KB", cpuRatio))
	most("CPU per call, traced 10 % to untraced, 1KB", "", 1.1, 0, r.closed(tracedSomeName, gatewayName, "1KB", cpuRatio))
	most("CPU per call, metrics and traced 10 % to neither, 1KB", "", 1.15, 0, r.closed(tracedSomeName, noMetricsName, "1KB", cpuRatio))
	most("calls/s, floor to gateway (1/0.8), 1KB", "", 1.25, 0, r.closed(floorName, gatewayName, "1KB", rateRatio))
	for _, s := range sizes() {
		most("peak memory, gateway to floor, "+s.name, "", 1.2, 0, r.closed(gatewayName, floorName, s.name, func(n, other *line) float64 { return n.PeakMiB / other.PeakMiB }))
	}
	for _, rate := range rates() {
		most(fmt.Sprintf("added p50, gateway to floor, 1KB, %d/s", rate), "", 1.3, 0, r.addedRatio(rate))
	}
	most("CPU per event, gateway to floor", "", 1.5, 0, r.streams(gatewayName, floorName, cpuRatio))
	most("events/s, floor to gateway (1/0.85)", "", 1.18, 0, r.streams(floorName, gatewayName, rateRatio))
	most("growth: CPU ratio to the floor, largest to smallest, 8 to 2,000 callers", "", 1.3, 0, r.growth(func(n *line) bool { return n.Policies == 0 }))
	most("growth: CPU ratio to the floor, largest to smallest, 1 to 64 policies", "", 1.3, 0, r.growth(func(n *line) bool { return n.Policies > 0 }))
	most("CPU per KB of answer, gateway, 12.5KB to 1KB", "", 1, 0, r.perKB("12.5KB", "1KB"))
	most("CPU per KB of answer, gateway, 100KB to 12.5KB", "", 1, 0, r.perKB("100KB", "12.5KB"))
	most("start to SERVING", " ms", 150, 0, orNaN(r.Start.ServingMillis))
	most("binary", " MB", 35, 0, orNaN(r.Start.BinaryMB))
	return out
}

// measuredAs is a figure with two digits behind the point, or as many that count.
func measuredAs(got float64) string {
	if got < 0.1 {
		return fmt.Sprintf("%.2g", got)
	}
	return fmt.Sprintf("%.2f", got)
}

func cpuRatio(n, other *line) float64 { return ratio(n, other).median }

func rateRatio(n, other *line) float64 {
	return paired(n, other, func(a, b turn) float64 { return a.PerSecond / b.PerSecond }).median
}

func orNaN(f float64) float64 {
	if f == 0 {
		return math.NaN()
	}
	return f
}

// closed compares two rows in a closed loop at a size.
func (r *record) closed(row, other, size string, compare func(n, other *line) float64) float64 {
	return r.compare(closedPart, row, other, func(n *line) bool { return n.Size == size }, compare)
}

// streams compares two rows that stream.
func (r *record) streams(row, other string, compare func(n, other *line) float64) float64 {
	return r.compare(streamsPart, row, other, func(*line) bool { return true }, compare)
}

// compare compares the lines of two rows in a part that are wanted.
func (r *record) compare(part, row, other string, wanted func(*line) bool, compare func(n, other *line) float64) float64 {
	a, b := r.find(part, row, wanted), r.find(part, other, wanted)
	if a == nil || b == nil {
		return math.NaN()
	}
	return compare(a, b)
}

// addedRatio is what the gateway adds to the median wait at a rate, to what the floor adds.
func (r *record) addedRatio(rate int) float64 {
	at := func(n *line) bool { return n.Rate == rate && n.Size == "1KB" }
	gateway, floor, direct := r.find(ratesPart, gatewayName, at), r.find(ratesPart, floorName, at), r.find(ratesPart, directName, at)
	if gateway == nil || floor == nil || direct == nil {
		return math.NaN()
	}
	p50 := func(t turn) float64 { return t.P50 }
	least := added(floor, direct, p50).median
	if least <= 0 {
		return math.NaN() // the machine was too busy to tell
	}
	return added(gateway, direct, p50).median / least
}

// growth is how far apart the gateway's ratios to the floor are, over the lines of a series:
// 1.15 above and below the middle are 1.3 apart.
func (r *record) growth(inSeries func(*line) bool) float64 {
	low, high := math.Inf(1), math.Inf(-1)
	for i := range r.Lines {
		n := &r.Lines[i]
		if n.Part != growthPart || n.Row != gatewayName || !inSeries(n) {
			continue
		}
		if floor := r.beside(n, floorName); floor != nil && len(n.Turns) > 0 {
			got := cpuRatio(n, floor)
			low, high = min(low, got), max(high, got)
		}
	}
	if math.IsInf(low, 1) {
		return math.NaN()
	}
	return high / low
}

// perKB compares what a byte of the gateway's answers costs at two sizes.
func (r *record) perKB(large, small string) float64 {
	a := r.find(closedPart, gatewayName, func(n *line) bool { return n.Size == large })
	b := r.find(closedPart, gatewayName, func(n *line) bool { return n.Size == small })
	if a == nil || b == nil {
		return math.NaN()
	}
	return cpuRatio(a, b) * float64(b.Bytes) / float64(a.Bytes)
}
