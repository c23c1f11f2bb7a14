package resilience_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	const date = "Sun, 01 Mar 2026 11:00:00 GMT" // an upstream whose clock is an hour behind
	tests := []struct {
		name, retryAfter, date string
		want                   time.Duration
		ok                     bool
	}{
		{name: "missing"},
		{name: "seconds", retryAfter: "30", want: 30 * time.Second, ok: true},
		{name: "seconds with space", retryAfter: " 30 ", date: date, want: 30 * time.Second, ok: true},
		{name: "zero", retryAfter: "0", ok: true},
		{name: "more than a year", retryAfter: "99999999999", want: 365 * 24 * time.Hour, ok: true},
		{name: "more than int64", retryAfter: "99999999999999999999", want: 365 * 24 * time.Hour, ok: true},
		{name: "fraction", retryAfter: "1.5"},
		{name: "negative", retryAfter: "-1"},
		{name: "words", retryAfter: "soon"},
		{name: "IMF-fixdate", retryAfter: "Sun, 01 Mar 2026 12:00:20 GMT", want: 20 * time.Second, ok: true},
		{name: "RFC 850", retryAfter: "Sunday, 01-Mar-26 12:00:20 GMT", want: 20 * time.Second, ok: true},
		{name: "asctime", retryAfter: "Sun Mar  1 12:00:20 2026", want: 20 * time.Second, ok: true},
		{name: "against the answer's Date", retryAfter: "Sun, 01 Mar 2026 11:00:20 GMT", date: date, want: 20 * time.Second, ok: true},
		{name: "unreadable Date", retryAfter: "Sun, 01 Mar 2026 12:00:20 GMT", date: "today", want: 20 * time.Second, ok: true},
		{name: "in the past", retryAfter: "Sun, 01 Mar 2026 10:00:00 GMT", date: date, ok: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			header.Set("Retry-After", test.retryAfter)
			header.Set("Date", test.date)
			if got, ok := resilience.RetryAfter(header, now); got != test.want || ok != test.ok {
				t.Errorf("RetryAfter(%q, Date %q) = %v, %v; want %v, %v", test.retryAfter, test.date, got, ok, test.want, test.ok)
			}
		})
	}
}
