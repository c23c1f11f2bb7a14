package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

// callers open streams at a system.
type callers struct {
	conns rig.Conns
}

func newCallers(address string, connections int) (*callers, error) {
	conns, err := rig.DialAll(address, connections)
	return &callers{conns}, err //nolint:wrapcheck // it says what failed
}

func (c *callers) close() error {
	return c.conns.Close() //nolint:wrapcheck // the same
}

// open opens a stream for an input. Caller number i uses connection i, over again.
func (c *callers) open(ctx context.Context, i int, input string) (grpc.ClientStream, error) {
	return rig.OpenStream(ctx, c.conns.Of(i), input) //nolint:wrapcheck // it says what failed
}

// openFirst opens a stream and waits for its first message.
func (c *callers) openFirst(ctx context.Context, i int, input string) (grpc.ClientStream, error) {
	stream, err := c.open(ctx, i, input)
	if err != nil {
		return nil, err
	}
	switch more, err := rig.Next(stream); {
	case err != nil:
		return nil, err
	case !more:
		return nil, errors.New("a stream ended without a message")
	}
	return stream, nil
}

// burst has so many streams carry so many events each, all at a time, and returns
// how long they took together.
func (c *callers) burst(ctx context.Context, streams, events int) (time.Duration, error) {
	begin := time.Now()
	err := each(streams, streams, func(i int) error {
		stream, err := c.open(ctx, i, rig.Burst(events))
		if err != nil {
			return err
		}
		got, err := rig.Count(stream)
		if err == nil && got < events {
			err = fmt.Errorf("%d messages for %d events", got, events)
		}
		return err
	})
	return time.Since(begin), err
}

// hold opens so many streams that wait after their first event, until ctx ends.
func (c *callers) hold(ctx context.Context, streams int) error {
	const atATime = 64
	return each(streams, atATime, func(i int) error {
		_, err := c.openFirst(ctx, i, rig.Hold)
		return err
	})
}

// each runs calls 0 to n-1, so many at a time, until one fails.
func each(n, atATime int, call func(i int) error) error {
	var next atomic.Int64
	failed := make(chan error, atATime)
	var running sync.WaitGroup
	for range atATime {
		running.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := call(int(i)); err != nil {
					next.Store(int64(n))
					failed <- err
					return
				}
			}
		})
	}
	running.Wait()
	close(failed)
	return <-failed // nil when there is none
}
