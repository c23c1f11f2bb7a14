package main

import (
	"context"
	"runtime"
	"testing"
	"time"
)

// The wait is real time, and never too short. How exact it is depends on the machine.
func TestPunctually(t *testing.T) {
	threads := runtime.GOMAXPROCS(0)
	punctually(func(wait wait) {
		for _, d := range []time.Duration{-time.Second, 0, time.Microsecond, 300 * time.Microsecond, 2 * time.Millisecond} {
			begin := time.Now()
			if !wait(t.Context(), d) {
				t.Errorf("a wait of %v was given up", d)
			}
			if took := time.Since(begin); took < d {
				t.Errorf("a wait of %v took %v", d, took)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if wait(ctx, 0) {
			t.Error("a wait went on after the end of its context")
		}
	})
	if got := runtime.GOMAXPROCS(0); got != threads {
		t.Errorf("GOMAXPROCS is %d afterwards, was %d", got, threads)
	}
}
