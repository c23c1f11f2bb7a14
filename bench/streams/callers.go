package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// A frame is a message that is left undecoded: its size in bytes.
type frame int

// frames is protobuf's codec, but for frames.
type frames struct{ encoding.CodecV2 }

func (c frames) Unmarshal(data mem.BufferSlice, into any) error {
	if f, ok := into.(*frame); ok {
		*f = frame(data.Len())
		return nil
	}
	return c.CodecV2.Unmarshal(data, into) //nolint:wrapcheck // the codec's own words
}

// callers open streams at a system.
type callers struct {
	conns []*grpc.ClientConn
}

func newCallers(address string, connections int) (*callers, error) {
	c := new(callers)
	codec := grpc.WithDefaultCallOptions(grpc.ForceCodecV2(frames{encoding.GetCodecV2("proto")}))
	for range connections {
		conn, err := rig.Dial(address, codec)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.conns = append(c.conns, conn)
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

// open opens a stream for an input. Caller number i uses connection i, over again.
func (c *callers) open(ctx context.Context, i int, input string) (grpc.ClientStream, error) {
	stream, err := c.conns[i%len(c.conns)].NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, fullMethod)
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	err = stream.SendMsg(&maverav1.CreateResponseRequest{
		Model: "mavera-1", Input: &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: input}},
	})
	if err == nil {
		err = stream.CloseSend()
	}
	if err != nil {
		return nil, fmt.Errorf("send request: %w", err)
	}
	return stream, nil
}

// openFirst opens a stream and waits for its first message.
func (c *callers) openFirst(ctx context.Context, i int, input string) (grpc.ClientStream, error) {
	stream, err := c.open(ctx, i, input)
	if err != nil {
		return nil, err
	}
	switch more, err := next(stream); {
	case err != nil:
		return nil, err
	case !more:
		return nil, errors.New("a stream ended without a message")
	}
	return stream, nil
}

// next reads a message and reports whether there was one.
func next(stream grpc.ClientStream) (bool, error) {
	var f frame
	switch err := stream.RecvMsg(&f); {
	case errors.Is(err, io.EOF):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read stream: %w", err)
	}
	return true, nil
}

// count reads a stream to its end and returns how many messages there were.
func count(stream grpc.ClientStream) (int, error) {
	for n := 0; ; n++ {
		if more, err := next(stream); err != nil || !more {
			return n, err
		}
	}
}

// burst has so many streams carry so many events each, all at a time, and returns
// how long they took together.
func (c *callers) burst(ctx context.Context, streams, events int) (time.Duration, error) {
	begin := time.Now()
	err := each(streams, streams, func(i int) error {
		stream, err := c.open(ctx, i, fmt.Sprint(burst, events))
		if err != nil {
			return err
		}
		got, err := count(stream)
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
		_, err := c.openFirst(ctx, i, hold)
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
