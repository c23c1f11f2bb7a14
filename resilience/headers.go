package resilience

import (
	"sort"
	"time"
)

// Headers are what an answer told of the upstream's window. The zero value is an
// answer without such headers, or no answer at all.
type Headers struct {
	Limit, Remaining       int
	HasLimit, HasRemaining bool
	// Reset is when the oldest counted request leaves or when the window is empty:
	// the documentation allows both. By the upstream's clock; zero: not told.
	Reset time.Time
	// Date is when the upstream answered, by its clock. Zero: not told.
	Date time.Time
	// Unreadable says that the answer had a Retry-After that made no sense; it is
	// ignored and counted like these.
	Unreadable bool
	// Unsent says that the request was never sent and took no place. One that was
	// refused with 429 took one, for all we know.
	Unsent bool
}

// Beyond these, headers are nonsense.
const (
	maxLimit   = 1_000_000
	resetSlack = 2 * time.Second // Date is rounded down and Reset up, to seconds.
)

// Learn notes that the request sent at sentAt has been answered, or never will be,
// and what its answer told; it is due once for every place taken. Answers overtake
// one another: what was sent more than Margin before the newest used is old news,
// and what was sent within Margin of it is of the same moment, so that the highest
// use told counts. Numbers that make no sense are ignored and counted.
func (w *Window) Learn(now, sentAt time.Time, headers Headers) {
	w.advance(now)
	if sentAt.After(now) {
		sentAt = now
	}
	w.underWay = max(w.underWay-1, 0)
	if !sentAt.Before(w.since) {
		w.unanswered = max(w.unanswered-1, 0)
	}
	if headers.Unsent {
		w.giveBack(sentAt)
	}
	if headers.Unreadable {
		w.ignored++
	}
	if !headers.HasLimit && !headers.HasRemaining {
		return
	}
	if !w.sensible(headers) {
		w.ignored++
		return
	}
	if sentAt.Before(w.newest.Add(-w.policy.Margin)) {
		return
	}
	limit := w.limit
	if headers.HasLimit {
		limit = headers.Limit
	}
	if !sentAt.Before(w.newest) {
		w.newest, w.limit = sentAt, limit
	}
	if headers.HasRemaining {
		w.learnUse(now, sentAt, limit-headers.Remaining, headers)
	}
}

func (w *Window) learnUse(now, sentAt time.Time, use int, headers Headers) {
	if !sentAt.Before(w.since) {
		w.confirmed = true
	}
	if use >= w.peak.use || w.peak.sentAt.Before(w.newest.Add(-w.policy.Margin)) {
		w.peak = peak{use: use, sentAt: sentAt}
	}
	own := w.sentUntil(w.newest) - w.sentUntil(w.peak.sentAt.Add(-w.stay()))
	before := w.foreign.left(now)
	last := w.newest.Add(w.stay())
	w.foreign = foreign{
		count: max(w.peak.use-own, 0),
		guess: w.policy.Unconfirmed,
		first: earlier(w.reset(now, last, headers), last),
		last:  last,
	}
	w.foreignTotal += uint64(max(w.foreign.left(now)-before, 0))
}

// sensible tells whether the numbers can be true at all.
func (w *Window) sensible(h Headers) bool {
	limit := w.limit
	if h.HasLimit {
		limit = h.Limit
	}
	return limit > 0 && limit <= maxLimit && (!h.HasRemaining || h.Remaining >= 0 && h.Remaining <= limit)
}

// reset is Reset by the clock of this process, and unknown when it was not told or
// makes no sense. The answer's Date corrects the upstream's clock.
func (w *Window) reset(now, unknown time.Time, h Headers) time.Time {
	if h.Reset.IsZero() {
		return unknown
	}
	date := h.Date
	if date.IsZero() {
		date = now
	}
	wait := h.Reset.Sub(date)
	if wait < -w.policy.Span || wait > w.policy.Span+resetSlack {
		w.ignored++
		return unknown
	}
	return now.Add(wait)
}

// giveBack forgets the last own request sent until sentAt.
func (w *Window) giveBack(sentAt time.Time) {
	i := w.sentUntil(sentAt) - 1
	if i < w.gone {
		return
	}
	if w.own[i].class == Batch {
		w.batches--
	}
	w.own = append(w.own[:i], w.own[i+1:]...)
}

// peak is the highest use that headers told within the last Margin of requests.
type peak struct {
	use    int
	sentAt time.Time
}

// foreign is what others have in the window: count requests of which the first
// leaves at first and the rest one after another until last, where all have left;
// but no more than guess before last, since that they leave so early is a guess.
type foreign struct {
	count, guess int
	first, last  time.Time
}

// leaves is when the i-th of them leaves, from 0.
func (f *foreign) leaves(i int) time.Time {
	if i >= f.guess {
		return f.last
	}
	return f.first.Add(f.last.Sub(f.first) / time.Duration(min(f.count, f.guess)) * time.Duration(i))
}

// left is how many are still there.
func (f *foreign) left(now time.Time) int {
	return f.count - sort.Search(f.count, func(i int) bool { return f.leaves(i).After(now) })
}
