package mavera

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// A Failure is why a call failed. Its exported fields may be shown to callers;
// Unwrap gives the cause, which may not.
type Failure struct { //nolint:errname // what failed is the call; its error text is the lesser half
	Code   codes.Code
	Reason string // UPPER_SNAKE, for programs
	Domain string // UpstreamDomain or GatewayDomain
	Text   string // for developers
	User   string // for end users, in English

	// HTTPStatus is the status of the answer, 0 when there was none.
	HTTPStatus int
	// UpstreamCode, UpstreamType and Param are what the error body says; Param is
	// the upstream's spelling.
	UpstreamCode, UpstreamType, Param string
	// CallerKey says, on UNAUTHENTICATED, whose key was refused.
	CallerKey bool
	// OutcomeUnknown says that the call may have been carried out.
	OutcomeUnknown bool

	// Retryable says that a repeat can succeed and does nothing twice.
	Retryable bool
	// Delay is how long to wait before a repeat, when Retryable.
	Delay time.Duration

	// Violations are the faults of the request.
	Violations []transcode.Violation
	// ResourceType and ResourceName are what NOT_FOUND is about.
	ResourceType, ResourceName string
	// Help is a documentation page of Mavera's, or empty.
	Help string

	details detail
	kind    Cause
	unclear bool
	cause   error
}

// Error is for logs: it holds both halves.
func (f *Failure) Error() string {
	text := fmt.Sprintf("%s %s: %s", f.Code, f.Reason, f.Text)
	if f.cause != nil {
		text += ": " + f.cause.Error()
	}
	return text
}

// By reports whether the failure has this cause. A failure with an HTTP status has
// none.
func (f *Failure) By(cause Cause) bool { return f.kind == cause }

// Unhealthy reports whether the failure speaks against Mavera's health: a 5xx, no
// connection or a lost one, an attempt that timed out. A 408 is an answer like any
// other 4xx.
func (f *Failure) Unhealthy() bool {
	timedOut := f.kind == AttemptTimedOut && f.HTTPStatus != http.StatusRequestTimeout
	return f.HTTPStatus >= http.StatusInternalServerError || f.kind == NotSent || f.kind == Lost || timedOut
}

// Unclear reports whether Mavera may have carried out the attempt, be it one that may
// be repeated or not.
func (f *Failure) Unclear() bool { return f.unclear }

// Unwrap returns the private half.
func (f *Failure) Unwrap() error { return f.cause }

// NewFailure makes the failure of a cause that has nothing to do with Mavera's
// answer. violations are for InvalidRequest.
func NewFailure(cause Cause, err error, violations ...transcode.Violation) *Failure {
	f := byCause(cause).failure(true, err)
	f.Violations = violations
	return f
}

// failure fills in what the row says.
func (r *row) failure(repeatable bool, err error) *Failure {
	f := &Failure{
		Code: r.code, Reason: r.reason, Domain: UpstreamDomain, Text: r.text, User: r.user,
		Help: r.help, details: r.details, kind: r.cause, unclear: r.unknownOutcome, cause: err,
	}
	if r.local {
		f.Domain = GatewayDomain
	}
	if r.unknownOutcome && !repeatable {
		f.Code, f.Reason = codes.Unknown, reasonUnknown
		f.leaveOpen()
	}
	switch r.retry {
	case never:
	case idempotent:
		f.Retryable = repeatable
	case always, byCaller:
		f.Retryable = true
	}
	if f.Retryable {
		f.Delay = r.delay
		if r.retry != byCaller {
			f.Delay = cmp.Or(r.delay, defaultDelay)
		}
	}
	return f
}

// reasonUnknown is the reason of a call whose outcome is unknown.
const reasonUnknown = "OUTCOME_UNKNOWN"

// leaveOpen says that the call may have been carried out.
func (f *Failure) leaveOpen() {
	f.OutcomeUnknown = true
	f.User = userUnknown
	f.Text += "; the call may have been carried out: look for its result before you repeat it"
}

// InDoubt returns the failure of a call that is not idempotent and may have been carried
// out, though Mavera's rule for its status would let it be repeated.
func (f *Failure) InDoubt() *Failure {
	doubted := *f
	doubted.Code, doubted.Reason = codes.Unknown, reasonUnknown
	doubted.Retryable, doubted.Delay = false, 0
	doubted.leaveOpen()
	return &doubted
}

