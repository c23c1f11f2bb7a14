package resilience

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	errUpstream = errors.New("the upstream failed")
	errTimeout  = errors.New("the attempt's timeout passed")
	errLeft     = errors.New("the caller left")
)

// stage is the state of a key and a family, the script of its upstream, and what came
// of it. Jitter is always half of its ceiling: retries come after 250 ms, 500 ms, 1 s.
type stage struct {
	policy  Policy
	budget  *LocalBudget
	breaker *LocalBreaker
	limiter *Limiter
	slots   *Bulkhead

	mu       sync.Mutex
	begin    time.Time
	script   []reply // Guarded by mu, as is all below.
	attempts []string
	told     []string
}

// reply is what the upstream does: outcome after a time.
type reply struct {
	after   time.Duration
	outcome Outcome
}

func newStage(change func(*Policy), script ...reply) *stage {
	policy := DefaultPolicy()
	if change != nil {
		change(&policy)
	}
	s := &stage{
		policy: policy, begin: time.Now(), script: script,
		budget: NewLocalBudget(policy.Budget), breaker: NewLocalBreaker(policy.Breaker),
		limiter: NewLimiter(NewWindow(WindowPolicy{}), QueuePolicy{}),
	}
	if policy.Caps.Slots > 0 {
		s.slots = NewBulkhead(policy.Caps, NewLocalSlots())
	}
	return s
}

// call makes one call; change edits it.
func (s *stage) call(ctx context.Context, change ...func(*Call)) (time.Duration, error) {
	call := &Call{
		Policy: &s.policy, Timeout: time.Minute, TimeoutCause: errTimeout, Family: "personas", Caller: "tester",
		Budget: s.budget, Breaker: s.breaker, Limiter: s.limiter, Slots: s.slots,
		Random: func() float64 { return 0.5 }, Watch: s,
	}
	for _, c := range change {
		c(call)
	}
	return Do(ctx, call, s.attempt)
}

// attempt plays the next line of the script; beyond its end all is well.
func (s *stage) attempt(ctx context.Context, _ *Lease, o *Outcome) {
	s.mu.Lock()
	next := reply{outcome: well}
	if len(s.script) > 0 {
		next, s.script = s.script[0], s.script[1:]
	}
	s.attempts = append(s.attempts, s.at())
	s.mu.Unlock()
	select {
	case <-time.After(next.after):
		*o = next.outcome
	case <-ctx.Done():
		*o = Outcome{Err: context.Cause(ctx), Sends: 1}
		if errors.Is(o.Err, errTimeout) {
			o.Reason, o.Unknown, o.Result = "timeout", true, Failure
		}
	}
}

// at is how much time has passed.
func (s *stage) at() string { return time.Since(s.begin).String() }

func (s *stage) tell(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, text)
}

func (s *stage) Retried(reason string, pause time.Duration) { s.tell(reason + " " + pause.String()) }
func (s *stage) BudgetSpent()                               { s.tell("budget spent") }
func (s *stage) Changed(t Transition)                       { s.tell(t.From.String() + " to " + t.To.String()) }

func (s *stage) Waited(slot, place time.Duration) {
	if wait := slot + place; wait > 0 {
		s.tell("waited " + wait.String())
	}
}

func (s *stage) Attempting(ctx context.Context) context.Context { return ctx }
func (s *stage) Attempted(context.Context)                      {}

// The outcomes of the scripts.
var (
	well = Outcome{Result: Success, Sends: 1}
	// unavailable is a 503.
	unavailable = Outcome{Err: errUpstream, Reason: "503", Repeat: true, Result: Failure, Sends: 1}
	// invalid is a 400.
	invalid = Outcome{Err: errUpstream, Reason: "400", Result: Success, Sends: 1}
	// unclear is a connection lost by a call that is not idempotent.
	unclear = Outcome{Err: errUpstream, Reason: "lost", Unknown: true, Result: Failure, Sends: 1}
	// unsent is a connection that could not be had.
	unsent = Outcome{Err: errUpstream, Reason: "unsent", Repeat: true, Result: Failure}
)

// throttled is a 429 without headers of the rate limit.
func throttled(wait time.Duration) Outcome {
	return Outcome{Err: errUpstream, Reason: "429", Repeat: true, Result: Success, Sends: 1, Throttled: true, RetryAfter: wait, HasRetryAfter: true}
}

