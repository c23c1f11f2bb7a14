package resilience

import (
	"sort"
	"time"
)

// Class is what a call is for, as far as its place in the window is concerned.
type Class int

// The classes. Interactive, the zero value, is the default of callers.
const (
	Interactive Class = iota // Somebody waits: goes at once while there is room.
	Batch                    // Nobody waits: spread evenly over the window.
	Poll                     // The gateway's own questions about running jobs.
	classes     = iota
)

func (c Class) String() string {
	switch c {
	case Interactive:
		return "interactive"
	case Batch:
		return "batch"
	case Poll:
		return "poll"
	default:
		return "unknown"
	}
}

// Waiting is how many calls of each class wait for a place.
type Waiting [classes]int

// WindowPolicy holds the numbers of a Window. Each zero takes the default.
type WindowPolicy struct {
	// StartLimit is the number of requests in a Span until headers tell another.
	// Default 60 (Mavera's lowest tier, /guides/rate-limits).
	StartLimit int
	// Span is the length of the upstream's window. Default 60 s (/guides/rate-limits).
	Span time.Duration
	// Margin is how much longer than Span an own request counts: the difference
	// that two ways to the upstream may have. Default 250 ms.
	Margin time.Duration
	// Share, above 0 and at most 1, is the part of the limit that this process may
	// use, where several share a key; at least one request. Default 1.
	Share float64
	// Unconfirmed is how many requests may be sent on a guess, until headers
	// confirm what is left: at the start, after Close and where foreign requests
	// are only thought to have left. Default 10.
	Unconfirmed int
	// BatchShare is the part of the places that batch calls get however many
	// interactive calls press. Default 0.1.
	BatchShare float64
	// PollShare is the part of the limit that polls get, and do not exceed. Default 0.1.
	PollShare float64
}

func (p WindowPolicy) withDefaults() WindowPolicy {
	orElse(&p.StartLimit, 60)
	orElse(&p.Span, time.Minute)
	orElse(&p.Margin, 250*time.Millisecond)
	orElse(&p.Share, 1)
	orElse(&p.Unconfirmed, 10)
	orElse(&p.BatchShare, 0.1)
	orElse(&p.PollShare, 0.1)
	return p
}

