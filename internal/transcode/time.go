package transcode

import (
	"math"
	"strconv"
	"time"
)

// parseTime reads a time in one of the forms of ISO 8601 that are met: RFC 3339
// first, then with a space, a shorter zone or none, which is taken as UTC, and the
// date alone. Fractions may follow the seconds.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range [...]string{
		time.RFC3339,
		"2006-01-02T15:04:05",
		"2006-01-02 15:04:05Z07:00",
		"2006-01-02 15:04:05",
		"2006-01-02T15:04Z07:00",
		"2006-01-02T15:04:05Z0700",
		time.DateOnly,
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// parseUnix reads Unix seconds, with or without a fraction.
func parseUnix(digits []byte, integer bool) (time.Time, bool) {
	if integer {
		n, err := strconv.ParseInt(string(digits), 10, 64)
		return time.Unix(n, 0).UTC(), err == nil && math.Abs(float64(n)) < 1<<40
	}
	x, err := strconv.ParseFloat(string(digits), 64)
	if err != nil || math.Abs(x) >= 1<<40 {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(x)
	// A double of this size holds microseconds.
	return time.Unix(int64(whole), int64(math.Round(fraction*1e6))*1000).UTC(), true
}
