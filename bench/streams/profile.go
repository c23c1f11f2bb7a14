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

// profile puts the gateway under load and fetches profiles from its admin port:
// events.cpu.pprof while streams carry events, first.cpu.pprof while single streams
// are opened one after the other; allocs.pprof of everything since the start;
// idle.heap.pprof with idle streams open, and cancel.cpu.pprof of the time in which
// they are cancelled.
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
	seconds := int(max(b.profileTime, time.Second).Seconds())
	loads := map[string]func(context.Context) error{
		"events": func(ctx context.Context) error {
			_, err := gateway.callers.burst(ctx, b.streams, b.events)
			return err
		},
		"first": func(ctx context.Context) error {
			_, err := gateway.first(ctx)
			return err
		},
	}
	for name, load := range loads {
		err := under(ctx, load, func() error {
			return rig.Fetch(ctx, fmt.Sprintf("%sprofile?seconds=%d", pages, seconds), filepath.Join(b.profiles, name+".cpu.pprof"))
		})
		if err != nil {
			return err
		}
	}
	err = rig.Fetch(ctx, pages+"allocs", filepath.Join(b.profiles, "allocs.pprof"))
	return errors.Join(err, b.profileIdle(ctx, gateway, pages))
}

// under does something while a load is repeated.
func under(ctx context.Context, load func(context.Context) error, do func() error) error {
	ctx, unload := context.WithCancel(ctx)
	failed := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			err = load(ctx)
		}
		failed <- err
	}()
	err := do()
	unload()
	if lost := <-failed; status.Code(lost) != codes.Canceled {
		err = errors.Join(err, lost)
	}
	return err
}

func (b *bench) profileIdle(ctx context.Context, gateway *system, pages string) error {
	held, leave := context.WithCancel(ctx)
	defer leave()
	if err := gateway.callers.hold(held, b.idle); err != nil {
		return err
	}
	if err := rig.Fetch(ctx, pages+"heap?gc=1", filepath.Join(b.profiles, "idle.heap.pprof")); err != nil {
		return err
	}
	fetched := make(chan error, 1)
	go func() {
		fetched <- rig.Fetch(ctx, pages+"profile?seconds=4", filepath.Join(b.profiles, "cancel.cpu.pprof"))
	}()
	time.Sleep(time.Second) // the profile has begun
	leave()
	return <-fetched
}
