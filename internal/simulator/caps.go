package simulator

import "time"

// The documented caps per key (/guides/rate-limits).
const (
	maveCap  = 10 // Concurrent requests to /mave/chat.
	focusCap = 5  // Running focus groups.
	videoCap = 3  // Running video analyses.
)

// enterMave takes one of the ten places for Mave calls of a key.
func (s *Simulator) enterMave(key string) *apiError {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[key] >= maveCap {
		return tooMany("Too many concurrent requests.", time.Second)
	}
	s.running[key]++
	return nil
}

func (s *Simulator) leaveMave(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[key]--; s.running[key] <= 0 {
		delete(s.running, key)
	}
}

// jobCap refuses a job when its key has as many running as allowed.
func (c *call) jobCap(t *table, limit int) *apiError {
	running, wait := 0, time.Duration(0)
	for _, r := range t.order {
		if r.owner != c.key || r.job == nil || r.job.final(c.now) {
			continue
		}
		running++
		if left := r.job.ends().Sub(c.now); wait == 0 || left < wait {
			wait = left
		}
	}
	if running >= limit {
		return tooMany("Too many running jobs.", wait)
	}
	return nil
}
