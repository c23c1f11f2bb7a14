package server

import (
	"context"
	"math/rand/v2"
	"strconv"

	"google.golang.org/grpc"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// maxKeys bounds the keys whose state is kept, maxFamilies how many families each may
// have; only callers that bring their own keys can reach it.
const (
	maxKeys     = 1000
	maxFamilies = 20 // more than the protos have
)

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
		families: resilience.NewRegistry(maxKeys*maxFamilies, func(key familyKey) *familyState {
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
	c.key, c.ownKey = identity{options: r.options}.keyOf(ctx)
	key := r.keys.Use(c.key)
	defer key.Release()
	family := r.families.Use(familyKey{key: c.key, family: c.plan.Family})
	defer family.Release()

	call := &resilience.Call{
		Policy:  r.policies.Of(c.plan.Family),
		Timeout: c.plan.AttemptTimeout, TimeoutCause: mavera.ErrAttemptTimeout,
		Class: c.class, Caller: c.caller, Family: c.plan.Family, Resent: resent(ctx),
		Budget: key.Value.budget, Limiter: key.Value.limiter, Breaker: family.Value.breaker,
		Random: rand.Float64,
		Watch:  watcher{r.options, c},
	}
	if c.plan.Capped {
		call.Slots = family.Value.slots
	}
	e := exchange{call: c, slow: call.Policy.SlowDeadline}
	waited, err := resilience.Do(ctx, call, func(ctx context.Context, lease *resilience.Lease) resilience.Outcome {
		o := e.attempt(ctx, in, next)
		r.jobs.learn(c, lease, family.Value.slots, e.out, o.Err)
		return o
	})
	c.waited = waited
	if err != nil {
		return nil, e.failure(ctx, err)
	}
	return e.out, nil
}

// stream passes streams on: none of them is an exchange with Mavera.
func (r *resilient) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return next(srv, stream)
}

// resent reports whether the call is itself a retry: of a gRPC client (gRFC A6) or
// of an Envoy on the way, which counts attempts from 1.
func resent(ctx context.Context) bool {
	count := func(name string) int {
		text, _ := sent(ctx, name)
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0
		}
		return n
	}
	return count("grpc-previous-rpc-attempts") > 0 || count("x-envoy-attempt-count") > 1
}

// classOf reads the metadata x-priority.
func classOf(priority string) (class resilience.Class, ok bool) {
	switch priority {
	case "interactive":
		return resilience.Interactive, true
	case "batch":
		return resilience.Batch, true
	default:
		return 0, false
	}
}
