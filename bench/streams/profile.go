package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

// profile has the gateway carry events and fetches profiles from its admin port:
// events.cpu.pprof and events.allocs.pprof, the latter of everything since the
// start; then idle.heap.pprof, with idle streams open.
func (b *bench) profile(ctx context.Context) (err error) {
	if err := os.MkdirAll(b.profiles, 0o750); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	_, systems, stop, err := b.start(ctx, b.connections, gatewayName)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	gateway := systems[0]
	pages := "http://" + gateway.process.Admin + "/debug/pprof/"

	loaded, unload := context.WithCancel(ctx)
	failed := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			_, err = gateway.callers.burst(loaded, b.streams, b.events)
		}
		failed <- err
	}()
	seconds := int(max(b.profileTime, time.Second).Seconds())
	err = errors.Join(
		rig.Fetch(ctx, fmt.Sprintf("%sprofile?seconds=%d", pages, seconds), filepath.Join(b.profiles, "events.cpu.pprof")),
		rig.Fetch(ctx, pages+"allocs", filepath.Join(b.profiles, "events.allocs.pprof")),
	)
	unload()
	if lost := <-failed; status.Code(lost) != codes.Canceled {
		err = errors.Join(err, lost)
	}
	if err != nil {
		return err
	}
	held, leave := context.WithCancel(ctx)
	defer leave()
	if err := gateway.callers.hold(held, b.idle); err != nil {
		return err
	}
	return rig.Fetch(ctx, pages+"heap?gc=1", filepath.Join(b.profiles, "idle.heap.pprof"))
}
