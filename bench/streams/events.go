package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

// Targets of the gateway against the relay.
const (
	minRate = 0.85 // events per second
	maxCPU  = 1.5  // CPU time per event
)

// A turn is what a system took for a number of events.
type turn struct {
	cpu  time.Duration // per event, of the system's process
	rate float64       // events per second
}

// measureEvents lets the systems take turns at streams that are as fast as they
// can be.
func (b *bench) measureEvents(ctx context.Context) (_ []figure, err error) {
	_, systems, stop, err := b.start(ctx, b.connections, relayCommand, protojsonCommand, gatewayName)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	turns := make([][]turn, len(systems))
	for round := range b.rounds + 1 {
		for k := range systems {
			i := (round + k) % len(systems) // nobody always follows the same
			t, err := systems[i].turn(ctx, b.streams, b.events)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", systems[i].name, err)
			}
			if round > 0 { // the first one warms up
				turns[i] = append(turns[i], t)
			}
		}
	}
	return compareTurns(turns[0], turns[1], turns[2]), nil
}

// turn measures one turn of a system.
func (y *system) turn(ctx context.Context, streams, events int) (turn, error) {
	time.Sleep(settle)
	before, err := rig.UsageOf(y.process.PID())
	if err != nil {
		return turn{}, err
	}
	took, err := y.callers.burst(ctx, streams, events)
	if err != nil {
		return turn{}, err
	}
	time.Sleep(settle)
	after, err := rig.UsageOf(y.process.PID())
	if err != nil {
		return turn{}, err
	}
	all := streams * events
	return turn{cpu: (after.CPU - before.CPU) / time.Duration(all), rate: float64(all) / took.Seconds()}, nil
}

// compareTurns makes figures of the turns of relay, protojson and gateway.
func compareTurns(relay, protojson, gateway []turn) []figure {
	rateOf := func(t turn) float64 { return t.rate }
	cpuOf := func(t turn) float64 { return float64(t.cpu.Nanoseconds()) / 1e3 }
	rate := func(system string, turns []turn) figure {
		return figure{
			what:     "events per second, " + system,
			measured: fmt.Sprintf("%.0f (%.0f %% of the relay)", rig.Median(rig.Each(turns, rateOf)), 100*ratio(turns, relay, rateOf)),
		}
	}
	cpu := func(system string, turns []turn) figure {
		return figure{
			what:     "CPU per event, " + system,
			measured: fmt.Sprintf("%.2f µs (%.2f × the relay)", rig.Median(rig.Each(turns, cpuOf)), ratio(turns, relay, cpuOf)),
		}
	}
	return []figure{
		rate(relayCommand, relay), rate(protojsonCommand, protojson),
		rate(gatewayName, gateway).holds(fmt.Sprintf("≥ %.0f %%", 100*minRate), ratio(gateway, relay, rateOf) >= minRate),
		cpu(relayCommand, relay), cpu(protojsonCommand, protojson),
		cpu(gatewayName, gateway).holds(fmt.Sprintf("≤ %.1f ×", maxCPU), ratio(gateway, relay, cpuOf) <= maxCPU),
	}
}

// ratio is the median of the ratios of each round: what slows a whole round down
// is in both.
func ratio(of, to []turn, value func(turn) float64) float64 {
	ratios := make([]float64, len(of))
	for i := range of {
		ratios[i] = value(of[i]) / value(to[i])
	}
	return rig.Median(ratios)
}
