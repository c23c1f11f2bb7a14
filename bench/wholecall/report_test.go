package main

import (
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

// A round in which the machine is twice as slow leaves the ratio as it is.
func TestRatioIsPerRound(t *testing.T) {
	turns := func(cpu ...time.Duration) []turn {
		return rig.Each(cpu, func(d time.Duration) turn { return turn{cpu: d} })
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
