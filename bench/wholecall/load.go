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
	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// callers are a closed loop: each makes its next call when it has the answer to
// the one before.
type callers struct {
	conns   []*grpc.ClientConn
	clients []maverav1.PersonasServiceClient // one per caller
}

func newCallers(address string, count, connections int) (*callers, error) {
	c := new(callers)
	for range connections {
		conn, err := rig.Dial(address)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.conns = append(c.conns, conn)
	}
	for i := range count {
		c.clients = append(c.clients, maverav1.NewPersonasServiceClient(c.conns[i%connections]))
	}
	return c, nil
}

func (c *callers) close() error {
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// ask makes one call.
func (c *callers) ask(ctx context.Context, s size) (*maverav1.ListPersonasResponse, error) {
	answer, err := c.clients[0].ListPersonas(ctx, s.request())
	if err != nil {
		return nil, fmt.Errorf("list personas, %s: %w", s.name, err)
	}
	return answer, nil
}

// run makes all calls of a turn and returns how long they took together. The
// first failure ends it.
func (c *callers) run(ctx context.Context, s size, calls int) (time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var running sync.WaitGroup
	begin := time.Now()
	for _, client := range c.clients {
		running.Go(func() {
			for next.Add(1) <= int64(calls) && ctx.Err() == nil {
				answer, err := client.ListPersonas(ctx, s.request())
				switch {
				case err != nil:
					cancel(fmt.Errorf("list personas, %s: %w", s.name, err))
				case len(answer.GetData()) != s.rows:
					cancel(fmt.Errorf("list personas, %s: %d rows, want %d", s.name, len(answer.GetData()), s.rows))
				}
			}
		})
	}
	running.Wait()
	return time.Since(begin), context.Cause(ctx)
}