func (c Call) repeatable() bool { return c.Plan.Idempotency != transcode.NonIdempotent }

// fail is the failure of a cause in this call.
func (c Call) fail(cause Cause, err error) *Failure {
	return byCause(cause).failure(c.repeatable(), err)
}

// lost is the failure of an exchange that ended without a whole answer. sent says
// that the request may have reached Mavera.
func (c Call) lost(ctx context.Context, err error, sent bool) *Failure {
	if ctx.Err() == nil {
		if sent {
			return c.fail(Lost, err)
		}
		return c.fail(NotSent, err)
	}
	f := c.Ended(context.Cause(ctx), sent)
	f.cause = err
	return f
}

// Ended is the failure of a call whose context is done, by its cause. sent says that
// Mavera may have received it.
func (c Call) Ended(cause error, sent bool) *Failure {
	var f *Failure
	switch {
	case errors.Is(cause, ErrAttemptTimeout) && !sent:
		f = c.fail(NotSent, cause)
	case errors.Is(cause, ErrAttemptTimeout):
		f = c.fail(AttemptTimedOut, cause)
	case errors.Is(cause, ErrShuttingDown) && sent && !c.repeatable():
		f = c.fail(Lost, cause)
		f.Text = "this gateway shut down before Mavera's answer was there"
		f.leaveOpen()
	case errors.Is(cause, ErrShuttingDown):
		f = c.fail(ShuttingDown, cause)
	case errors.Is(cause, ErrTotalTimeout):
		f = c.fail(TotalTimedOut, cause)
	case errors.Is(cause, context.DeadlineExceeded):
		f = c.fail(CallerDeadline, cause)
	default:
		f = c.fail(CallerLeft, cause)
	}
	if sent && !c.repeatable() && !f.OutcomeUnknown {
		f.leaveOpen()
	}
	return f
}

// The causes by which the gateway ends contexts (context.WithTimeoutCause).
var (
	ErrAttemptTimeout = errors.New("the attempt's timeout passed")
	ErrTotalTimeout   = errors.New("the call's total timeout passed")
	ErrShuttingDown   = errors.New("the gateway is shutting down")
)

// refused is the failure that an answer other than 2xx stands for.
func (c Call) refused(response *http.Response, upstream upstreamError, now time.Time) *Failure {
	status := response.StatusCode
	f := byStatus(status).failure(c.repeatable(), upstream.cause())
	f.UpstreamCode, f.UpstreamType, f.Param = upstream.Code, upstream.Type, upstream.Param
	if f.Reason == "" {
		f.Reason = reasonOf(upstream.Code, status)
	}
	if f.Text == "" {
		f.Text = upstream.Message
	}
	if f.Text == "" {
		f.Text = "Mavera refused the call and did not say why"
	}
	if wait, ok := resilience.RetryAfter(response.Header, now); ok && f.Retryable {
		f.Delay = wait
	}
	f.CallerKey = c.CallerKey
	switch {
	case f.details&badRequest == 0:
	case upstream.Param != "":
		f.Violations = []transcode.Violation{{Field: c.Plan.FieldPath(upstream.Param), Description: f.Text}}
	case status == http.StatusRequestEntityTooLarge: // the whole message is at fault
		f.Violations = []transcode.Violation{{Description: "the message is too large for Mavera"}}
	}
	if f.details&resourceInfo != 0 {
		f.ResourceType, f.ResourceName = c.Request.Resource.Type, c.Request.Resource.Name
	}
	return f
}

// reasonOf spells an upstream code as AIP-193 wants reasons: UPPER_SNAKE of 3 to
// 63 characters, a letter first and no underscore last. A code that cannot be
// spelled so is named after the status.
func reasonOf(code string, status int) string {
	return cmp.Or(spelled(code), "HTTP_"+strconv.Itoa(status))
}

// spelled is the reason that a code makes, empty where it makes none.
func spelled(code string) string {
	const longest = 63
	reason := strings.ToUpper(strings.ReplaceAll(code, "-", "_"))
	reason = strings.TrimLeft(reason, "_0123456789")
	reason = strings.TrimRight(reason[:min(len(reason), longest)], "_")
	if len(reason) < 3 {
		return ""
	}
	return reason
}
