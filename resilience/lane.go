package resilience

import (
	"math"
	"time"
)

// lane spreads the places of one class evenly, and counts what the class is owed
// while others are served before it.
type lane struct {
	per    int       // How many places of others make one owed to this class.
	others int       // Places given to others while this class waited.
	last   time.Time // When the last place was taken, or was to be taken.
}

// newLane returns a lane that is owed a share of all places given.
func newLane(share float64) lane {
	return lane{per: max(int(math.Round(1/share))-1, 1)}
}

// owed is how many of the waiting calls of the class come before a call of another
// class, after further places have gone to others.
func (l *lane) owed(further, waiting int) int {
	return min((l.others+further)/l.per, waiting)
}

// before is how many places others may get before the n-th call of the class.
func (l *lane) before(n int) int { return max(n*l.per-l.others, 0) }

// due is the earliest time of the next call of the class.
func (l *lane) due(spacing time.Duration) time.Time { return l.last.Add(spacing) }

// give notes that a place has been given, to this class or to another. Lateness of up
// to a quarter of the spacing is made up for, so that slow timers cost no throughput.
// What is owed never exceeds a share of the window.
func (l *lane) give(now time.Time, mine bool, waiting int, spacing time.Duration, places int) {
	switch {
	case mine:
		l.others = max(l.others-l.per, 0)
		if l.last = l.due(spacing); now.Sub(l.last) > spacing/4 {
			l.last = now
		}
	case waiting == 0:
		l.others = 0
	default:
		l.others = min(l.others+1, max(places/(l.per+1), 1)*l.per)
	}
}
