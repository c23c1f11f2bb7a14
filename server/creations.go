package server

import (
	"slices"
	"sync"
	"time"
)

// Bounds of what is remembered of a key's creates.
const (
	// givenTime is how long an id that was given to a caller is remembered: no call
	// that could take its object for its own lives as long.
	givenTime = time.Hour
	// mostGiven is how many such ids are remembered at most.
	mostGiven = 4096
	// doubtTime is for how long a create that ended in doubt may still be what made an
	// object that turns up: longer than any attempt takes.
	doubtTime = 10 * time.Minute
	// mostDoubts is how many such creates are remembered at most.
	mostDoubts = 1024
)

// creations remembers, for one key, which objects its billed creates have made and been
// given, and which creates may have made one that nobody was given. So no object is
// given to two callers, and none where it could be another caller's.
type creations struct {
	mu     sync.Mutex
	open   map[*creation]bool // Creates that run and have been sent. Guarded by mu, as is all below.
	doubts []doubt            // Creates that ended in doubt, the earliest first.
	given  map[string]bool    // Ids.
	order  []gift             // The same, the earliest first.
	// Until then ids were given that are forgotten.
	forgotten time.Time
}

// A creation is a create that has been sent.
type creation struct {
	procedure string
	want      traits
	since     time.Time // when it was sent first
}

type doubt struct {
	creation *creation
	ended    time.Time
}

type gift struct {
	id string
	at time.Time
}

func newCreations() *creations {
	return &creations{open: map[*creation]bool{}, given: map[string]bool{}}
}

// begin notes a create that is being sent.
func (r *creations) begin(c *creation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[c] = true
}

// end notes that a create is over; doubtful says that it may have made an object that
// nobody was given.
func (r *creations) end(c *creation, doubtful bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, c)
	if doubtful {
		r.doubts = append(r.doubts, doubt{c, now})
	}
	r.prune(now)
}

// give notes that a caller was given an object.
func (r *creations) give(id string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(id, now)
	r.prune(now)
}

// free returns those of the objects that may be what a create has made: they are like
// what it asked for, and nobody was given them.
func (r *creations) free(c *creation, objects []made) []made {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.left(c, objects)
}

func (r *creations) left(c *creation, objects []made) []made {
	return slices.DeleteFunc(slices.Clone(objects), func(m made) bool {
		return r.given[m.id] || c.want.compare(m.traits) == other
	})
}

// claim decides which of the objects a create has made: it gives the one that can be
// nobody else's, in one step. seen is when the last of them was listed.
func (r *creations) claim(c *creation, objects []made, seen, now time.Time) (made, finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prune(now)
	objects = r.left(c, objects)
	switch {
	case !c.since.After(r.forgotten):
		return made{}, lookUpFailed
	case len(objects) == 0:
		return made{}, foundNone
	case len(objects) > 1 || !c.knows(objects[0]) || r.rivalled(c, seen):
		return made{}, foundSeveral
	}
	r.note(objects[0].id, now)
	return objects[0], foundOne
}

// knows reports whether it is sure that the create asked for the object.
func (c *creation) knows(m made) bool {
	return m.id != "" && !m.created.IsZero() && c.want.compare(m.traits) == same
}

// rivalled reports whether another create, whose object would look the same, may have
// made what was listed until seen.
func (r *creations) rivalled(c *creation, seen time.Time) bool {
	rivals := func(o *creation) bool {
		return o != c && o.procedure == c.procedure && !o.since.After(seen) && c.want.compare(o.want) != other
	}
	for o := range r.open {
		if rivals(o) {
			return true
		}
	}
	return slices.ContainsFunc(r.doubts, func(d doubt) bool { return rivals(d.creation) })
}

func (r *creations) note(id string, now time.Time) {
	if id == "" || r.given[id] {
		return
	}
	r.given[id] = true
	r.order = append(r.order, gift{id, now})
}

// prune forgets what is too old or too much.
func (r *creations) prune(now time.Time) {
	keep := max(len(r.order)-mostGiven, 0)
	for keep < len(r.order) && now.Sub(r.order[keep].at) >= givenTime {
		keep++
	}
	for _, g := range r.order[:keep] {
		delete(r.given, g.id)
		r.forgotten = g.at
	}
	r.order = slices.Delete(r.order, 0, keep)

	keep = max(len(r.doubts)-mostDoubts, 0)
	for keep < len(r.doubts) && now.Sub(r.doubts[keep].ended) >= doubtTime {
		keep++
	}
	r.doubts = slices.Delete(r.doubts, 0, keep)
}
