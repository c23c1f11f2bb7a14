package resilience

import (
	"math"
	"time"
)

// Backoff says how long to wait before a retry: an exponential ceiling with full
// jitter, so that callers that failed together do not come back together ("Exponential
// Backoff And Jitter", AWS Architecture Blog, 2015, where full jitter needs the fewest
// calls). Mavera's error guide asks for exponential backoff with jitter and names no
// numbers; these are ours.
type Backoff struct {
	// Base is the ceiling of the first wait, 500 ms by default. It doubles from retry
	// to retry.
	Base time.Duration
	// Cap is the highest ceiling, 30 s by default: half of Mavera's window of 60 s.
	Cap time.Duration
}

// Delay returns the wait before a retry: at least 0 and below the lesser of Cap and
// Base × 2^retry. retry counts from 0. random is in [0, 1), as from rand.Float64, and
// decides where in that range the wait lies; anything else is taken for the nearer end.
func (b Backoff) Delay(retry int, random float64) time.Duration {
	ceiling := b.ceiling(max(retry, 0))
	if ceiling <= 0 || !(random > 0) { // not a number is no jitter either
		return 0
	}
	// Compared as a float, for a random out of range can pass the largest duration.
	if wait := random * float64(ceiling); wait < float64(ceiling-1) {
		return time.Duration(wait)
	}
	return ceiling - 1
}

// DelayAfter returns the wait before a retry when the answer named one (Retry-After,
// RFC 9110 section 10.2.3): that wait is never shortened, and [Backoff.Delay] comes on
// top of it, for otherwise everyone who was sent away returns in the same instant.
func (b Backoff) DelayAfter(retryAfter time.Duration, retry int, random float64) time.Duration {
	retryAfter = max(retryAfter, 0)
	jitter := b.Delay(retry, random)
	if jitter > math.MaxInt64-retryAfter {
		return math.MaxInt64
	}
	return retryAfter + jitter
}

// ceiling is min(Cap, Base × 2^retry), compared without the product, which overflows.
func (b Backoff) ceiling(retry int) time.Duration {
	if retry < 63 && b.Base <= b.Cap>>retry {
		return b.Base << retry
	}
	return b.Cap
}
