package resilience

import "container/list"

// waiter is a call that waits for a slot.
type waiter struct {
	line  *list.Element // of turns.order: its caller's line
	place *list.Element // of the line
	// ready is closed when lease has been set, both while the bulkhead is locked.
	ready chan struct{}
	lease *Lease
}

// turns is a queue in which callers take turns, one call each, and a caller's own calls
// stand in the order in which they came. With k callers waiting, each is served at least
// every k times, however many calls the others have. Joining, leaving and being served
// take constant time.
type turns struct {
	lines map[string]*list.Element
	// order has a line for every caller that waits; whose turn it is stands in front.
	order   list.List
	waiting int
}

type line struct {
	caller  string
	waiters list.List
}

// join puts a call at the end of its caller's line.
func (t *turns) join(caller string) *waiter {
	at, ok := t.lines[caller]
	if !ok {
		if t.lines == nil {
			t.lines = map[string]*list.Element{}
		}
		at = t.order.PushBack(&line{caller: caller})
		t.lines[caller] = at
	}
	w := &waiter{line: at, ready: make(chan struct{})}
	w.place = lineOf(at).waiters.PushBack(w)
	t.waiting++
	return w
}

// next takes the call whose turn it is out of the queue, which must not be empty.
func (t *turns) next() *waiter {
	front := t.order.Front()
	w, _ := lineOf(front).waiters.Front().Value.(*waiter)
	t.order.MoveToBack(front)
	t.leave(w)
	return w
}

// leave takes a call out of the queue that is in it.
func (t *turns) leave(w *waiter) {
	l := lineOf(w.line)
	l.waiters.Remove(w.place)
	t.waiting--
	if l.waiters.Len() == 0 {
		t.order.Remove(w.line)
		delete(t.lines, l.caller)
	}
}

func lineOf(at *list.Element) *line {
	l, _ := at.Value.(*line)
	return l
}
