package simulator

import "time"

// The parts of a plan that the simulator only reports.
const (
	includedMinutes = 500
	includedStorage = 50 // GB.
)

// getUsage reports the billing period, a calendar month, from the ledger.
func (c *call) getUsage() (any, error) {
	st, l := c.s.state, c.s.state.ledger
	included := max(c.s.settings.Credits, 0)
	end := st.started.AddDate(0, 1, 0).Add(-time.Millisecond)
	var stored float64
	for _, f := range st.files.order {
		stored += number(f.doc["size"])
	}
	gb := round(stored / (1 << 30))
	return object{
		"object": "usage", "billing_period": object{"start": iso(st.started), "end": iso(end)},
		"credits": object{"used": l.used, "included": included, "remaining": max(included-l.used, 0), "percentage_used": share(l.used, included)},
		"transcription": object{
			"minutes_used": l.minutes, "minutes_included": includedMinutes, "minutes_remaining": includedMinutes - l.minutes,
			"percentage_used": share(l.minutes, includedMinutes),
		},
		"storage": object{
			"gb_used": gb, "gb_included": includedStorage, "gb_remaining": max(includedStorage-gb, 0), "percentage_used": share(gb, includedStorage),
		},
		"api_requests": object{
			"total_requests": l.requests, "total_tokens": l.tokens[0] + l.tokens[1], "prompt_tokens": l.tokens[0], "completion_tokens": l.tokens[1],
			"credits_used": l.used, "error_count": l.failures, "avg_latency_ms": round(l.latencyMS / float64(max(l.requests, 1))),
		},
		"rate_limit":    object{"requests_per_minute": max(c.s.settings.Limit, 0)},
		"auto_recharge": object{"enabled": false, "threshold": 100, "credits_to_add": 1000},
		"limits":        object{"budget_alert": nil, "usage_limit": nil},
	}, nil
}

// share is a percentage with two decimals.
func share(part, whole float64) float64 {
	if whole <= 0 {
		return 100
	}
	return round(100 * part / whole)
}
