// Package resilience holds the mechanisms by which the gateway spares Mavera and
// its callers: each is a pure core that takes the time as an argument, and knows
// neither Mavera nor protobuf.
package resilience

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what RetryAfter returns, so that no sum of times overflows.
const maxRetryAfter = 365 * 24 * time.Hour

// RetryAfter reads the Retry-After header of an answer (RFC 9110 section 10.2.3):
// seconds, or a date in any of the three HTTP forms, which is measured against the
// answer's own Date so that a skewed clock does no harm; without a Date it is
// measured against now. A date in the past is zero. ok is false when the header is
// missing or cannot be read.
func RetryAfter(header http.Header, now time.Time) (wait time.Duration, ok bool) {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter, true // only the range can be wrong
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), maxRetryAfter), true
}
