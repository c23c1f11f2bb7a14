package mavera

import (
	"net/http"
	"testing"
	"time"
)

func TestDates(t *testing.T) {
	var d dates
	first := time.Date(2026, 1, 24, 9, 30, 0, 0, time.UTC)
	for _, row := range []struct {
		text string
		want time.Time
	}{
		{"", time.Time{}},
		{"Sat, 24 Jan 2026 09:30:00 GMT", first},
		{"Sat, 24 Jan 2026 09:30:00 GMT", first},
		{"yesterday", time.Time{}},
		{"Sat, 24 Jan 2026 09:30:01 GMT", first.Add(time.Second)},
		{"Saturday, 24-Jan-26 09:30:02 GMT", first.Add(2 * time.Second)}, // RFC 850, which RFC 9110 5.6.7 lets be read
		{"Sat, 24 Jan 2026 09:30:00 GMT", first},
		{"", time.Time{}},
	} {
		if got := d.of(http.Header{"Date": {row.text}}); !got.Equal(row.want) {
			t.Errorf("%q: %v, want %v", row.text, got, row.want)
		}
	}
	if got := d.of(nil); !got.IsZero() {
		t.Errorf("no header: %v", got)
	}
}
