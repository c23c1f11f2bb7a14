package server

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// ownCaller names the gateway itself where it calls Mavera on nobody's behalf, or on
// that of a call which is under way already.
const ownCaller = "mavera-gateway"

// ask calls an RPC for the gateway itself, with its own key. It is paced as a poll.
func (s *Server) ask(ctx context.Context, procedure string, in, out proto.Message) error {
	plan := s.plans[procedure]
	c := &call{
		plan: plan, rpc: plan.RPC, requestID: requestID(ctx), start: time.Now(),
		caller: ownCaller, class: resilience.Poll, origin: fromFollower, key: s.options.Key(),
	}
	answer, err := s.exchange(ctx, c, in)
	if err != nil {
		return err
	}
	if err := answer.Unmarshal(out); err != nil {
		return fmt.Errorf("decode answer of %s: %w", plan.RPC, err)
	}
	return nil
}

// exchange makes a call that did not come in as such, of which c says everything but the
// request.
func (s *Server) exchange(ctx context.Context, c *call, in proto.Message) (*transcode.Answer, error) {
	var err error
	if c.request, err = c.plan.Request(in); err != nil {
		return nil, fmt.Errorf("translate request of %s: %w", c.plan.RPC, err)
	}
	return s.exchangeAs(ctx, c)
}

// exchangeAs makes a call that did not come in as such, of which c says everything: the
// same way as one that comes in, from the policy of its family inwards, and within the
// total of its RPC.
func (s *Server) exchangeAs(ctx context.Context, c *call) (*transcode.Answer, error) {
	ctx, cancel := context.WithTimeoutCause(context.WithValue(ctx, callKey{}, c), c.plan.TotalTimeout, mavera.ErrTotalTimeout)
	defer cancel()
	answer, err := s.resilient.run(ctx, c, nil, func(ctx context.Context, _ any) (any, error) { return s.handler.serve(ctx, c) })
	if err != nil {
		return nil, fmt.Errorf("call %s (request %s): %w", c.plan.RPC, c.requestID, err)
	}
	return answer.(*transcode.Answer), nil //nolint:forcetypeassert,errcheck // serve gives nothing else
}
