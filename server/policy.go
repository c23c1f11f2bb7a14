package server

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// Policies are the numbers by which calls are paced, repeated and held back.
type Policies struct {
	// Window is Mavera's rate limit, which all families of a key share.
	Window resilience.WindowPolicy
	// Queue is how calls wait for a place in the window.
	Queue resilience.QueuePolicy
	// Default goes for every family that Families does not name. Its budget is that of
	// the key.
	Default resilience.Policy
	// Families are the policies of single families.
	Families map[string]resilience.Policy
}

// Caps and latencies that Mavera documents (/guides/rate-limits, /quickstart-mave).
const (
	maveSlots        = 10
	maveSlowDeadline = 90 * time.Second
)

// DefaultPolicies returns the defaults; base goes for every family, but for what
// Mavera documents otherwise.
func DefaultPolicies(base resilience.Policy, share float64) (Policies, error) {
	mave := base
	mave.SlowDeadline = max(base.SlowDeadline, maveSlowDeadline)
	var err error
	if mave.Caps, err = (resilience.Caps{Slots: maveSlots}).Scale(share); err != nil {
		return Policies{}, fmt.Errorf("mave: %w", err)
	}
	return Policies{
		Window:   resilience.WindowPolicy{Share: share},
		Default:  base,
		Families: map[string]resilience.Policy{"mave": mave},
	}, nil
}

// Of returns the policy of a family.
func (p Policies) Of(family string) resilience.Policy {
	if policy, ok := p.Families[family]; ok {
		return policy
	}
	return p.Default
}

// Validate reports every number that makes no sense, by family and name.
func (p Policies) Validate() error {
	errs := []error{p.Default.Validate()}
	for family, policy := range p.Families {
		if err := policy.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", family, err))
		}
	}
	return errors.Join(errs...)
}

// Table shows the effective policy of every RPC.
func (p Policies) Table(plans []*transcode.Plan) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RPC\tFAMILY\tREPEAT\tATTEMPTS\tBACKOFF\tATTEMPT\tTOTAL\tBREAKER\tSLOTS")
	sorted := slices.Clone(plans)
	slices.SortStableFunc(sorted, func(a, b *transcode.Plan) int { return cmp.Compare(a.Family, b.Family) })
	for _, plan := range sorted {
		policy := p.Of(plan.Family)
		slots := "-"
		if plan.Capped && policy.Caps.Slots > 0 {
			slots = strconv.Itoa(policy.Caps.Slots)
		}
		repeat := "429, 500, 503, not sent"
		if plan.Idempotency != transcode.NonIdempotent || policy.RepeatUnknown {
			repeat += ", unknown outcome"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s to %s\t%s\t%s\t%d failures, %s to %s\t%s\n",
			plan.RPC, plan.Family, repeat, policy.Attempts, policy.Backoff.Base, policy.Backoff.Cap,
			plan.AttemptTimeout, plan.TotalTimeout,
			policy.Breaker.Failures, policy.Breaker.Cooldown, policy.Breaker.MaxCooldown, slots)
	}
	_ = w.Flush() // a strings.Builder does not fail
	return b.String()
}
