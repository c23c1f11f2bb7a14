package main

import (
	"context"
	"errors"
	"runtime"
	"syscall"
	"time"
)

// punctually runs f with a wait that is exact to some 50 µs: calls that are due every
// third of a millisecond would begin three at a time by Go's timers, and wait for one
// another. The wait holds a thread, and one of those that run goroutines, so there is one
// more meanwhile. It ends at its time, whatever becomes of the context.
func punctually(f func(wait)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	threads := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(threads + 1)
	defer runtime.GOMAXPROCS(threads)
	f(func(ctx context.Context, d time.Duration) bool {
		left := syscall.NsecToTimespec(int64(max(d, 0)))
		for errors.Is(syscall.Nanosleep(&left, &left), syscall.EINTR) {
		}
		return ctx.Err() == nil
	})
}
