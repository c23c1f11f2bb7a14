package simulator

import (
	"net/http"
	"strconv"
	"time"
)

// span is the length of the rate-limit window (/guides/rate-limits).
const span = 60 * time.Second

// window is the sliding window of one key: when its counted requests came.
type window struct {
	times []time.Time // Ascending.
}

// prune forgets requests that are span old.
func (w *window) prune(now time.Time) {
	n := 0
	for n < len(w.times) && !w.times[n].Add(span).After(now) {
		n++
	}
	w.times = append(w.times[:0], w.times[n:]...)
}

// take counts one request unless the limit is reached.
func (w *window) take(now time.Time, limit int) bool {
	w.prune(now)
	if len(w.times) >= limit {
		return false
	}
	w.times = append(w.times, now)
	return true
}

// resets is when the window resets, by the given reading.
func (w *window) resets(now time.Time, r Reading) time.Time {
	switch {
	case len(w.times) == 0:
		return now
	case r == WindowEmpties:
		return w.times[len(w.times)-1].Add(span)
	default:
		return w.times[0].Add(span)
	}
}

// count counts a call in the window of its key and sets the three headers, or
// refuses it; a refused call does not count. The caller holds mu.
func (s *Simulator) count(key string, header http.Header) *apiError {
	lapsed := s.options.Keys[key] == KeyLapsed
	if s.settings.Limit < 0 {
		return lapse(lapsed)
	}
	w, now := s.window(key), s.now()
	taken := w.take(now, s.settings.Limit)
	reset := w.resets(now, s.settings.Reset)
	header.Set("X-RateLimit-Limit", strconv.Itoa(s.settings.Limit))
	header.Set("X-RateLimit-Remaining", strconv.Itoa(max(s.settings.Limit-len(w.times), 0)))
	header.Set("X-RateLimit-Reset", strconv.FormatInt(ceilUnix(reset.Add(s.settings.ClockSkew)), 10))
	if !taken {
		wait := reset.Sub(now)
		return tooMany("Too many requests; wait "+strconv.FormatInt(seconds(wait), 10)+" seconds.", wait)
	}
	return lapse(lapsed)
}

func lapse(lapsed bool) *apiError {
	if lapsed {
		return unpaid("credits_exhausted", "The subscription has lapsed.")
	}
	return nil
}

func (s *Simulator) window(key string) *window {
	w := s.windows[key]
	if w == nil {
		w = &window{}
		s.windows[key] = w
	}
	return w
}

// UseWindow counts n requests of somebody else in the window of a key, as far as
// there is room, and returns how many were counted.
func (s *Simulator) UseWindow(key string, n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, now := s.window(key), s.now()
	used := 0
	for used < n && (s.settings.Limit < 0 || w.take(now, s.settings.Limit)) {
		used++
	}
	return used
}

func ceilUnix(t time.Time) int64 {
	u := t.Unix()
	if t.Nanosecond() > 0 {
		u++
	}
	return u
}