func orElse[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// WindowUsage is the state of a window, for metrics.
type WindowUsage struct {
	// Limit is the learnt limit, Places the part of it that this process may use.
	Limit, Places int
	// Own and Foreign are the requests counted now, ours and those of others.
	Own, Foreign int
	// ForeignTotal counts all foreign requests noticed so far, as far as headers tell.
	ForeignTotal uint64
	// Ignored counts the headers that made no sense.
	Ignored uint64
	// Doubtful is how many of Foreign may turn out to be own; see [Window.Next].
	Doubtful int
	// Confirmed tells whether headers have confirmed what is left.
	Confirmed bool
	// ClosedUntil is when a closed window opens; in the past when it is open.
	ClosedUntil time.Time
}

// Window paces the requests of one API key by mirroring the sliding window of the
// upstream, which counts every request for Span from its arrival. Places are taken
// in the order of asking; who asks first is the matter of a queue before it.
//
// Own requests are known exactly. What others send with the same key is seen in
// the headers of answers: of Limit − Remaining requests those that are not own are
// foreign. They are taken to leave one after another from Reset to Span after the
// answered request was sent, which is the latest possible, and at most Unconfirmed
// of them before that. Where Reset tells when the oldest request leaves, this is an
// even spread; where it tells when the window is empty, it is the latest
// possible itself. So neither reading lets too many through.
//
// Interactive calls go at once while there is room, but leave free what the others
// are owed: of any ten places that are given or kept while a batch call waits, one is
// for batch (BatchShare), and likewise for polls; and one place is kept for the next
// poll, once it is due, while polls are under way. So the first batch call in the queue
// goes at the latest with the tenth place that frees. Polls are Span ÷ (limit ×
// PollShare) apart; batch calls at least Span ÷ limit, and further apart as others
// use more of the window, so that neither takes it in one go.
//
// Its time must not run backwards. A Window is not safe for concurrent use.
type Window struct {
	policy WindowPolicy
	limit  int

	begin   time.Time // What the times in own count from.
	own     []request // By sending time; kept for two spans.
	gone    int       // How many of own have left the window.
	batches int       // How many of those in the window are of class batch.

	batch lane
	poll  lane
	asked time.Time // When a poll last asked for a place.

	newest  time.Time // When the newest request was sent whose headers were used.
	peak    peak
	foreign foreign
	closed  time.Time

	since      time.Time // From when on the window is not confirmed.
	unanswered int       // Places taken since then without an answer.
	confirmed  bool
	underWay   int // Places taken, ever, without an answer.

	foreignTotal, ignored uint64
}

// request is an own request. It holds no pointer, so that the garbage collector has
// nothing to do with a window of many of them.
type request struct {
	sent  time.Duration // After Window.begin.
	class Class
}

// NewWindow returns a window that nothing is known about yet.
func NewWindow(policy WindowPolicy) *Window {
	policy = policy.withDefaults()
	return &Window{
		policy: policy,
		limit:  policy.StartLimit,
		batch:  newLane(policy.BatchShare),
		poll:   newLane(policy.PollShare),
	}
}

// Take takes a place for a request that is sent now, if there is one. Otherwise
// next is the earliest time at which asking again can succeed, unless Learn brings
// it forward. waiting counts the calls that want a place, to keep what they are owed.
func (w *Window) Take(now time.Time, class Class, waiting Waiting) (ok bool, next time.Time) {
	w.advance(now)
	if class == Poll {
		w.asked = now
	}
	waiting[Interactive] = 0 // Their turn came before, or is blocked by what batch is owed.
	if at := w.next(now, class, 1, waiting, 0); at.After(now) {
		return false, at
	}
	if w.guessing(now) && w.unanswered >= w.policy.Unconfirmed {
		return false, w.since.Add(w.stay())
	}
	w.unanswered++
	w.underWay++
	w.add(now, class)
	w.batch.give(now, class == Batch, waiting[Batch], w.spacing(now, Batch), w.places())
	w.poll.give(now, class == Poll, max(waiting[Poll], w.polling(now)), w.spacing(now, Poll), w.places())
	return true, now
}

// Next tells when the n-th next place of a class is to be had, as far as is known
// now: own requests leave, nothing more is learnt, and those waiting go in their
// order. It takes nothing. n counts from 1.
//
// Requests that overtake one another on the way make own ones look foreign until they
// are answered. As many foreign ones as there are own requests under way that were sent
// after the newest answered one get the benefit of the doubt: a wait for them is none
// that is known. Take gives it to nobody.
func (w *Window) Next(now time.Time, class Class, n int, waiting Waiting) time.Time {
	w.advance(now)
	return w.next(now, class, n, waiting, w.doubtful(now))
}

// Charge counts a request that was sent without asking, such as one that the HTTP
// client repeated by itself.
func (w *Window) Charge(now time.Time) {
	w.advance(now)
	w.add(now, Interactive)
}

// Close closes the window for everybody until the given time: the upstream has
// said that nothing is left. Then at most Unconfirmed requests go on a guess.
func (w *Window) Close(now, until time.Time) {
	w.advance(now)
	if until.After(w.closed) && until.After(now) {
		w.closed, w.since, w.unanswered, w.confirmed = until, until, 0, false
	}
}

// Usage tells the state of the window.
func (w *Window) Usage(now time.Time) WindowUsage {
	w.advance(now)
	return WindowUsage{
		Limit: w.limit, Places: w.places(),
		Own: w.used(), Foreign: w.foreign.left(now),
		Doubtful:     w.doubtful(now),
		ForeignTotal: w.foreignTotal, Ignored: w.ignored,
		Confirmed: !w.guessing(now), ClosedUntil: w.closed,
	}
}

// stay is how long a request counts.
func (w *Window) stay() time.Duration { return w.policy.Span + w.policy.Margin }

// places is how many requests of this process fit into a window.
func (w *Window) places() int { return max(int(float64(w.limit)*w.policy.Share), 1) }

// used is how many own requests count.
func (w *Window) used() int { return len(w.own) - w.gone }

// spacing is the time between two places of a class that is spread. Batch calls are
// spread over what others leave of the window, closer while places lie idle; were they
// spread over the whole of it, they would fill it before its time and interactive
// calls would find it full.
func (w *Window) spacing(now time.Time, class Class) time.Duration {
	places := float64(w.places())
	if class == Poll {
		return time.Duration(float64(w.policy.Span) / (places * w.policy.PollShare))
	}
	used := float64(w.used() + w.foreign.left(now))
	others, idle := used-float64(w.batches), max(places-used, 0)
	rate := min(max(places-others+idle, places*w.policy.BatchShare), places)
	return time.Duration(float64(w.policy.Span) / rate)
}

// guessing tells whether headers are still to confirm what is left. After a whole
// window of own counting there is nothing left to confirm.
func (w *Window) guessing(now time.Time) bool {
	return !w.confirmed && now.Before(w.since.Add(w.stay()))
}

// polling is 1 when a place is to be kept for a poll: polls are under way, the next
// one is due, and a whole place belongs to them.
func (w *Window) polling(now time.Time) int {
	if w.asked.IsZero() || now.Sub(w.asked) > w.policy.Span || w.poll.due(w.spacing(now, Poll)).After(now) || float64(w.places())*w.policy.PollShare < 1 {
		return 0
	}
	return 1
}

// advance lets requests leave the window, and forgets them a span later: answers
// that are so late tell nothing.
func (w *Window) advance(now time.Time) {
	if w.begin.IsZero() {
		w.begin, w.since = now, now
	}
	left := now.Sub(w.begin) - w.stay() // What was sent until then.
	for w.gone < len(w.own) && w.own[w.gone].sent <= left {
		if w.own[w.gone].class == Batch {
			w.batches--
		}
		w.gone++
	}
	old := 0
	for old < w.gone && w.own[old].sent <= left-w.stay() {
		old++
	}
	w.own, w.gone = w.own[old:], w.gone-old
}

// add counts an own request.
func (w *Window) add(now time.Time, class Class) {
	w.own = append(w.own, request{sent: now.Sub(w.begin), class: class})
	if class == Batch {
		w.batches++
	}
}

// leaves is when the i-th own request leaves the window.
func (w *Window) leaves(i int) time.Time { return w.begin.Add(w.own[i].sent + w.stay()) }

// doubtful is how many of the foreign requests may be own ones under way.
func (w *Window) doubtful(now time.Time) int {
	left := w.foreign.left(now)
	if left == 0 {
		return 0
	}
	return min(left, w.underWay, len(w.own)-w.sentUntil(w.newest))
}

// next is Next after advance, with so many foreign requests fewer.
func (w *Window) next(now time.Time, class Class, n int, waiting Waiting, fewer int) time.Time {
	polls := max(w.poll.owed(n-1, waiting[Poll]), w.polling(now))
	at := w.closed
	switch class {
	case Batch:
		before := min(waiting[Interactive], w.batch.before(n))
		at = later(at, w.place(now, n+before+polls, fewer))
		// What is known for sure: later ones may be as near as the limit allows.
		at = later(at, later(w.batch.due(w.spacing(now, Batch)), now).Add(time.Duration(n-1)*w.policy.Span/time.Duration(w.places())))
	case Poll:
		at = later(at, w.place(now, n, fewer))
		spacing := w.spacing(now, Poll)
		at = later(at, later(w.poll.due(spacing), now).Add(time.Duration(n-1)*spacing))
	default:
		at = later(at, w.place(now, n+w.batch.owed(n-1, waiting[Batch])+polls, fewer))
	}
	return later(at, now)
}

// place tells when the n-th next place frees, of whatever class. Those who take
// the first places of a window free them for the next one.
func (w *Window) place(now time.Time, n, fewer int) time.Time {
	places, used, left := w.places(), w.used(), w.foreign.left(now)-fewer
	rounds := (n - 1) / places
	n -= rounds * places
	at := now
	if lack := n - (places - used); lack > 0 {
		at = w.leaves(w.gone + lack - 1)
	}
	if lack := n - (w.limit - used - left); lack > 0 {
		at = later(at, w.leaving(lack, left))
	}
	return at.Add(time.Duration(rounds) * w.stay())
}

// leaving tells when n requests, own or foreign, have left; left of the foreign
// ones are still there.
func (w *Window) leaving(n, left int) time.Time {
	left = min(left, w.foreign.count)
	gone := w.foreign.count - left
	// Of the n first to leave, own ones are the fewest such that the next own one
	// leaves no earlier than the last of the foreign ones among them.
	fewest := max(n-left, 0)
	own := fewest + sort.Search(min(n, w.used())-fewest, func(i int) bool {
		own := fewest + i
		return own == n || !w.leaves(w.gone+own).Before(w.foreign.leaves(gone+n-own-1))
	})
	var at time.Time
	if own > 0 {
		at = w.leaves(w.gone + own - 1)
	}
	if own < n {
		at = later(at, w.foreign.leaves(gone+n-own-1))
	}
	return at
}

// sentUntil counts the remembered own requests that were sent until a time.
func (w *Window) sentUntil(t time.Time) int {
	sent := t.Sub(w.begin)
	return sort.Search(len(w.own), func(i int) bool { return w.own[i].sent > sent })
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
