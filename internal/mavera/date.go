package mavera

import (
	"net/http"
	"sync/atomic"
	"time"
)

// dates reads the Date of answers. Those of one second have the same text, so the last
// one is kept: reading it costs as much as all other headers together.
type dates struct{ last atomic.Pointer[date] }

type date struct {
	text string
	at   time.Time
}

// of returns when an answer was made, by the clock of who made it; zero where it does not
// say so, or what it says makes no sense.
func (d *dates) of(header http.Header) time.Time {
	text := header.Get("Date")
	if text == "" {
		return time.Time{}
	}
	if last := d.last.Load(); last != nil && last.text == text {
		return last.at
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return time.Time{}
	}
	d.last.Store(&date{text: text, at: at})
	return at
}
