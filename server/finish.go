package server

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
)

// finish turns failures into statuses and writes the trailers of every answer.
// It sets no header metadata: an error then travels as one frame (Trailers-Only),
// and proxies, which look no further, see its status.
type finish struct{}

func (finish) unary(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	out, err := next(ctx, in)
	c := callOf(ctx)
	trailer, err := c.end(err)
	if setErr := grpc.SetTrailer(ctx, trailer); setErr != nil && err == nil {
		return nil, setErr //nolint:wrapcheck // the call has no transport any more
	}
	return out, err
}

func (finish) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	err := next(srv, stream)
	trailer, err := callOf(stream.Context()).end(err)
	stream.SetTrailer(trailer)
	return err
}

// end makes the trailers, and the status of a failure.
func (c *call) end(err error) (metadata.MD, error) {
	trailer := metadata.MD{requestIDKey: {c.requestID}}
	if c.plan != nil {
		trailer[attemptsKey] = []string{strconv.Itoa(c.attempts)}
	}
	if c.hasCredits {
		trailer[creditsKey] = []string{strconv.FormatFloat(c.credits, 'f', -1, 64)}
	}
	if err == nil {
		return trailer, nil
	}
	failure := (*mavera.Failure)(nil)
	if !errors.As(err, &failure) {
		if c.plan == nil || errors.As(err, new(*receiveError)) {
			return trailer, err // health, reflection, channelz and grpc-go know their statuses
		}
		failure = mavera.NewFailure(mavera.Panicked, err)
	}
	facts := c.facts()
	trailer[pushbackKey] = []string{strconv.Itoa(int(failure.Pushback(facts)))}
	return trailer, &statusError{failure: failure, status: failure.Status(facts)}
}