// capped is a 429 though the key has room.
func capped(wait time.Duration) Outcome {
	o := throttled(wait)
	o.Headers = Headers{Limit: 60, HasLimit: true, Remaining: 40, HasRemaining: true}
	return o
}

func resent(o Outcome, sends int) Outcome {
	o.Sends = sends
	return o
}

func asking(o Outcome, wait time.Duration) Outcome {
	o.RetryAfter, o.HasRetryAfter = wait, true
	return o
}

// ending is what a caller sees, and what is left behind.
type ending struct {
	Attempts []string // when they began
	Told     []string
	Waited   string
	Took     string
	Err      string
	Own      int // places taken in the window
}

// TestDo walks single calls from begin to end.
func TestDo(t *testing.T) {
	at := func(offsets ...string) []string { return offsets }
	for _, row := range []struct {
		name     string
		change   func(*Policy)
		script   []reply
		deadline time.Duration // 0: none
		cancel   time.Duration // 0: never
		want     ending
	}{
		{
			name: "success", script: []reply{{time.Second, well}},
			want: ending{Attempts: at("0s"), Waited: "0s", Took: "1s", Own: 1},
		},
		{
			name: "three 500s, then success", script: []reply{{time.Second, unavailable}, {time.Second, unavailable}, {0, unavailable}},
			want: ending{Attempts: at("0s", "1.25s", "2.75s", "3.75s"), Told: at("503 250ms", "503 500ms", "503 1s"), Waited: "1.75s", Took: "3.75s", Own: 4},
		},
		{
			name: "one failure too many", script: []reply{{0, unavailable}, {0, unavailable}, {0, unavailable}, {0, unavailable}},
			want: ending{Attempts: at("0s", "250ms", "750ms", "1.75s"), Told: at("503 250ms", "503 500ms", "503 1s"), Waited: "1.75s", Took: "1.75s", Err: "the upstream failed", Own: 4},
		},
		{
			name: "never retried by policy", change: func(p *Policy) { p.Attempts = 1 }, script: []reply{{0, unavailable}},
			want: ending{Attempts: at("0s"), Waited: "0s", Took: "0s", Err: "the upstream failed", Own: 1},
		},
		{
			name: "not to be repeated", script: []reply{{0, invalid}},
			want: ending{Attempts: at("0s"), Waited: "0s", Took: "0s", Err: "the upstream failed", Own: 1},
		},
		{
			name: "429 with Retry-After: jitter comes on top", script: []reply{{0, throttled(7 * time.Second)}},
			want: ending{Attempts: at("0s", "7.25s"), Told: at("429 7.25s"), Waited: "7.25s", Took: "7.25s", Own: 2},
		},
		{
			name: "Retry-After of the longest", script: []reply{{0, throttled(2 * time.Minute)}}, // the first request has left
			want: ending{Attempts: at("0s", "2m0.25s"), Told: at("429 2m0.25s"), Waited: "2m0.25s", Took: "2m0.25s", Own: 1},
		},
		{
			name: "Retry-After that is too long is not waited for", script: []reply{{0, throttled(2*time.Minute + 1)}},
			want: ending{Attempts: at("0s"), Waited: "0s", Took: "0s", Err: "the upstream failed", Own: 1},
		},
		{
			name: "503 with Retry-After", script: []reply{{0, asking(unavailable, 2*time.Second)}},
			want: ending{Attempts: at("0s", "2.25s"), Told: at("503 2.25s"), Waited: "2.25s", Took: "2.25s", Own: 2},
		},
		{
			name: "Retry-After beyond the deadline", deadline: 7 * time.Second, script: []reply{{0, throttled(7 * time.Second)}},
			want: ending{Attempts: at("0s"), Waited: "0s", Took: "0s", Err: "the upstream failed", Own: 1},
		},
		{
			name: "a pause that ends at the deadline", deadline: 250 * time.Millisecond, script: []reply{{0, unavailable}},
			want: ending{Attempts: at("0s"), Waited: "0s", Took: "0s", Err: "the upstream failed", Own: 1},
		},
		{
			name: "a pause that ends just before it", deadline: 251 * time.Millisecond, script: []reply{{0, unavailable}},
			want: ending{Attempts: at("0s", "250ms"), Told: at("503 250ms"), Waited: "250ms", Took: "250ms", Own: 2},
		},
		{
			name: "the deadline in the second attempt", deadline: 2 * time.Second, script: []reply{{0, unavailable}, {time.Minute, well}},
			want: ending{Attempts: at("0s", "250ms"), Told: at("503 250ms"), Waited: "250ms", Took: "2s", Err: "context deadline exceeded", Own: 2},
		},
		{
			name: "a caller who leaves in the pause", cancel: 400 * time.Millisecond, script: []reply{{0, throttled(time.Second)}},
			want: ending{Attempts: at("0s"), Told: at("429 1.25s"), Waited: "400ms", Took: "400ms", Err: "the caller left", Own: 1},
		},
		{
			name: "a caller who leaves in the attempt", cancel: time.Second, script: []reply{{time.Minute, well}},
			want: ending{Attempts: at("0s"), Waited: "0s", Took: "1s", Err: "the caller left", Own: 1},
		},
		{
			name: "a caller who left before", cancel: -1,
			want: ending{Waited: "0s", Took: "0s", Err: "the caller left"},
		},
		{
			name: "an unknown outcome", script: []reply{{0, unclear}},
			want: ending{Attempts: at("0s"), Waited: "0s", Took: "0s", Err: "the upstream failed", Own: 1},
		},
		{
			name: "an unknown outcome, repeated by policy", change: func(p *Policy) { p.RepeatUnknown = true }, script: []reply{{0, unclear}},
			want: ending{Attempts: at("0s", "250ms"), Told: at("lost 250ms"), Waited: "250ms", Took: "250ms", Own: 2},
		},
		{
			name: "the attempt's timeout, repeated by policy", change: func(p *Policy) { p.RepeatUnknown = true }, script: []reply{{time.Hour, well}},
			want: ending{Attempts: at("0s", "1m0.25s"), Told: at("timeout 250ms"), Waited: "250ms", Took: "1m0.25s", Own: 1},
		},
		{
			name: "resent by net/http: charged", script: []reply{{0, resent(well, 3)}},
			want: ending{Attempts: at("0s"), Waited: "0s", Took: "0s", Own: 3},
		},
		{
			name: "nothing sent: the places are free again", script: []reply{{0, unsent}, {0, unsent}},
			want: ending{Attempts: at("0s", "250ms", "750ms"), Told: at("unsent 250ms", "unsent 500ms"), Waited: "750ms", Took: "750ms", Own: 1},
		},
		{
			name: "the breaker opens and stays open longer than the pause", change: func(p *Policy) { p.Breaker.Failures = 2 },
			script: []reply{{0, unavailable}, {0, unavailable}},
			want: ending{
				Attempts: at("0s", "250ms"), Told: at("503 250ms", "closed to open"), Waited: "250ms", Took: "250ms",
				Err: "the upstream failed\nthe circuit breaker is open until 2000-01-01T00:00:30Z", Own: 2,
			},
		},
		{
			name:   "the breaker is through with its cooldown when the pause is",
			change: func(p *Policy) { p.Breaker.Failures = 1 }, script: []reply{{0, asking(unavailable, 30*time.Second)}},
			want: ending{
				Attempts: at("0s", "30.25s"), Told: at("closed to open", "503 30.25s", "open to half-open", "half-open to closed"),
				Waited: "30.25s", Took: "30.25s", Own: 2,
			},
		},
		{
			name: "no budget", change: func(p *Policy) { p.Budget = BudgetPolicy{} }, script: []reply{{0, unavailable}},
			want: ending{Attempts: at("0s"), Told: at("budget spent"), Waited: "0s", Took: "0s", Err: "the upstream failed", Own: 1},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(row.change, row.script...)
				ctx, cancel := context.WithCancelCause(t.Context())
				if row.cancel != 0 {
					time.AfterFunc(row.cancel, func() { cancel(errLeft) })
					synctest.Wait()
				}
				if row.deadline > 0 {
					var stop context.CancelFunc
					ctx, stop = context.WithTimeout(ctx, row.deadline)
					defer stop()
				}
				waited, err := s.call(ctx)
				got := ending{Attempts: s.attempts, Told: s.told, Waited: waited.String(), Took: s.at(), Own: s.limiter.Usage().Own}
				if err != nil {
					got.Err = err.Error()
				}
				if diff := cmp.Diff(row.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				cancel(nil)
			})
		})
	}
}
