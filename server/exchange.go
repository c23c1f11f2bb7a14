package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/grpc"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// An exchange is what becomes of one call over its attempts, said in the words of the
// loop, which knows nothing of Mavera.
type exchange struct {
	call *call
	slow time.Duration // see resilience.Policy.SlowDeadline

	out     any
	sent    bool // Mavera may have received an attempt
	unclear bool // an attempt may have been carried out, though it failed
}

// attempt makes one attempt, which begins now, and says in o what came of it.
func (e *exchange) attempt(ctx context.Context, in any, next grpc.UnaryHandler, now time.Time, o *resilience.Outcome) {
	c := e.call
	c.report = mavera.Report{}
	var err error
	e.out, err = next(ctx, in)
	e.sent = e.sent || c.report.Sends > 0
	o.Err, o.Result, o.Sends = err, resilience.Success, c.report.Sends
	o.Headers = rateHeaders(&c.report)
	if err == nil {
		return
	}
	failure := (*mavera.Failure)(nil)
	if !errors.As(err, &failure) {
		return
	}
	if e.unclear && failure.HTTPStatus == http.StatusNotFound && c.plan.HTTPMethod == http.MethodDelete {
		e.out, o.Err = &transcode.Answer{}, nil // it is gone: the attempt before this one did it
		return
	}
	e.unclear = e.unclear || c.report.Sends > 0 && failure.Unclear()
	o.Reason = failure.Reason
	o.Repeat = failure.Retryable
	o.Unknown = failure.OutcomeUnknown
	o.Throttled = c.report.Status == http.StatusTooManyRequests
	if failure.Retryable {
		o.RetryAfter, o.HasRetryAfter = resilience.RetryAfter(c.report.Header, time.Now())
		o.Headers.Unreadable = !o.HasRetryAfter && c.report.Header.Get("Retry-After") != ""
	}
	if o.Throttled && !o.HasRetryAfter {
		o.RetryAfter, o.HasRetryAfter = failure.Delay, true
	}
	if c.plan.Kind == transcode.Events && c.events > 0 { // the caller has part of the answer, and a repeat would give another
		o.Repeat, o.Unknown, failure.Retryable = false, false, false
	}
	switch {
	case left(failure):
		o.Repeat, o.Result = false, e.leaving(ctx, failure, now)
	case failure.Unhealthy():
		o.Result = resilience.Failure
	}
}

// left reports whether an attempt ended because the call did.
func left(f *mavera.Failure) bool {
	return f.By(mavera.CallerLeft) || f.By(mavera.CallerDeadline) || f.By(mavera.TotalTimedOut) || f.By(mavera.ShuttingDown)
}

// lastMoment is how long before its deadline a caller's cancel is taken for the
// deadline: it runs on the client's clock too, and the news of it often comes first.
const lastMoment = 100 * time.Millisecond

// leaving is what the breaker learns when a call ends in the middle of an attempt:
// nothing, unless the deadline left Mavera more than enough time.
func (e *exchange) leaving(ctx context.Context, f *mavera.Failure, begin time.Time) resilience.Result {
	deadline, ok := ctx.Deadline()
	passed := f.By(mavera.CallerDeadline) || f.By(mavera.TotalTimedOut) ||
		f.By(mavera.CallerLeft) && ok && time.Until(deadline) < lastMoment
	if passed && e.call.report.Sends > 0 && time.Since(begin) >= e.slow-lastMoment {
		return resilience.Failure
	}
	return resilience.NoAnswer
}

// failure is what the caller is told: the failure of the last attempt, or why there
// was none. What refused a repeat decides when the next one makes sense.
func (e *exchange) failure(err error) error {
	failure, refusal := (*mavera.Failure)(nil), refused(err)
	switch ok := errors.As(err, &failure); {
	case !ok && refusal == nil:
		return e.call.exchange().Ended(err, e.sent)
	case ok && left(failure) && e.sent && !failure.OutcomeUnknown:
		return e.call.exchange().Ended(context.Cause(e.call.loop.Context()), e.sent)
	case !ok:
		return refusal
	case refusal != nil && failure.Retryable:
		failure.Delay = max(failure.Delay, refusal.Delay)
	}
	return failure
}

// refused is the failure of a call, or a repeat, that the gateway did not let
// through; nil when it did.
func refused(err error) *mavera.Failure {
	var open *resilience.OpenError
	var late *resilience.RefusedError
	var full *resilience.SlotsFullError
	var spent *resilience.BudgetError
	var failure *mavera.Failure
	switch {
	case errors.As(err, &open):
		failure = mavera.NewFailure(mavera.CircuitOpen, err)
		failure.Delay = max(time.Until(open.RetryAt), 0)
	case errors.As(err, &late):
		failure = mavera.NewFailure(mavera.RateLimited, err)
		if late.Reason == resilience.QueueFull {
			failure = mavera.NewFailure(mavera.QueueFull, err)
		}
		failure.Delay = max(time.Until(late.RetryAt), 0)
	case errors.As(err, &full):
		failure = mavera.NewFailure(mavera.SlotsFull, err)
		if full.QueueFull {
			failure = mavera.NewFailure(mavera.QueueFull, err)
		}
		failure.Delay = full.RetryAfter
	case errors.As(err, &spent):
		failure = mavera.NewFailure(mavera.RateLimited, err)
		failure.Text = "the call is itself a retry, and too many of its kind were made; nothing was sent"
		failure.Delay = spent.RetryAfter
		failure.Retryable = spent.RetryAfter > 0
	}
	return failure
}

// rateHeaders reads what an answer says of the rate limit. A part that cannot be read
// becomes nonsense, which the window ignores and counts.
func rateHeaders(report *mavera.Report) (h resilience.Headers) {
	h.Limit, h.HasLimit = headerNumber(report.Header["X-Ratelimit-Limit"])
	h.Remaining, h.HasRemaining = headerNumber(report.Header["X-Ratelimit-Remaining"])
	if reset, ok := headerNumber(report.Header["X-Ratelimit-Reset"]); ok {
		h.Reset = time.Unix(int64(reset), 0)
	}
	h.Date = report.Date
	return h
}

// headerNumber is the value of a header, -1 where it makes no sense.
func headerNumber(values []string) (n int, has bool) {
	if len(values) == 0 || values[0] == "" {
		return 0, false
	}
	n, err := strconv.Atoi(values[0])
	if err != nil {
		return -1, true
	}
	return n, true
}
