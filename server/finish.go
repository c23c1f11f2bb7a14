package server

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
)

// finish turns failures into statuses and writes the trailers of every answer.
// It sets no header metadata: an error then travels as one frame (Trailers-Only),
// and proxies, which look no further, see its status.
type finish struct{ trailers *sync.Pool } // of *trailer

func newFinish() finish {
	return finish{&sync.Pool{New: func() any { return &trailer{md: make(metadata.MD)} }}}
}

// A trailer is metadata that is sent once: gRPC takes a copy.
type trailer struct {
	md     metadata.MD
	values [5]string
}

func (t *trailer) set(key, value string) {
	n := len(t.md)
	t.values[n] = value
	t.md[key] = t.values[n : n+1 : n+1]
}

// release lets another call have the memory.
func (f finish) release(t *trailer) {
	clear(t.md)
	f.trailers.Put(t)
}

func (f finish) unary(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	out, err := next(ctx, in)
	t, _ := f.trailers.Get().(*trailer)
	defer f.release(t)
	err = callOf(ctx).end(t, err)
	if setErr := grpc.SetTrailer(ctx, t.md); setErr != nil && err == nil {
		return nil, setErr //nolint:wrapcheck // the call has no transport any more
	}
	return out, err
}

func (f finish) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	err := next(srv, stream)
	t, _ := f.trailers.Get().(*trailer)
	defer f.release(t)
	err = callOf(stream.Context()).end(t, err)
	stream.SetTrailer(t.md)
	return err
}

// end sets the trailers, and makes the status of a failure.
func (c *call) end(t *trailer, err error) error {
	t.set(requestIDKey, c.requestID)
	if c.plan != nil {
		t.set(attemptsKey, strconv.Itoa(c.attempts))
	}
	if c.hasCredits {
		t.set(creditsKey, strconv.FormatFloat(c.credits, 'f', -1, 64))
	}
	if c.recovered {
		t.set(recoveredKey, "true")
	}
	if err == nil {
		return nil
	}
	failure := (*mavera.Failure)(nil)
	if !errors.As(err, &failure) {
		if c.plan == nil || errors.As(err, new(*receiveError)) {
			return err // health, reflection, channelz and grpc-go know their statuses
		}
		failure = mavera.NewFailure(mavera.Panicked, err)
	}
	facts := c.facts()
	t.set(pushbackKey, strconv.Itoa(int(failure.Pushback(facts))))
	return &statusError{failure: failure, status: failure.Status(facts)}
}
