package jobs

import (
	"sync"
	"time"
)

// jitterShare is by how much an interval is lengthened at most, at random.
const jitterShare = 0.1

// An Interval bounds how far apart the polls of a job are, before all of them are
// stretched: a quarter of its age, within the bounds. Least is above 0.
type Interval struct{ Least, Most time.Duration }

// at is the interval for a job of an age.
func (i Interval) at(age time.Duration) time.Duration { return min(max(age/4, i.Least), i.Most) }

// A Pace fits all polls of a key into the part of its rate limit that is kept for them.
// Who polls says how often it would like to; where the sum of that is more than fits,
// every interval grows by the same factor.
//
// It is safe for concurrent use.
type Pace struct {
	rate func() float64

	mu     sync.Mutex
	wanted int64 // The sum of the shares, in polls a day. Guarded by mu.
}

// NewPace returns a pace. rate says how many polls a minute fit, above 0; it is asked
// again and again, as the limit is learnt.
func NewPace(rate func() float64) *Pace { return &Pace{rate: rate} }

// stretch is the factor by which intervals grow; at least 1.
func (p *Pace) stretch() float64 {
	const minutes = 24 * 60 // a day
	p.mu.Lock()
	wanted := float64(p.wanted) / minutes
	p.mu.Unlock()
	return max(wanted/p.rate(), 1)
}

// A share is what one poller wants of a pace. It belongs to its poller's goroutine.
type share struct {
	pace   *Pace
	wanted int64
}

// want says how many requests are to be sent in every interval; 0 is none any more.
// Days make whole numbers of it, of which the sum stays exact.
func (s *share) want(requests int, interval time.Duration) {
	wanted := int64(0)
	if requests > 0 {
		wanted = int64(requests) * int64(24*time.Hour) / int64(interval)
	}
	s.pace.mu.Lock()
	defer s.pace.mu.Unlock()
	s.pace.wanted += wanted - s.wanted
	s.wanted = wanted
}
