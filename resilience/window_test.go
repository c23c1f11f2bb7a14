package resilience

import (
	"strconv"
	"testing"
	"time"
)

// step is a line of a script for a window.
type step struct {
	at   time.Duration // Since the epoch.
	do   func(w *Window, now time.Time) string
	want string
	why  string
}

// play runs a script, of which each step says what it sees.
func play(t *testing.T, policy WindowPolicy, steps []step) {
	t.Helper()
	w := NewWindow(policy)
	for i, s := range steps {
		if got := s.do(w, epoch.Add(s.at)); got != s.want {
			t.Errorf("step %d at %v: got %q, want %q (%s)", i, s.at, got, s.want, s.why)
		}
	}
}

// take takes up to n places, and tells how many there were and when the next is.
func take(class Class, n int, waiting Waiting) func(*Window, time.Time) string {
	return func(w *Window, now time.Time) string {
		for i := range n {
			if ok, next := w.Take(now, class, waiting); !ok {
				return strconv.Itoa(i) + ", next " + next.Sub(epoch).String()
			}
		}
		return strconv.Itoa(n)
	}
}

func next(class Class, n int, waiting Waiting) func(*Window, time.Time) string {
	return func(w *Window, now time.Time) string { return w.Next(now, class, n, waiting).Sub(epoch).String() }
}

// learn tells of a request sent at a time, and shows limit, own and foreign use.
func learn(sentAt time.Duration, headers Headers) func(*Window, time.Time) string {
	return func(w *Window, now time.Time) string {
		w.Learn(now, epoch.Add(sentAt), headers)
		return uses(w, now)
	}
}

func uses(w *Window, now time.Time) string {
	u := w.Usage(now)
	text := strconv.Itoa(u.Own) + " own + " + strconv.Itoa(u.Foreign) + " foreign of " + strconv.Itoa(u.Limit)
	if u.Ignored > 0 {
		text += ", " + strconv.Itoa(int(u.Ignored)) + " ignored"
	}
	return text
}

func closeUntil(until time.Duration) func(*Window, time.Time) string {
	return func(w *Window, now time.Time) string {
		w.Close(now, epoch.Add(until))
		return w.Usage(now).ClosedUntil.Sub(epoch).String()
	}
}

// told are the headers of an answer, resets being told d after the answer.
func told(limit, remaining int, resets time.Duration) Headers {
	date := epoch.Add(-time.Hour) // The upstream's clock is an hour behind.
	return Headers{Limit: limit, HasLimit: true, Remaining: remaining, HasRemaining: true, Date: date, Reset: date.Add(resets)}
}

const (
	second = time.Second
	minute = time.Minute
)

