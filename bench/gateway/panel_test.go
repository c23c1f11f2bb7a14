package main

import (
	"math"
	"slices"
	"testing"
)

func TestScale(t *testing.T) {
	of := func(logarithmic bool, values ...float64) panel {
		p := panel{logarithmic: logarithmic}
		for _, v := range values {
			p.add(group{bars: []bar{{value: v}}})
		}
		return p
	}
	for _, tc := range []struct {
		name  string
		panel panel
		ticks []float64
		value float64
		at    float64 // where the value is
	}{
		{"decades", of(true, 20, 2446), []float64{10, 100, 1000, 10000}, 100, 1.0 / 3},
		{"one decade", of(true, 10, 10), []float64{10, 100}, 10, 0},
		{"below one", of(true, 0.5, 0.8), []float64{0.1, 1}, 1, 1},
		{"ratios", of(false, 1.2, 1.6), []float64{0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75}, 1.4, 0.8},
		{"a few", of(false, 3), []float64{0, 0.5, 1, 1.5, 2, 2.5, 3}, 1.5, 0.5},
		{"events", of(false, 2, 9.6), []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 5, 0.5},
	} {
		at, ticks := tc.panel.scale()
		if !slices.EqualFunc(ticks, tc.ticks, near) || !near(at(tc.value), tc.at) {
			t.Errorf("%s: ticks %v, %g at %g, want %v and %g", tc.name, ticks, tc.value, at(tc.value), tc.ticks, tc.at)
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

// Groups without bars take no room: a row that was not measured is not drawn.
func TestEmptyGroup(t *testing.T) {
	var p panel
	p.add(group{name: "absent"})
	if len(p.groups) != 0 {
		t.Errorf("groups are %v, want none", p.groups)
	}
}
