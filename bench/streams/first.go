package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/sse"
)

// Targets of the time that the gateway adds to the first event.
const (
	maxAddedMedian = 500 * time.Microsecond
	maxAddedTail   = 2 * time.Millisecond
)

// measureFirst waits for the first event of one stream at a time, in turns: read
// from the upstream directly, through the relay and through the gateway.
func (b *bench) measureFirst(ctx context.Context) (_ []figure, err error) {
	base, systems, stop, err := b.start(ctx, 1, relayCommand, gatewayName)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	transport := mavera.NewTransport(0, 0)
	defer transport.CloseIdleConnections()
	upstream := rig.ReplyClient{HTTP: &http.Client{Transport: transport}, Base: base, Key: "direct"}
	waits := []func() (time.Duration, error){
		func() (time.Duration, error) { return firstDirect(ctx, upstream) },
		func() (time.Duration, error) { return systems[0].first(ctx) },
		func() (time.Duration, error) { return systems[1].first(ctx) },
	}
	took := make([][]time.Duration, len(waits))
	const warm = 50
	for call := range warm + b.calls {
		for i, wait := range waits {
			t, err := wait()
			if err != nil {
				return nil, err
			}
			if call >= warm {
				took[i] = append(took[i], t)
			}
		}
	}
	return compareFirst(took[0], took[1], took[2]), nil
}

// firstDirect is how long the first event takes without anything in between.
func firstDirect(ctx context.Context, upstream rig.ReplyClient) (time.Duration, error) {
	begin := time.Now()
	body, err := upstream.Open(ctx, rig.Pause)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	events := sse.NewReader(body, sse.Limits{})
	if _, err = events.Next(); err != nil {
		return 0, fmt.Errorf("read stream: %w", err)
	}
	took := time.Since(begin)
	for err == nil { // to its end, so that the connection is used again
		_, err = events.Next()
	}
	if !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read stream: %w", err)
	}
	return took, nil
}

// first is how long the first event takes through the system.
func (y *system) first(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	stream, err := y.callers.openFirst(ctx, 0, rig.Pause)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", y.name, err)
	}
	took := time.Since(begin)
	_, err = rig.Count(stream)
	return took, err
}

// compareFirst makes figures of the times of the three ways.
func compareFirst(direct, relay, gateway []time.Duration) []figure {
	added := func(p int, limit time.Duration) []figure {
		none := percentile(direct, p)
		of := func(system string, times []time.Duration) figure {
			return figure{
				what:     fmt.Sprintf("added to the first event, p%d, %s", p, system),
				measured: fmt.Sprintf("%s (direct %s)", millis(percentile(times, p)-none), millis(none)),
			}
		}
		return []figure{
			of(relayCommand, relay),
			of(gatewayName, gateway).holds("≤ "+millis(limit), percentile(gateway, p)-none <= limit),
		}
	}
	return append(added(50, maxAddedMedian), added(99, maxAddedTail)...)
}

// percentile is the value that p percent of the values are at or below.
func percentile(values []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max((len(sorted)*p+99)/100-1, 0)]
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1e3) }
