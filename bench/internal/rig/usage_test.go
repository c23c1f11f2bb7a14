package rig

import (
	"os"
	"runtime"
	"testing"
)

func TestTicks(t *testing.T) {
	const stat = "4321 (odd) name (x) S 1 4321 4321 0 -1 4194560 100 0 0 0 77 23 5 6 20 0 9 0 100 1000 200"
	user, system, err := ticks(stat)
	if err != nil || user != 77 || system != 23 {
		t.Errorf("ticks = %d, %d, %v, want 77, 23", user, system, err)
	}
	if _, _, err := ticks("4321 (short) S 1"); err == nil {
		t.Error("a short line is read without an error")
	}
}

func TestOwnUsage(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the figures come from /proc, which only Linux has")
	}
	before, err := UsageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	work := 0
	for i := range 50_000_000 {
		work += i % 7
	}
	after, err := UsageOf(os.Getpid())
	if err != nil || after.CPU <= before.CPU {
		t.Errorf("CPU time went from %v to %v (%d), %v", before.CPU, after.CPU, work, err)
	}
	now, peak, err := Memory(os.Getpid())
	if err != nil || now <= 0 || peak < now/2 {
		t.Errorf("memory = %d, %d, %v", now, peak, err)
	}
}
