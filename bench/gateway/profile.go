package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

// profile puts the gateway under load, size by size, and fetches profiles from
// its admin port: <size>.cpu.pprof and <size>.allocs.pprof, the latter of
// everything since the start.
func profile(ctx context.Context, o options) (err error) {
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := os.MkdirAll(b.profiles, 0o750); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	gateway, err := startGateway("")(ctx, b)
	if err != nil {
		return err
	}
	b.systems = append(b.systems, gateway)
	for _, s := range b.sizes {
		if err := b.profileSize(ctx, gateway, s); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) profileSize(ctx context.Context, gateway *system, s size) error {
	loaded, unload := context.WithCancel(ctx)
	defer unload()
	failed := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			_, err = load{size: s, callers: b.callers, turn: time.Second}.run(loaded, gateway.callers)
		}
		failed <- err
	}()
	seconds := int(max(b.profileTime, time.Second).Seconds())
	pages := "http://" + gateway.process.Admin + "/debug/pprof/"
	err := errors.Join(
		rig.Fetch(ctx, fmt.Sprintf("%sprofile?seconds=%d", pages, seconds), filepath.Join(b.profiles, s.name+".cpu.pprof")),
		rig.Fetch(ctx, pages+"allocs", filepath.Join(b.profiles, s.name+".allocs.pprof")),
	)
	stopped := loaded.Err() != nil
	unload()
	if lost := <-failed; !stopped && !errors.Is(lost, context.Canceled) {
		err = errors.Join(err, lost)
	}
	return err
}