func TestWindowScripts(t *testing.T) {
	none := Waiting{}
	tests := []struct {
		name   string
		policy WindowPolicy
		steps  []step
	}{
		{
			name: "cold start", policy: WindowPolicy{StartLimit: 20},
			steps: []step{
				{do: take(Interactive, 20, none), want: "10, next 1m0.25s", why: "ten on a guess; after a window nothing old is left"},
				{at: second, do: learn(0, Headers{}), want: "10 own + 0 foreign of 20", why: "no headers"},
				{at: second, do: take(Interactive, 20, none), want: "1, next 1m0.25s", why: "one was answered"},
				{at: 2 * second, do: learn(0, told(20, 6, minute)), want: "11 own + 4 foreign of 20", why: "of fourteen ten are own"},
				{at: 2 * second, do: take(Interactive, 20, none), want: "5, next 1m0.25s", why: "confirmed: all that is left; the foreign ones were there before"},
			},
		},
		{
			name: "an unreadable Retry-After", policy: WindowPolicy{StartLimit: 20},
			steps: []step{
				{do: take(Interactive, 1, none), want: "1"},
				{at: second, do: learn(0, Headers{Unreadable: true}), want: "1 own + 0 foreign of 20, 1 ignored", why: "it is counted, and nothing else is known"},
			},
		},
		{
			name: "requests that overtake", policy: WindowPolicy{StartLimit: 6},
			steps: []step{
				{do: take(Interactive, 1, none), want: "1"},
				{at: 1 * time.Millisecond, do: take(Interactive, 1, none), want: "1"},
				{at: 2 * time.Millisecond, do: take(Interactive, 1, none), want: "1"},
				{at: second, do: learn(0, told(6, 3, minute)), want: "3 own + 2 foreign of 6", why: "the first to be sent was the last to arrive"},
				{at: second, do: next(Interactive, 3, none), want: "1s", why: "the two may be own ones, which are not answered"},
				{at: second, do: next(Interactive, 4, none), want: "1m0.25s", why: "whoever they are, there is no fourth"},
				{at: second, do: take(Interactive, 3, none), want: "1, next 1m0.25s", why: "nobody is let through on that"},
				{at: second, do: learn(2*time.Millisecond, told(6, 5, minute)), want: "4 own + 0 foreign of 6", why: "of three sent until then all are own"},
				{at: second, do: take(Interactive, 3, none), want: "2, next 1m0.25s"},
			},
		},
		{
			name: "never confirmed", policy: WindowPolicy{StartLimit: 20},
			steps: []step{
				{do: take(Interactive, 20, none), want: "10, next 1m0.25s"},
				{at: minute + 250*time.Millisecond, do: take(Interactive, 30, none), want: "20, next 2m0.5s", why: "a whole window has been watched"},
			},
		},
		{
			name: "reset when the oldest leaves", policy: WindowPolicy{StartLimit: 20},
			steps: []step{
				{do: take(Interactive, 1, none), want: "1"},
				{do: learn(0, told(20, 0, 10*second)), want: "1 own + 19 foreign of 20"},
				{at: 9 * second, do: take(Interactive, 1, none), want: "0, next 10s"},
				{at: 10 * second, do: uses, want: "1 own + 18 foreign of 20", why: "the oldest has left"},
				{at: 40 * second, do: uses, want: "1 own + 13 foreign of 20", why: "ten at most by a guess, spread over the rest"},
				{at: 60 * second, do: uses, want: "1 own + 9 foreign of 20", why: "all that may be guessed"},
				{at: minute + 250*time.Millisecond, do: uses, want: "0 own + 0 foreign of 20", why: "none can be left"},
			},
		},
		{
			name: "reset when the window is empty", policy: WindowPolicy{StartLimit: 20},
			steps: []step{
				{do: take(Interactive, 1, none), want: "1"},
				{do: learn(0, told(20, 0, 61*second)), want: "1 own + 19 foreign of 20", why: "61 s by rounding"},
				{at: minute, do: take(Interactive, 1, none), want: "0, next 1m0.25s"},
				{at: minute + 250*time.Millisecond, do: take(Interactive, 30, none), want: "20, next 2m0.5s"},
			},
		},
		{
			name: "answers overtake one another", policy: WindowPolicy{StartLimit: 20},
			steps: []step{
				{do: take(Interactive, 1, none), want: "1"},
				{at: 100 * time.Millisecond, do: take(Interactive, 1, none), want: "1"},
				{at: second, do: take(Interactive, 1, none), want: "1"},
				{at: second, do: learn(100*time.Millisecond, told(20, 14, 10*second)), want: "3 own + 4 foreign of 20", why: "counted before the first"},
				{at: second, do: learn(0, told(20, 13, 10*second)), want: "3 own + 5 foreign of 20", why: "of the same moment: the higher use counts"},
				{at: 2 * second, do: learn(second, told(20, 16, 10*second)), want: "3 own + 1 foreign of 20", why: "newer, fewer foreign ones"},
				{at: 2 * second, do: learn(100*time.Millisecond, told(20, 0, 10*second)), want: "3 own + 1 foreign of 20", why: "old news"},
			},
		},
		{
			name: "nonsense", policy: WindowPolicy{StartLimit: 20},
			steps: []step{
				{do: learn(0, told(0, 0, second)), want: "0 own + 0 foreign of 20, 1 ignored", why: "no limit is zero"},
				{do: learn(0, told(-1, 0, second)), want: "0 own + 0 foreign of 20, 2 ignored"},
				{do: learn(0, told(60, -1, second)), want: "0 own + 0 foreign of 20, 3 ignored"},
				{do: learn(0, told(60, 61, second)), want: "0 own + 0 foreign of 20, 4 ignored", why: "more left than there is"},
				{do: learn(0, told(maxLimit+1, 0, second)), want: "0 own + 0 foreign of 20, 5 ignored"},
				{do: learn(0, told(60, 50, time.Hour)), want: "0 own + 10 foreign of 60, 6 ignored", why: "the reset alone makes no sense"},
				{do: learn(second, Headers{Remaining: 40, HasRemaining: true}), want: "0 own + 20 foreign of 60, 6 ignored", why: "sent in the future is sent now"},
				{do: learn(0, Headers{Limit: 30, HasLimit: true}), want: "0 own + 20 foreign of 30, 6 ignored"},
				{at: minute, do: uses, want: "0 own + 20 foreign of 30, 6 ignored", why: "no reset told: the latest possible"},
				{at: minute + 250*time.Millisecond, do: uses, want: "0 own + 0 foreign of 30, 6 ignored"},
			},
		},
		{
			name: "closed", policy: WindowPolicy{StartLimit: 20},
			steps: []step{
				{do: take(Interactive, 5, none), want: "5"},
				{do: learn(0, told(20, 15, minute)), want: "5 own + 0 foreign of 20"},
				{do: closeUntil(30 * second), want: "30s"},
				{do: closeUntil(20 * second), want: "30s", why: "the longer one holds"},
				{at: second, do: take(Poll, 1, none), want: "0, next 30s", why: "for everybody"},
				{at: second, do: next(Interactive, 16, none), want: "1m0.25s"},
				{at: 30 * second, do: take(Interactive, 20, none), want: "10, next 1m30.25s", why: "on a guess again"},
			},
		},
		{
			name: "share", policy: WindowPolicy{StartLimit: 20, Share: 0.25},
			steps: []step{
				{do: take(Interactive, 20, none), want: "5, next 1m0.25s"},
				{at: second, do: learn(0, told(20, 3, minute)), want: "5 own + 12 foreign of 20", why: "the other shares"},
				{at: second, do: learn(0, told(2, 0, minute)), want: "5 own + 12 foreign of 2", why: "the same moment: the higher use counts"},
				{at: 2 * minute, do: take(Interactive, 20, none), want: "1, next 3m0.25s", why: "never less than one"},
			},
		},
		{
			name: "unsent and unasked", policy: WindowPolicy{StartLimit: 2},
			steps: []step{
				{do: take(Interactive, 2, none), want: "2"},
				{at: second, do: learn(0, Headers{Unsent: true}), want: "1 own + 0 foreign of 2"},
				{at: second, do: func(w *Window, now time.Time) string { w.Charge(now); return uses(w, now) }, want: "2 own + 0 foreign of 2"},
				{at: 2 * second, do: take(Interactive, 1, none), want: "0, next 1m0.25s"},
				{at: minute + 500*time.Millisecond, do: learn(0, Headers{Unsent: true}), want: "1 own + 0 foreign of 2", why: "it has left already"},
			},
		},
		{
			name: "batch and polls are spread", policy: WindowPolicy{StartLimit: 20},
			steps: []step{
				{do: take(Batch, 2, Waiting{Batch: 9}), want: "1, next 3s"},
				{do: take(Poll, 2, Waiting{Batch: 9, Poll: 2}), want: "1, next 30s"},
				{at: 3 * second, do: take(Batch, 2, Waiting{Batch: 8}), want: "1, next 6s"},
				{at: 3 * second, do: next(Batch, 3, none), want: "12s"},
				{at: 3 * second, do: next(Poll, 2, none), want: "1m0s"},
			},
		},
		{
			name: "every tenth is for batch, and for polls", policy: WindowPolicy{StartLimit: 60, Unconfirmed: 60},
			steps: []step{
				{do: next(Interactive, 48, Waiting{Batch: 9, Poll: 9}), want: "0s", why: "and five are owed to each"},
				{do: next(Interactive, 49, Waiting{Batch: 9, Poll: 9}), want: "0s"},
				{do: take(Interactive, 60, Waiting{Batch: 9, Poll: 9}), want: "50, next 1m0.25s", why: "five are kept for each"},
				{do: take(Batch, 1, Waiting{Interactive: 9, Batch: 9}), want: "1"},
				{do: take(Poll, 1, Waiting{Interactive: 9, Poll: 9}), want: "1"},
				{at: second, do: take(Interactive, 60, none), want: "8, next 1m0.25s", why: "nothing is kept for those who do not wait"},
			},
		},
		{
			name: "the n-th place", policy: WindowPolicy{StartLimit: 2, Unconfirmed: 9},
			steps: []step{
				{do: next(Interactive, 2, none), want: "0s"},
				{do: next(Interactive, 3, none), want: "1m0.25s", why: "who goes now leaves then"},
				{do: take(Interactive, 1, none), want: "1"},
				{at: 10 * second, do: take(Interactive, 1, none), want: "1"},
				{at: 10 * second, do: next(Interactive, 1, none), want: "1m0.25s"},
				{at: 10 * second, do: next(Interactive, 2, none), want: "1m10.25s"},
				{at: 10 * second, do: next(Interactive, 3, none), want: "2m0.5s"},
				{at: 10 * second, do: next(Batch, 1, Waiting{Interactive: 3}), want: "2m10.5s", why: "after those who wait"},
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { play(t, test.policy, test.steps) })
	}
}

func TestWindowCountsForeignRequests(t *testing.T) {
	w := NewWindow(WindowPolicy{})
	for i, remaining := range []int{58, 50, 50, 40} { // One own, then one more each.
		now := epoch.Add(time.Duration(i) * second)
		w.Take(now, Interactive, Waiting{})
		w.Learn(now, now, told(60, remaining, minute))
	}
	if got := w.Usage(epoch.Add(3 * second)).ForeignTotal; got != 17 {
		t.Errorf("%d foreign requests noticed, want 17", got) // 1, 7, one that is not, 9.
	}
}

func TestClassString(t *testing.T) {
	for class, want := range map[Class]string{Interactive: "interactive", Batch: "batch", Poll: "poll", 7: "unknown"} {
		if got := class.String(); got != want {
			t.Errorf("class %d: %q, want %q", int(class), got, want)
		}
	}
}
