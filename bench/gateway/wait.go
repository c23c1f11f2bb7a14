package main

import (
	"context"
	"time"
)

// A wait returns after d, or sooner when ctx ends, and says whether it was d.
type wait func(ctx context.Context, d time.Duration) bool

// sleep waits by Go's timers. They are up to a millisecond late in a process that has
// nothing else to do, because epoll counts in milliseconds.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
