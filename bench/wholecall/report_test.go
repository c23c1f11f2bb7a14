package main

import (
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   []int
		want int
	}{
		{"one", []int{7}, 7},
		{"odd", []int{9, 1, 5}, 5},
		{"even: the lower", []int{4, 1, 3, 2}, 2},
		{"an outlier does not count", []int{10, 11, 9000}, 11},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := median(tc.in); got != tc.want {
				t.Errorf("median(%v) = %d, want %d", tc.in, got, tc.want)
			}
		})
	}
}

// A round in which the machine is twice as slow leaves the ratio as it is.
func TestRatioIsPerRound(t *testing.T) {
	turns := func(cpu ...time.Duration) []turn {
		return each(cpu, func(d time.Duration) turn { return turn{cpu: d} })
	}
	r := result{turns: turns(150, 300, 151), floor: turns(100, 200, 100)}
	if got := r.ratio(); got != 1.5 {
		t.Errorf("ratio = %v, want 1.5", got)
	}
	if got := r.cpu(); got != 151 {
		t.Errorf("cpu = %v, want 151ns", got)
	}
}

func TestUserShare(t *testing.T) {
	r := result{turns: []turn{{user: 30, system: 10}, {user: 30, system: 10}}}
	if got := r.userShare(); got != 0.75 {
		t.Errorf("user share = %v, want 0.75", got)
	}
}
