package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// profile puts the gateway under load, size by size, and fetches profiles from
// its admin port: <size>.cpu.pprof and <size>.allocs.pprof, the latter of
// everything since the start.
func (b *bench) profile(ctx context.Context) error {
	if err := os.MkdirAll(b.profiles, 0o750); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := b.startSystem(ctx, gatewayName); err != nil {
		return err
	}
	for _, s := range b.sizes {
		if err := b.profileSize(ctx, b.systems[0], s); err != nil {
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
			_, err = gateway.callers.run(loaded, s, s.calls)
		}
		failed <- err
	}()
	seconds := int(max(b.profileTime, time.Second).Seconds())
	pages := "http://" + gateway.admin + "/debug/pprof/"
	err := errors.Join(
		fetch(ctx, fmt.Sprintf("%sprofile?seconds=%d", pages, seconds), filepath.Join(b.profiles, s.name+".cpu.pprof")),
		fetch(ctx, pages+"allocs", filepath.Join(b.profiles, s.name+".allocs.pprof")),
	)
	stopped := loaded.Err() != nil
	unload()
	if lost := <-failed; !stopped && !errors.Is(lost, context.Canceled) {
		err = errors.Join(err, lost)
	}
	return err
}

// fetch writes what a page holds into a file.
func fetch(ctx context.Context, page, name string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, http.NoBody)
	if err != nil {
		return fmt.Errorf("fetch profile: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("fetch profile: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("fetch profile: %s", response.Status)
	}
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	if _, err := io.Copy(file, response.Body); err != nil {
		return errors.Join(fmt.Errorf("write profile: %w", err), file.Close())
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	return nil
}
