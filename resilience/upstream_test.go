package resilience

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// epoch is when the tests of this package begin.
var epoch = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// upstream is Mavera's window as its documentation tells it, and nothing else: a
// request that is not refused counts for 60 s.
type upstream struct {
	limit   int
	empties bool          // Reset tells when the window is empty, not when the oldest leaves.
	counts  bool          // Refused requests count, too.
	skew    time.Duration // How far its clock is ahead.
	times   []time.Time
}

// arrive counts a request, unless it refuses it, and tells the headers of the answer.
func (u *upstream) arrive(now time.Time) (ok bool, headers Headers) {
	for len(u.times) > 0 && now.Sub(u.times[0]) >= time.Minute {
		u.times = u.times[1:]
	}
	ok = len(u.times) < u.limit
	if ok || u.counts {
		u.times = append(u.times, now)
	}
	reset := now
	if n := len(u.times); n > 0 && u.empties {
		reset = u.times[n-1].Add(time.Minute)
	} else if n > 0 {
		reset = u.times[0].Add(time.Minute)
	}
	return ok, Headers{
		Limit: u.limit, HasLimit: true,
		Remaining: max(u.limit-len(u.times), 0), HasRemaining: true,
		Reset: reset.Add(u.skew + time.Second - 1).Truncate(time.Second),
		Date:  now.Add(u.skew).Truncate(time.Second),
	}
}

// events is a simulation in virtual time, without goroutines.
type events struct {
	now   time.Time
	queue eventHeap
	seq   int
	rand  *rand.Rand
}

type event struct {
	at  time.Time
	seq int
	do  func()
}

type eventHeap []event

func (h *eventHeap) Len() int { return len(*h) }
func (h *eventHeap) Less(i, j int) bool {
	a, b := (*h)[i], (*h)[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.seq < b.seq
}
func (h *eventHeap) Swap(i, j int) { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }
func (h *eventHeap) Push(x any)    { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// after lets something happen later.
func (e *events) after(d time.Duration, do func()) {
	e.seq++
	heap.Push(&e.queue, event{at: e.now.Add(d), seq: e.seq, do: do})
}

// run lets happen what happens in the time.
func (e *events) run(d time.Duration) {
	end := e.now.Add(d)
	for len(e.queue) > 0 && !e.queue[0].at.After(end) {
		next := heap.Pop(&e.queue).(event)
		e.now = next.at
		next.do()
	}
	e.now = end
}

// upTo is a random time below d.
func (e *events) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(e.rand.Int64N(int64(d)))
}
