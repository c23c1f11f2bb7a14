package resilience

import "iter"

// fairQueue is a queue in which callers take turns: one entry of each, round after
// round, however many a caller has waiting. Among the entries of one caller, first
// come first served. A caller who comes (back) into the queue joins the end of the round.
//
// All operations are O(1), except ahead, which is O(callers waiting), and all. The
// zero value is an empty queue. It is not safe for concurrent use.
type fairQueue[T any] struct {
	callers map[string]*callerLine[T]
	turn    *callerLine[T] // Whose turn it is, in a ring of those with entries; nil: nobody.
	length  int
}

// callerLine is the entries of one caller.
type callerLine[T any] struct {
	caller      string
	next, prev  *callerLine[T] // The ring.
	first, last *entry[T]
	length      int
}

// entry is a place in the queue, by which it can be left.
type entry[T any] struct {
	value      T
	line       *callerLine[T] // nil: not in a queue.
	next, prev *entry[T]
}

// len is the number of entries.
func (q *fairQueue[T]) len() int { return q.length }

// push adds an entry of a caller.
func (q *fairQueue[T]) push(caller string, e *entry[T]) {
	l := q.callers[caller]
	if l == nil {
		l = &callerLine[T]{caller: caller}
		q.join(l)
	}
	e.line, e.prev, e.next = l, l.last, nil
	if l.last == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
	l.length++
	q.length++
}

// pop removes and returns the entry whose turn it is, and passes the turn on; nil
// when the queue is empty.
func (q *fairQueue[T]) pop() *entry[T] {
	if q.turn == nil {
		return nil
	}
	l := q.turn
	q.turn = l.next
	e := l.first
	q.remove(e)
	return e
}

// remove takes an entry out, wherever it stands. Its caller keeps the turn.
func (q *fairQueue[T]) remove(e *entry[T]) {
	l := e.line
	if e.prev == nil {
		l.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.line, e.next, e.prev = nil, nil, nil
	l.length--
	q.length--
	if l.length == 0 {
		q.leave(l)
	}
}

// ahead is how many entries would be served before a new one of a caller.
func (q *fairQueue[T]) ahead(caller string) int {
	own := q.callers[caller]
	if own == nil {
		return len(q.callers) // One of each: the newcomer closes the first round.
	}
	n, rounds := 0, own.length+1 // Those before own in the ring are also before its new entry.
	for l, i := q.turn, 0; i < len(q.callers); l, i = l.next, i+1 {
		if l == own {
			rounds--
		}
		n += min(l.length, rounds)
	}
	return n
}

// all yields the values in the order in which they would be served. The queue must
// not change meanwhile.
func (q *fairQueue[T]) all() iter.Seq[*entry[T]] {
	return func(yield func(*entry[T]) bool) {
		var round []*entry[T]
		for l, i := q.turn, 0; i < len(q.callers); l, i = l.next, i+1 {
			round = append(round, l.first)
		}
		for len(round) > 0 {
			following := round[:0]
			for _, e := range round {
				if !yield(e) {
					return
				}
				if e.next != nil {
					following = append(following, e.next)
				}
			}
			round = following
		}
	}
}

// join puts a line at the end of the round, which is just before the turn.
func (q *fairQueue[T]) join(l *callerLine[T]) {
	if q.callers == nil {
		q.callers = make(map[string]*callerLine[T])
	}
	q.callers[l.caller] = l
	if q.turn == nil {
		l.next, l.prev = l, l
		q.turn = l
		return
	}
	l.next, l.prev = q.turn, q.turn.prev
	l.prev.next, l.next.prev = l, l
}

// leave takes a line without entries out of the ring.
func (q *fairQueue[T]) leave(l *callerLine[T]) {
	delete(q.callers, l.caller)
	l.prev.next, l.next.prev = l.next, l.prev
	if q.turn != l {
		return
	}
	q.turn = l.next
	if l.next == l {
		q.turn = nil
	}
}
