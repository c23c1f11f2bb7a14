package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

// Targets of streams that wait.
const (
	maxMemory  = 1.35            // resident memory against the relay's
	maxFreeing = 2 * time.Second // from the cancel until everything is free
)

const (
	// idleConnections carry the idle streams to a system.
	idleConnections = 10
	// idleFor is how long they are left alone before memory is read.
	idleFor = 3 * time.Second
	// lookEvery is the pause between two looks at what is left after the cancel.
	lookEvery = 20 * time.Millisecond
	// spare is how many more goroutines than before are not counted: those of the
	// page that counts them, and of a collection.
	spare = 10
)

// A holding is what a system took to hold streams open, and to let them go.
type holding struct {
	before, with int64         // resident memory in bytes
	freed        time.Duration // from the cancel until everything is free
	freeing      time.Duration // CPU time of that
	left         holds         // at the end, over what was there before
}

// holds is what streams must give back.
type holds struct{ goroutines, files int }

// measureIdle holds streams open at the relay, then at the gateway, and cancels
// them all at once.
func (b *bench) measureIdle(ctx context.Context) ([]figure, error) {
	relay, err := b.hold(ctx, relayCommand)
	if err != nil {
		return nil, err
	}
	gateway, err := b.hold(ctx, gatewayName)
	if err != nil {
		return nil, err
	}
	return compareHoldings(b.idle, relay, gateway), nil
}

func (b *bench) hold(ctx context.Context, name string) (_ holding, err error) {
	_, systems, stop, err := b.start(ctx, idleConnections, name)
	if err != nil {
		return holding{}, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	s := systems[0]
	// What is made once and kept, such as connections of callers, is there before.
	if _, err := s.callers.burst(ctx, 2*idleConnections, 10); err != nil {
		return holding{}, err
	}
	time.Sleep(settle)
	var h holding
	if h.before, _, err = rig.Memory(s.process.PID()); err != nil {
		return h, err
	}
	start, err := s.holds(ctx, math.MaxInt)
	if err != nil {
		return h, err
	}
	held, leave := context.WithCancel(ctx)
	defer leave()
	if err := s.callers.hold(held, b.idle); err != nil {
		return h, err
	}
	time.Sleep(idleFor)
	if h.with, _, err = rig.Memory(s.process.PID()); err != nil {
		return h, err
	}
	before, err := rig.UsageOf(s.process.PID())
	if err != nil {
		return h, err
	}
	begin := time.Now()
	leave()
	if h.freed, h.left, err = s.untilFree(ctx, begin, start); err != nil {
		return h, err
	}
	after, err := rig.UsageOf(s.process.PID())
	h.freeing = after.CPU - before.CPU
	return h, err
}

// untilFree waits until the system holds no more than at the start, or for some
// time over the target.
func (y *system) untilFree(ctx context.Context, begin time.Time, start holds) (took time.Duration, left holds, err error) {
	for {
		now, err := y.holds(ctx, start.files)
		if err != nil {
			return 0, holds{}, err
		}
		took = time.Since(begin)
		left = holds{goroutines: max(now.goroutines-start.goroutines, 0), files: max(now.files-start.files, 0)}
		if left.goroutines <= spare && left.files == 0 || took > 3*maxFreeing {
			return took, left, nil
		}
		time.Sleep(lookEvery)
	}
}

// holds counts what the system holds right now. Its goroutines are counted by its
// admin port, if it has one, and once its files are down to so many: to count many
// takes it a good while.
func (y *system) holds(ctx context.Context, files int) (holds, error) {
	var h holds
	var err error
	if h.files, err = rig.Files(y.process.PID()); err != nil || y.process.Admin == "" {
		return h, err
	}
	if h.files > files {
		h.goroutines = math.MaxInt
		return h, nil
	}
	h.goroutines, err = goroutines(ctx, y.process.Admin)
	return h, err
}

// goroutines asks the admin port of a gateway how many there are.
func goroutines(ctx context.Context, admin string) (int, error) {
	page, err := rig.Page(ctx, "http://"+admin+"/debug/pprof/goroutine?debug=1")
	if err != nil {
		return 0, err
	}
	defer page.Close()
	line, err := bufio.NewReader(page).ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("count goroutines: %w", err)
	}
	var n int
	if _, err := fmt.Sscanf(line, "goroutine profile: total %d", &n); err != nil {
		return 0, fmt.Errorf("count goroutines: %q: %w", line, err)
	}
	return n, nil
}

// compareHoldings makes figures of what relay and gateway held.
func compareHoldings(streams int, relay, gateway holding) []figure {
	memory := func(system string, h holding) figure {
		return figure{
			what: fmt.Sprintf("resident memory, %d idle streams, %s", streams, system),
			measured: fmt.Sprintf("%.0f MiB (%.2f × the relay, %.1f KiB a stream)",
				rig.Mebibytes(h.with), float64(h.with)/float64(relay.with), float64(h.with-h.before)/float64(streams)/1024),
		}
	}
	freed := func(system string, h holding) figure {
		return figure{
			what: fmt.Sprintf("all %d cancelled, everything freed, %s", streams, system),
			measured: fmt.Sprintf("%.2f s (%.2f s of CPU; left over: %d goroutines, %d connections)",
				h.freed.Seconds(), h.freeing.Seconds(), h.left.goroutines, h.left.files),
		}
	}
	return []figure{
		memory(relayCommand, relay),
		memory(gatewayName, gateway).holds(fmt.Sprintf("≤ %.2f ×", maxMemory), float64(gateway.with) <= maxMemory*float64(relay.with)),
		freed(relayCommand, relay),
		freed(gatewayName, gateway).holds(fmt.Sprintf("≤ %.0f s", maxFreeing.Seconds()), gateway.freed <= maxFreeing),
	}
}
