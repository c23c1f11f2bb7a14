package server

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"google.golang.org/grpc"

	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
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
	watches  *watches
	outages  *outages
	lookUps  lookUps
	upstream upstream

	generative map[*transcode.Plan]*generative // of the RPCs that generate
}

type keyState struct {
	limiter   *resilience.Limiter
	budget    resilience.BudgetStore
	pace      *jobs.Pace // of its polls
	creations *creations
}

type familyKey struct {
	key    secret.Key
	family string
}

type familyState struct {
	policy  *resilience.Policy
	breaker resilience.BreakerStore
	slots   *resilience.Bulkhead // nil where nothing is capped
}

func newResilient(options Options, policies Policies, generative map[*transcode.Plan]*generative) *resilient {
	r := &resilient{
		options:    options,
		policies:   policies,
		upstream:   upstreamOf(options.Client.BaseURL()),
		generative: generative,
		families: resilience.NewRegistry(maxKeys*maxFamilies, func(key familyKey) *familyState {
			policy := policies.Of(key.family)
			state := &familyState{policy: &policy, breaker: resilience.NewLocalBreaker(policy.Breaker)}
			if policy.Caps.Slots > 0 {
				state.slots = resilience.NewBulkhead(policy.Caps, resilience.NewLocalSlots())
				state.slots.OnEnd(func(age time.Duration) { options.Observer.RecordJob(context.Background(), key.family, age) })
			}
			return state
		}, func(state *familyState) bool { return state.slots == nil || state.slots.Idle() }),
	}
	r.keys = resilience.NewRegistry(maxKeys, func(secret.Key) *keyState {
		limiter := resilience.NewLimiter(resilience.NewWindow(policies.Window), policies.Queue)
		return &keyState{
			limiter: limiter, budget: resilience.NewLocalBudget(policies.Default.Budget), creations: newCreations(),
			pace: jobs.NewPace(func() float64 { return r.pollRate(limiter) }),
		}
	}, nil)
	return r
}

func (r *resilient) unary(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	c := callOf(ctx)
	if c.plan == nil {
		return next(ctx, in)
	}
	return r.do(ctx, c, in, next)
}

// do runs an exchange under the policy of the call's RPC: next makes one attempt.
func (r *resilient) do(ctx context.Context, c *call, in any, next grpc.UnaryHandler) (any, error) {
	c.key, c.ownKey = r.options.keyOf(ctx)
	c.resent = resent(ctx)
	return r.run(ctx, c, in, next)
}

// A course is what the loop of one call holds on to, in one piece of memory.
type course struct {
	loop      resilience.Call
	watcher   watcher
	exchange  exchange
	operation operation
}

// run makes the exchange of a call that is known in full, with its key.
func (r *resilient) run(ctx context.Context, c *call, in any, next grpc.UnaryHandler) (any, error) {
	key := r.keys.Use(c.key)
	defer key.Release()
	family := r.families.Use(familyKey{key: c.key, family: c.plan.Family})
	defer family.Release()

	way := &course{
		loop: resilience.Call{
			Policy:  family.Value.policy,
			Timeout: c.plan.AttemptTimeout, TimeoutCause: mavera.ErrAttemptTimeout,
			Class: c.class, Caller: c.caller, Family: c.plan.Family, Resent: c.resent,
			Budget: key.Value.budget, Limiter: key.Value.limiter, Breaker: family.Value.breaker,
			Enroll: c.life.enroll,
			Random: rand.Float64,
		},
		watcher:  watcher{resilient: r, call: c, breaker: family.Value.breaker},
		exchange: exchange{call: c},
	}
	call, e, op := &way.loop, &way.exchange, &way.operation
	r.operation(op, c)
	way.watcher.exchange, call.Watch = op.exchange, &way.watcher
	if c.plan.Capped {
		call.Slots = family.Value.slots
	}
	if c.plan.Kind == transcode.Events {
		call.Timeout = 0 // it bounds the time to the first event, which the exchange knows
	}
	if c.class == resilience.Poll {
		once := *call.Policy
		once.Attempts = 1 // the next poll repeats it, and the budget is for callers
		call.Policy = &once
	}
	c.loop = call
	e.slow = call.Policy.SlowDeadline
	lookUp := r.lookUps.of(c, key.Value.creations)
	defer lookUp.end()
	if lookUp != nil {
		call.Settle = func(ctx context.Context, lease *resilience.Lease, o *resilience.Outcome) {
			if answer := lookUp.settle(ctx, o); answer != nil {
				e.out = answer
				r.jobs.learn(c, lease, family.Value.slots, e.out, nil)
			}
		}
	}
	waited, err := resilience.Do(ctx, call, func(ctx context.Context, lease *resilience.Lease, o *resilience.Outcome) {
		lookUp.sending()
		askedAt := time.Now()
		e.attempt(ctx, in, next, askedAt, o)
		lookUp.answered(e.out, o.Err)
		r.jobs.learn(c, lease, family.Value.slots, e.out, o.Err)
		r.watches.learn(c, askedAt, e.out, o.Err)
	})
	c.waited = waited
	if err != nil {
		err = e.failure(err)
		op.end(err)
		return nil, err
	}
	op.end(nil)
	return e.out, nil
}

// stream runs the handler of events once per attempt. The other streams are no single
// exchange: their handlers call do for each that they make.
func (r *resilient) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	c := callOf(stream.Context())
	if c.plan == nil || c.plan.Kind != transcode.Events {
		return next(srv, stream)
	}
	_, err := r.do(stream.Context(), c, nil, func(ctx context.Context, _ any) (any, error) {
		return nil, next(srv, streamWithContext{stream, ctx})
	})
	return err
}

// resent reports whether the call is itself a retry: of a gRPC client (gRFC A6) or
// of an Envoy on the way, which counts attempts from 1.
func resent(ctx context.Context) bool {
	count := func(name string) int {
		text, ok := sent(ctx, name)
		if !ok {
			return 0 // strconv would make an error of it
		}
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
