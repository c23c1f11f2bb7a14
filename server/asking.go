package server

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// ownCaller names the gateway itself where it calls Mavera on nobody's behalf.
const ownCaller = "mavera-gateway"

// ask calls an RPC for the gateway itself, with its own key: the same way as a
// call that comes in, from the policy of its family inwards, and within the RPC's
// total. It is paced as a poll.
func (s *Server) ask(ctx context.Context, procedure string, in, out proto.Message) error {
	plan := s.plans[procedure]
	request, err := plan.Request(in)
	if err != nil {
		return fmt.Errorf("translate request of %s: %w", plan.RPC, err)
	}
	ctx = record{s.plans}.begin(ctx, procedure)
	c := callOf(ctx)
	c.request, c.caller, c.class, c.origin = request, ownCaller, resilience.Poll, fromFollower
	answer, err := s.exchange(ctx, c)
	if err != nil {
		return err
	}
	if err := answer.Unmarshal(out); err != nil {
		return fmt.Errorf("decode answer of %s: %w", plan.RPC, err)
	}
	return nil
}

// exchange makes a call that did not come in as such: from the policy of its family
// inwards, and within the total of its RPC.
func (s *Server) exchange(ctx context.Context, c *call) (*transcode.Answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.plan.TotalTimeout, mavera.ErrTotalTimeout)
	defer cancel()
	answer, err := s.resilient.do(ctx, c, nil, func(ctx context.Context, _ any) (any, error) { return s.handler.serve(ctx, c) })
	if err != nil {
		return nil, fmt.Errorf("call %s (request %s): %w", c.plan.RPC, c.requestID, err)
	}
	return answer.(*transcode.Answer), nil //nolint:forcetypeassert,errcheck // serve gives nothing else
}
