package resilience

import "context"

// scope is the context of an attempt and of the waits before it. One serves all of them,
// until an attempt's timeout ends it: a context for each attempt, below one for the call,
// costs as much as all other decisions together.
type scope struct {
	parent context.Context //nolint:containedctx // that of the call
	ctx    context.Context //nolint:containedctx // below it
	end    context.CancelCauseFunc
}

// renew begins a scope.
func (c *Call) renew() {
	c.scope.ctx, c.scope.end = context.WithCancelCause(c.scope.parent)
	if c.Enroll != nil {
		c.Enroll(c.scope.end)
	}
}

// release ends the last scope.
func (c *Call) release() { c.scope.end(nil) }

// Context is that of the attempt or wait at hand, or of the last one: it knows why the
// call ended, if it was ended. It is nil until [Do] has let the call begin.
func (c *Call) Context() context.Context { return c.scope.ctx }

// unlimit stops the timer of an attempt. Where it has fired, what it ends is left to it:
// it may not have come to that yet.
func (c *Call) unlimit() {
	if !c.underway.timer.Stop() {
		c.renew()
	}
}
