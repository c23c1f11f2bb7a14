package resilience

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSettle changes what came of attempts: it is shown every failure, while the slot is
// held and when the breaker knows of it.
func TestSettle(t *testing.T) {
	take := func(o *Outcome) { o.Err = nil }
	leave := func(*Outcome) {}
	stop := func(o *Outcome) { o.Repeat, o.Unknown = false, true }
	for _, row := range []struct {
		name     string
		script   []reply
		settle   func(*Outcome)
		deadline time.Duration
		policy   func(*Policy)
		want     ending
		settled  []string
	}{
		{
			"success is not shown",
			[]reply{{time.Second, well}},
			take, 0, nil,
			ending{Attempts: []string{"0s"}, Waited: "0s", Took: "1s", Own: 1},
			nil,
		},
		{
			"a failure becomes a success",
			[]reply{{0, unclear}},
			take, 0, nil,
			ending{Attempts: []string{"0s"}, Waited: "0s", Took: "3s", Own: 1},
			[]string{"lost 0s"},
		},
		{
			"a failure stays, and is repeated",
			[]reply{{0, unavailable}, {0, unavailable}},
			leave, 0, nil,
			ending{Attempts: []string{"0s", "3.25s", "6.75s"}, Told: []string{"503 250ms", "503 500ms"}, Waited: "750ms", Took: "6.75s", Own: 3},
			[]string{"503 0s", "503 3.25s"},
		},
		{
			"a failure is not to be repeated any more",
			[]reply{{0, unavailable}},
			stop, 0, nil,
			ending{Attempts: []string{"0s"}, Waited: "0s", Took: "3s", Err: "the upstream failed", Own: 1},
			[]string{"503 0s"},
		},
		{
			"but for a policy that repeats it",
			[]reply{{0, unavailable}},
			stop, 0, func(p *Policy) { p.RepeatUnknown = true },
			ending{Attempts: []string{"0s", "3.25s"}, Told: []string{"503 250ms"}, Waited: "250ms", Took: "3.25s", Own: 2},
			[]string{"503 0s"},
		},
		{
			"the breaker has learnt of it",
			[]reply{{0, unclear}},
			take, 0, func(p *Policy) { p.Breaker.Failures = 1 },
			ending{Attempts: []string{"0s"}, Told: []string{"closed to open"}, Waited: "0s", Took: "3s", Own: 1},
			[]string{"lost 0s"},
		},
		{
			"nobody is there any more",
			[]reply{{time.Minute, well}},
			take, time.Second, nil,
			ending{Attempts: []string{"0s"}, Waited: "0s", Took: "1s", Err: "context deadline exceeded", Own: 1},
			nil,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(func(p *Policy) {
					p.Caps = Caps{Slots: 1}
					if row.policy != nil {
						row.policy(p)
					}
				}, row.script...)
				ctx := t.Context()
				if row.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, row.deadline)
					defer cancel()
				}
				var settled []string
				waited, err := s.call(ctx, func(c *Call) {
					c.Settle = func(ctx context.Context, lease *Lease, o *Outcome) {
						if lease == nil || s.slots.Idle() || ctx.Err() != nil {
							t.Errorf("lease %v, slots %+v, context %v", lease, s.slots.Usage(), ctx.Err())
						}
						settled = append(settled, o.Reason+" "+s.at())
						time.Sleep(3 * time.Second)
						row.settle(o)
					}
				})
				got := ending{Attempts: s.attempts, Told: s.told, Waited: waited.String(), Took: s.at(), Own: s.limiter.Usage().Own}
				if err != nil {
					got.Err = err.Error()
				}
				if diff := cmp.Diff(row.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				if diff := cmp.Diff(row.settled, settled); diff != "" || !s.slots.Idle() {
					t.Errorf("settled, -want +got:\n%s%+v", diff, s.slots.Usage())
				}
			})
		})
	}
}
