package server

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/grpc"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// maxKeys bounds the keys whose state is kept; only callers that bring their own
// keys can reach it.
const maxKeys = 1000

// resilient runs the exchange under the policy of its RPC: it waits for
// permission, attempts, and repeats. What it keeps between calls is per key: one
// window and one budget for all families, a breaker and slots for each.
type resilient struct {
	options  Options
	policies Policies
	keys     *resilience.Registry[secret.Key, *keyState]
	families *resilience.Registry[familyKey, *familyState]
	jobs     jobSlots
}

type keyState struct {
	limiter *resilience.Limiter
	budget  resilience.BudgetStore
}

type familyKey struct {
	key    secret.Key
	family string
}

type familyState struct {
	breaker resilience.BreakerStore
	slots   *resilience.Bulkhead // nil where nothing is capped
}

func newResilient(options Options, policies Policies) *resilient {
	return &resilient{
		options:  options,
		policies: policies,
		keys: resilience.NewRegistry(maxKeys, func(secret.Key) *keyState {
			return &keyState{
				limiter: resilience.NewLimiter(resilience.NewWindow(policies.Window), policies.Queue),
				budget:  resilience.NewLocalBudget(policies.Default.Budget),
			}
		}, nil),
		families: resilience.NewRegistry(maxKeys*len(policies.Families), func(key familyKey) *familyState {
			policy := policies.Of(key.family)
			state := &familyState{breaker: resilience.NewLocalBreaker(policy.Breaker)}
			if policy.Caps.Slots > 0 {
				state.slots = resilience.NewBulkhead(policy.Caps, resilience.NewLocalSlots())
			}
			return state
		}, func(state *familyState) bool { return state.slots == nil || state.slots.Idle() }),
	}
}

func (r *resilient) unary(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	c := callOf(ctx)
	if c.plan == nil {
		return next(ctx, in)
	}
	c.key, c.ownKey = identity{r.options}.keyOf(ctx)
	key := r.keys.Use(c.key)
	defer key.Release()
	family := r.families.Use(familyKey{key: c.key, family: c.plan.Family})
	defer family.Release()

	call := &resilience.Call{
		Policy:  r.policies.Of(c.plan.Family),
		Timeout: c.plan.AttemptTimeout, TimeoutCause: mavera.ErrAttemptTimeout,
		Class: c.class, Caller: c.caller, Family: c.plan.Family, Resent: resent(c),
		Budget: key.Value.budget, Limiter: key.Value.limiter, Breaker: family.Value.breaker,
		Random: rand.Float64,
		Watch:  watcher{r.options, c},
	}
	if c.plan.Capped {
		call.Slots = family.Value.slots
	}
	var out any
	sent := false
	waited, err := resilience.Do(ctx, call, func(ctx context.Context, lease *resilience.Lease) resilience.Outcome {
		c.report = mavera.Report{}
		var err error
		out, err = next(ctx, in)
		sent = sent || c.report.Sends > 0
		r.jobs.learn(c, lease, family.Value.slots, out, err)
		return r.outcome(ctx, c, err)
	})
	c.waited = waited
	if err != nil {
		return nil, refusal(ctx, c, err, sent)
	}
	return out, nil
}

// stream passes streams on: none of them is an exchange with Mavera.
func (r *resilient) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return next(srv, stream)
}

// outcome says what the loop has to know of an attempt.
func (r *resilient) outcome(ctx context.Context, c *call, err error) resilience.Outcome {
	now := time.Now()
	o := resilience.Outcome{
		Err: err, Result: resilience.Success, Sends: c.report.Sends, SentAt: c.report.SentAt,
		Headers: rateHeaders(c.report.Header),
	}
	failure := (*mavera.Failure)(nil)
	if !errors.As(err, &failure) {
		return o
	}
	o.Reason = failure.Reason
	o.Repeat = failure.Retryable && !failure.By(mavera.ShuttingDown)
	o.Unknown = failure.OutcomeUnknown
	o.Throttled = c.report.Status == http.StatusTooManyRequests
	o.RetryAfter, o.HasRetryAfter = resilience.RetryAfter(c.report.Header, now)
	if o.Throttled && !o.HasRetryAfter {
		o.RetryAfter, o.HasRetryAfter = failure.Delay, true
	}
	slow := r.policies.Of(c.plan.Family).SlowDeadline
	switch left := context.Cause(ctx) != nil && !errors.Is(context.Cause(ctx), mavera.ErrAttemptTimeout); {
	case left && failure.By(mavera.CallerDeadline) && o.Sends > 0 && now.Sub(o.SentAt) >= slow:
		o.Result = resilience.Failure // whoever waited that long has learnt something about Mavera
	case left:
		o.Result = resilience.NoAnswer
	case failure.Unhealthy():
		o.Result = resilience.Failure
	}
	return o
}

// rateHeaders reads what an answer says of the rate limit; parts that cannot be
// read count as missing.
func rateHeaders(header http.Header) resilience.Headers {
	var h resilience.Headers
	number := func(name string) (int, bool) {
		n, err := strconv.Atoi(header.Get(name))
		return n, err == nil
	}
	h.Limit, h.HasLimit = number("X-RateLimit-Limit")
	h.Remaining, h.HasRemaining = number("X-RateLimit-Remaining")
	if reset, ok := number("X-RateLimit-Reset"); ok {
		h.Reset = time.Unix(int64(reset), 0)
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		h.Date = date
	}
	return h
}

// refusal is the failure of a call that did not get as far as an answer of
// Mavera's, or that of its last attempt.
func refusal(ctx context.Context, c *call, err error, sent bool) error {
	failure := (*mavera.Failure)(nil)
	if errors.As(err, &failure) {
		return failure
	}
	now := time.Now()
	var open *resilience.OpenError
	var late *resilience.RefusedError
	var full *resilience.SlotsFullError
	delay := time.Second
	switch {
	case errors.As(err, &open):
		failure, delay = mavera.NewFailure(mavera.CircuitOpen, err), open.RetryAt.Sub(now)
	case errors.As(err, &late):
		cause := mavera.RateLimited
		if late.Reason == resilience.QueueFull {
			cause = mavera.QueueFull
		}
		failure, delay = mavera.NewFailure(cause, err), late.RetryAt.Sub(now)
	case errors.As(err, &full):
		cause := mavera.SlotsFull
		if full.QueueFull {
			cause = mavera.QueueFull
		}
		failure, delay = mavera.NewFailure(cause, err), full.RetryAfter
	case errors.Is(err, resilience.ErrBudget):
		failure = mavera.NewFailure(mavera.RateLimited, err)
	default:
		return mavera.Call{Plan: c.plan, Request: c.request}.Ended(ctx, sent)
	}
	failure.Delay = max(delay, 0)
	return failure
}

// resent reports whether the call is itself a retry: of a gRPC client (gRFC A6) or
// of an Envoy on the way, which counts attempts from 1.
func resent(c *call) bool {
	count := func(name string) int {
		values := c.metadata.Get(name)
		if len(values) == 0 {
			return 0
		}
		n, err := strconv.Atoi(values[0])
		if err != nil {
			return 0
		}
		return n
	}
	return count("grpc-previous-rpc-attempts") > 0 || count("x-envoy-attempt-count") > 1
}

// classes are the values of the metadata x-priority.
func classOf(priority string) (resilience.Class, bool) {
	switch priority {
	case "", "interactive":
		return resilience.Interactive, true
	case "batch":
		return resilience.Batch, true
	default:
		return 0, false
	}
}
