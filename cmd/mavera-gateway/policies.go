package main

import (
	"fmt"

	"github.com/mavera-gateway/mavera-gateway/internal/config"
	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
	"github.com/mavera-gateway/mavera-gateway/resilience"
	"github.com/mavera-gateway/mavera-gateway/server"
)

// policies are those that the settings ask for.
func policies(cfg *config.Config) (server.Policies, error) {
	base := resilience.DefaultPolicy()
	base.Attempts = cfg.RetryAttempts
	base.Backoff = resilience.Backoff{Base: cfg.RetryBase, Cap: cfg.RetryCap}
	base.MaxRetryAfter = cfg.RetryAfterMax
	base.RepeatUnknown = cfg.RepeatUnknownOutcome
	base.SlowDeadline = cfg.BreakerSlowDeadline
	base.Breaker = resilience.BreakerPolicy{
		Failures: cfg.BreakerFailures, Cooldown: cfg.BreakerCooldown, MaxCooldown: cfg.BreakerMaxCooldown,
	}
	base.Budget.Ratio, base.Budget.Stock = cfg.RetryBudgetRatio, cfg.RetryBudgetStock

	mave, focus, video := base, base, base
	mave.SlowDeadline = cfg.MaveSlowDeadline
	var err error
	if mave.Caps, err = (resilience.Caps{Slots: cfg.MaveSlots}).Scale(cfg.Share); err != nil {
		return server.Policies{}, fmt.Errorf("mave_slots: %w", err)
	}
	if focus.Caps, err = server.FocusGroupCaps(cfg.FocusGroupSlots).Scale(cfg.Share); err != nil {
		return server.Policies{}, fmt.Errorf("focus_group_slots: %w", err)
	}
	if video.Caps, err = server.VideoAnalysisCaps(cfg.VideoAnalysisSlots).Scale(cfg.Share); err != nil {
		return server.Policies{}, fmt.Errorf("video_analysis_slots: %w", err)
	}
	return server.Policies{
		Window: resilience.WindowPolicy{
			StartLimit: cfg.RateLimitStart, Share: cfg.Share, Unconfirmed: cfg.RateUnconfirmed, BatchShare: cfg.BatchShare,
		},
		Queue:   resilience.QueuePolicy{Factor: cfg.QueueFactor},
		Default: base,
		Families: map[string]resilience.Policy{
			server.MaveFamily: mave, server.FocusGroupsFamily: focus, server.VideoAnalysesFamily: video,
		},
		Polls: map[string]jobs.Interval{
			server.FocusGroupsFamily:   {Least: cfg.FocusGroupPoll, Most: cfg.FocusGroupPoll},
			server.VideoAnalysesFamily: {Least: cfg.VideoAnalysisPoll, Most: 2 * cfg.VideoAnalysisPoll},
			server.BrandVoicesFamily:   {Least: cfg.BrandVoicePoll, Most: cfg.BrandVoicePoll},
			server.MeetingsFamily:      {Least: cfg.MeetingPoll, Most: cfg.MeetingPoll},
		},
	}, nil
}
