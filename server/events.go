package server

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
)

// events makes one exchange whose answer comes event by event, and sends each on
// before the next is read: a caller that takes them slowly slows Mavera, and nothing
// is held for it beyond the window of its connection. The loop around it repeats an
// attempt only while the caller has got no event.
func (h *handler) events(c *call, stream grpc.ServerStream) (err error) {
	ctx := stream.Context()
	answers, report, err := h.options.Client.Open(ctx, c.exchange())
	c.began(report)
	defer func() { h.attempted(c, err) }()
	if err != nil {
		return err //nolint:wrapcheck // a failure, for the interceptors to tell
	}
	defer answers.Close()
	generates := h.generative[c.plan]
	c.loop.Answered(report.Sends, rateHeaders(&c.report))
	for {
		answer, err := answers.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err //nolint:wrapcheck // a failure too
		}
		if c.events == 0 {
			c.loop.Healthy()
			c.notes.Event("mavera.first_event")
		}
		err = stream.SendMsg(answer)
		// The caller has it: what is noted of it makes nobody wait.
		if answer.HasCredits {
			c.credits, c.hasCredits = answer.Credits, true
		}
		generates.read(answer.Wire, &c.generated)
		if len(answer.Losses) > 0 {
			h.observe(ctx, c, answer.Losses)
		}
		if err != nil {
			return c.exchange().Ended(context.Cause(ctx), true) // nobody is there any more
		}
	}
}
