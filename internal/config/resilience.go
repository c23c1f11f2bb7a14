package config

import (
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// paceRows say how calls are paced and how many are under way.
func paceRows() []*Setting {
	return []*Setting{
		row(Setting{
			Name: "share", Type: typeNumber, Unit: "above 0, at most 1", Default: "1",
			Help: "Part of Mavera's rate limit and concurrency caps that this process may use. With three replicas on one key: 0.334. A share that leaves less than one slot of a cap is refused.",
		}, func(c *Config) *float64 { return &c.Share }, parseShare),
		row(Setting{
			Name: "rate_limit_start", Type: typeInteger, Unit: "requests per minute, 1 to 100000", Default: "60",
			Help: "Rate limit of the key that is assumed until Mavera's answers tell it. The default is that of the smallest tier.",
		}, func(c *Config) *int { return &c.RateLimitStart }, intBetween(1, 100000)),
		row(Setting{
			Name: "rate_unconfirmed", Type: typeInteger, Unit: "requests, 1 to 10000", Default: "10",
			Help: "Requests that may be unanswered at a time while it is not known what others have left of the limit: after the start and after a 429.",
		}, func(c *Config) *int { return &c.RateUnconfirmed }, intBetween(1, 10000)),
		row(Setting{
			Name: "batch_share", Type: typeNumber, Unit: "0.01 to 0.5", Default: "0.1",
			Help: "Part of the rate limit that calls with x-priority: batch get, however many interactive ones wait.",
		}, func(c *Config) *float64 { return &c.BatchShare }, numberBetween(0.01, 0.5)),
		row(Setting{
			Name: "queue_factor", Type: typeInteger, Unit: "1 to 1000", Default: "10",
			Help: "Calls that may wait for their turn, as a multiple of the rate limit; those beyond end RESOURCE_EXHAUSTED, QUEUE_FULL.",
		}, func(c *Config) *int { return &c.QueueFactor }, intBetween(1, 1000)),
		row(Setting{
			Name: "mave_slots", Type: typeInteger, Unit: "1 to 1000", Default: "10",
			Help: "Calls of SendMaveMessage that may be under way at a time, before share is applied. The default is Mavera's cap.",
		}, func(c *Config) *int { return &c.MaveSlots }, intBetween(1, 1000)),
		row(Setting{
			Name: "focus_group_slots", Type: typeInteger, Unit: "1 to 1000", Default: "5",
			Help: "Focus groups that may run at a time, before share is applied. The default is Mavera's cap.",
		}, func(c *Config) *int { return &c.FocusGroupSlots }, intBetween(1, 1000)),
		row(Setting{
			Name: "video_analysis_slots", Type: typeInteger, Unit: "1 to 1000", Default: "3",
			Help: "Video analyses that may run at a time, before share is applied. The default is Mavera's cap.",
		}, func(c *Config) *int { return &c.VideoAnalysisSlots }, intBetween(1, 1000)),
		row(Setting{
			Name: "follow_jobs", Type: typeBool, Default: on,
			Help: "List running focus groups and video analyses at the start, and poll those that hold slots. Off: a slot is freed only when an answer to a caller shows that the job is over, or by its age.",
		}, func(c *Config) *bool { return &c.FollowJobs }, parseBool),
	}
}

// pollRows say how often running jobs are asked for: those that are watched, and those
// that hold slots. All polls together get a tenth of the rate limit, whatever these say.
func pollRows() []*Setting {
	every := func(name, value, help string, field func(c *Config) *time.Duration) *Setting {
		return row(Setting{Name: name, Type: typeDuration, Unit: "10ms to 1h", Default: value, Help: help}, field,
			durationBetween(10*time.Millisecond, time.Hour))
	}
	return []*Setting{
		every("focus_group_poll", "5s", "Time between polls of a focus group that is watched or holds a slot. It grows where the polls of all jobs would exceed a tenth of the rate limit.",
			func(c *Config) *time.Duration { return &c.FocusGroupPoll }),
		every("video_analysis_poll", "15s", "The same for a video analysis; it grows to twice as much as the analysis gets older. The default is Mavera's advice.",
			func(c *Config) *time.Duration { return &c.VideoAnalysisPoll }),
		every("brand_voice_poll", "5s", "The same for a brand voice that is watched.",
			func(c *Config) *time.Duration { return &c.BrandVoicePoll }),
		every("meeting_poll", "30s", "The same for a meeting that is watched.",
			func(c *Config) *time.Duration { return &c.MeetingPoll }),
	}
}

// retryRows say what is repeated, when, and how much of it.
func retryRows() []*Setting {
	return []*Setting{
		row(Setting{
			Name: "retry_attempts", Type: typeInteger, Unit: "1 (no retries) to 10", Default: "4",
			Help: "Attempts of one call at most, the first included.",
		}, func(c *Config) *int { return &c.RetryAttempts }, intBetween(1, 10)),
		row(Setting{
			Name: "retry_base", Type: typeDuration, Unit: "1ms to 1m", Default: "500ms",
			Help: "Ceiling of the pause before the first retry. It doubles from retry to retry, and the pause is a random part of it.",
		}, func(c *Config) *time.Duration { return &c.RetryBase }, durationBetween(time.Millisecond, time.Minute)),
		row(Setting{
			Name: "retry_cap", Type: typeDuration, Unit: "1ms to 10m", Default: "30s",
			Help: "Highest ceiling of the pause before a retry; not below retry_base.",
		}, func(c *Config) *time.Duration { return &c.RetryCap }, durationBetween(time.Millisecond, 10*time.Minute)),
		row(Setting{
			Name: "retry_after_max", Type: typeDuration, Unit: "0 to 1h", Default: "2m",
			Help: "Longest Retry-After of Mavera's that is waited for. On a longer one the error goes to the caller, with the full value.",
		}, func(c *Config) *time.Duration { return &c.RetryAfterMax }, durationBetween(0, time.Hour)),
		row(Setting{
			Name: "repeat_unknown_outcome", Type: typeBool, Default: off,
			Help: "Repeat calls that are not idempotent although Mavera may have carried them out. Mavera has no idempotency keys: a repeat can create, and bill, twice.",
		}, func(c *Config) *bool { return &c.RepeatUnknownOutcome }, parseBool),
		row(Setting{
			Name: "retry_budget_ratio", Type: typeNumber, Unit: "0 to 1", Default: "0.2",
			Help: "Retries that each call of the last minute pays for.",
		}, func(c *Config) *float64 { return &c.RetryBudgetRatio }, numberBetween(0, 1)),
		row(Setting{
			Name: "retry_budget_stock", Type: typeInteger, Unit: "0 to 10000", Default: "10",
			Help: "Retries that are there besides, for times of few calls. What is spent comes back with at most 3 a second and a tenth of the rate limit a minute.",
		}, func(c *Config) *int { return &c.RetryBudgetStock }, intBetween(0, 10000)),
	}
}

// breakerRows say when Mavera is left alone.
func breakerRows() []*Setting {
	return []*Setting{
		row(Setting{
			Name: "breaker_failures", Type: typeInteger, Unit: "1 to 1000", Default: "5",
			Help: "Failures in a row (5xx, no connection, no answer in time) after which the calls of a family are refused with CIRCUIT_OPEN.",
		}, func(c *Config) *int { return &c.BreakerFailures }, intBetween(1, 1000)),
		row(Setting{
			Name: "breaker_cooldown", Type: typeDuration, Unit: "100ms to 1h", Default: "30s",
			Help: "How long they are refused before one call is let through as a probe. It doubles while probes fail.",
		}, func(c *Config) *time.Duration { return &c.BreakerCooldown }, durationBetween(100*time.Millisecond, time.Hour)),
		row(Setting{
			Name: "breaker_max_cooldown", Type: typeDuration, Unit: "100ms to 24h", Default: "5m",
			Help: "What breaker_cooldown doubles up to; not below it.",
		}, func(c *Config) *time.Duration { return &c.BreakerMaxCooldown }, durationBetween(100*time.Millisecond, 24*time.Hour)),
		row(Setting{
			Name: "breaker_slow_deadline", Type: typeDuration, Unit: "100ms to 1h", Default: "10s",
			Help: "A caller's deadline that ends a sent attempt counts as a failure when the attempt took this long; a shorter one says more about the caller.",
		}, func(c *Config) *time.Duration { return &c.BreakerSlowDeadline }, durationBetween(100*time.Millisecond, time.Hour)),
		row(Setting{
			Name: "mave_slow_deadline", Type: typeDuration, Unit: "100ms to 1h", Default: "90s",
			Help: "The same for the family mave, whose answers take 30 to 90 s.",
		}, func(c *Config) *time.Duration { return &c.MaveSlowDeadline }, durationBetween(100*time.Millisecond, time.Hour)),
	}
}

// misfits are settings that are well-formed but do not go together. wrong has those
// that are wrong by themselves.
func (c Config) misfits(wrong map[string]bool, refuse func(name, value, format string, args ...any)) {
	order := func(low, high string, least, most time.Duration) {
		if !wrong[low] && !wrong[high] && most < least {
			refuse(high, shortDuration(most), "must not be below %s, which is %s (%s)", low, shortDuration(least), c.Source(low))
		}
	}
	order("retry_base", "retry_cap", c.RetryBase, c.RetryCap)
	order("breaker_cooldown", "breaker_max_cooldown", c.BreakerCooldown, c.BreakerMaxCooldown)
	slots := func(name string, slots int) {
		if wrong["share"] || wrong[name] {
			return
		}
		if _, err := (resilience.Caps{Slots: slots}).Scale(c.Share); err != nil {
			refuse("share", formatNumber(c.Share), "it leaves less than one of the %s, which are %d (%s)", name, slots, c.Source(name))
		}
	}
	slots("mave_slots", c.MaveSlots)
	slots("focus_group_slots", c.FocusGroupSlots)
	slots("video_analysis_slots", c.VideoAnalysisSlots)
}
