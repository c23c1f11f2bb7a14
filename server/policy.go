package server

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
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
	// Polls are how far apart the polls of a running job are, by family. Default
	// [DefaultPolls].
	Polls map[string]jobs.Interval
}

// MaveFamily is the family that Mavera's cap on concurrent calls is for, and whose
// answers take longest.
const MaveFamily = "mave"

// FocusGroupsFamily and VideoAnalysesFamily are the families whose running jobs Mavera
// caps.
const (
	FocusGroupsFamily   = "focus_groups"
	VideoAnalysesFamily = "video_analyses"
)

// BrandVoicesFamily and MeetingsFamily are the other families of jobs.
const (
	BrandVoicesFamily = "brand_voices"
	MeetingsFamily    = "meetings"
)

// DefaultPolls returns how far apart the polls of a running job are. Mavera documents 15
// to 30 s for a video analysis (/quickstart-video), which takes 2 to 10 min; a focus group
// takes 60 to 90 s. The others are not documented.
func DefaultPolls() map[string]jobs.Interval {
	return map[string]jobs.Interval{
		FocusGroupsFamily:   {Least: 5 * time.Second, Most: 5 * time.Second},
		VideoAnalysesFamily: {Least: 15 * time.Second, Most: 30 * time.Second},
		BrandVoicesFamily:   {Least: 5 * time.Second, Most: 5 * time.Second},
		MeetingsFamily:      {Least: 30 * time.Second, Most: 30 * time.Second},
	}
}

// Caps and latencies that Mavera documents (/guides/rate-limits, /quickstart-mave).
const (
	maveSlots          = 10
	maveSlowDeadline   = 90 * time.Second
	focusGroupSlots    = 5
	videoAnalysisSlots = 3
)

// How long a job may hold a slot of whose end nobody has heard: several times what
// Mavera documents, which is 60 to 90 s for a focus group and 2 to 10 min for a video
// analysis.
const (
	focusGroupMaxAge    = 30 * time.Minute
	videoAnalysisMaxAge = 60 * time.Minute
)

// FocusGroupCaps are the caps of focus_groups with that many running jobs.
func FocusGroupCaps(slots int) resilience.Caps {
	return resilience.Caps{Slots: slots, Jobs: true, MaxAge: focusGroupMaxAge}
}

// VideoAnalysisCaps are the caps of video_analyses with that many running jobs.
func VideoAnalysisCaps(slots int) resilience.Caps {
	return resilience.Caps{Slots: slots, Jobs: true, MaxAge: videoAnalysisMaxAge}
}

// DefaultPolicies returns the defaults; base goes for every family, but for what
// Mavera documents otherwise. share is the part of limit and caps that this process
// may use: above 0, at most 1, and an error where it leaves less than one slot.
func DefaultPolicies(base resilience.Policy, share float64) (Policies, error) {
	mave, focus, video := base, base, base
	mave.SlowDeadline = max(base.SlowDeadline, maveSlowDeadline)
	var err error
	if mave.Caps, err = (resilience.Caps{Slots: maveSlots}).Scale(share); err != nil {
		return Policies{}, fmt.Errorf("%s: %w", MaveFamily, err)
	}
	if focus.Caps, err = FocusGroupCaps(focusGroupSlots).Scale(share); err != nil {
		return Policies{}, fmt.Errorf("%s: %w", FocusGroupsFamily, err)
	}
	if video.Caps, err = VideoAnalysisCaps(videoAnalysisSlots).Scale(share); err != nil {
		return Policies{}, fmt.Errorf("%s: %w", VideoAnalysesFamily, err)
	}
	return Policies{
		Window:   resilience.WindowPolicy{StartLimit: 60, Share: share, Unconfirmed: 10, BatchShare: 0.1},
		Queue:    resilience.QueuePolicy{Factor: 10},
		Default:  base,
		Families: map[string]resilience.Policy{MaveFamily: mave, FocusGroupsFamily: focus, VideoAnalysesFamily: video},
		Polls:    DefaultPolls(),
	}, nil
}

// Of returns the policy of a family.
func (p Policies) Of(family string) resilience.Policy {
	if policy, ok := p.Families[family]; ok {
		return policy
	}
	return p.Default
}

// Poll returns how far apart the polls of a running job of a family are.
func (p Policies) Poll(family string) jobs.Interval {
	if interval, ok := p.Polls[family]; ok {
		return interval
	}
	return DefaultPolls()[family]
}

// isZero reports whether no policy is given at all.
func (p Policies) isZero() bool {
	return p.Window == resilience.WindowPolicy{} && p.Queue == resilience.QueuePolicy{} &&
		p.Default == resilience.Policy{} && len(p.Families) == 0 && len(p.Polls) == 0
}

// Validate reports every number that makes no sense, by family and name. Zero is the
// default where the number belongs to the window or its queue.
func (p Policies) Validate() error {
	var errs []error
	check := func(ok bool, name, rule string, value any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %s, is %v", name, rule, value))
		}
	}
	share := func(value float64) bool { return value >= 0 && value <= 1 } // not a number is no share
	check(p.Window.StartLimit >= 0, "window.start_limit", "must not be negative", p.Window.StartLimit)
	check(p.Window.Span >= 0, "window.span", "must not be negative", p.Window.Span)
	check(p.Window.Margin >= 0, "window.margin", "must not be negative", p.Window.Margin)
	check(share(p.Window.Share), "window.share", "must be from 0 to 1", p.Window.Share)
	check(p.Window.Unconfirmed >= 0, "window.unconfirmed", "must not be negative", p.Window.Unconfirmed)
	check(share(p.Window.BatchShare), "window.batch_share", "must be from 0 to 1", p.Window.BatchShare)
	check(share(p.Window.PollShare), "window.poll_share", "must be from 0 to 1", p.Window.PollShare)
	check(p.Queue.Factor >= 0, "queue.factor", "must not be negative", p.Queue.Factor)
	for _, family := range slices.Sorted(maps.Keys(p.Polls)) {
		poll := p.Polls[family]
		check(poll.Least > 0 && poll.Least <= poll.Most, "polls."+family, "must be above 0, and rise", poll)
	}
	errs = append(errs, p.Default.Validate())
	for _, family := range slices.Sorted(maps.Keys(p.Families)) {
		if err := p.Families[family].Validate(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", family, err))
		}
	}
	return errors.Join(errs...)
}

// Table shows what holds for a key as a whole, then the effective policy of every RPC.
func (p Policies) Table(plans []*transcode.Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Each key: %d requests in 60 s until Mavera's answers tell another limit, of which this process uses a share of %v;\n",
		p.Window.StartLimit, p.Window.Share)
	fmt.Fprintf(&b, "at most %d unanswered while it is unknown what is left; batch calls get at least %v of it; %d × limit calls may wait.\n",
		p.Window.Unconfirmed, p.Window.BatchShare, p.Queue.Factor)
	fmt.Fprintf(&b, "Polls of running jobs get at most %v of it, and are this far apart where that is enough:", cmp.Or(p.Window.PollShare, defaultPollShare))
	for i, family := range slices.Sorted(maps.Keys(DefaultPolls())) {
		if i > 0 {
			b.WriteByte(',')
		}
		poll := p.Poll(family)
		fmt.Fprintf(&b, " %s %s", family, poll.Least)
		if poll.Most > poll.Least {
			fmt.Fprintf(&b, "..%s", poll.Most)
		}
	}
	b.WriteString(".\n")
	budget := p.Default.Budget
	fmt.Fprintf(&b, "Retries of a key: %v of the calls of the last minute, and a stock of %d that regains at most %v a second and %v of the limit a minute.\n\n",
		budget.Ratio, budget.Stock, budget.Refill, budget.LimitShare)

	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FAMILY\tRPC\tREPEATED AFTER\tATTEMPTS\tBACKOFF\tRETRY-AFTER\tATTEMPT\tTOTAL\tBREAKER\tSLOW\tSLOTS")
	sorted := slices.Clone(plans)
	slices.SortStableFunc(sorted, func(a, b *transcode.Plan) int { return cmp.Compare(a.Family, b.Family) })
	for _, plan := range sorted {
		policy := p.Of(plan.Family)
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s..%s\tto %s\t%s\t%s\t%d, %s..%s\t%s\t%s\n",
			plan.Family, plan.RPC, repeated(plan, policy), policy.Attempts, policy.Backoff.Base, policy.Backoff.Cap, policy.MaxRetryAfter,
			plan.AttemptTimeout, plan.Total(),
			policy.Breaker.Failures, policy.Breaker.Cooldown, policy.Breaker.MaxCooldown, policy.SlowDeadline, slots(plan, policy))
	}
	_ = w.Flush() // a strings.Builder does not fail
	return b.String()
}

// repeated says after what a call is made again.
func repeated(plan *transcode.Plan, policy resilience.Policy) string {
	switch {
	case policy.Attempts == 1:
		return "nothing"
	case plan.Idempotency != transcode.NonIdempotent || policy.RepeatUnknown:
		return "429, 500, 503, not sent, unknown outcome"
	default:
		return "429, 500, 503, not sent"
	}
}

func slots(plan *transcode.Plan, policy resilience.Policy) string {
	if !plan.Capped || policy.Caps.Slots == 0 {
		return "-"
	}
	if policy.Caps.Jobs {
		return strconv.Itoa(policy.Caps.Slots) + " jobs"
	}
	return strconv.Itoa(policy.Caps.Slots)
}
