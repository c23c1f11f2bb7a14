package transcode

import "sync/atomic"

// A guess is the field whose key is expected to come next in an object, because it came
// there last time; nil before. Finding it takes a comparison, and any other one takes a
// look into a map. It is safe for concurrent use.
type guess struct{ atomic.Pointer[field] }

// learn notes which field came, nil for none that is known.
func (g *guess) learn(f *field) {
	if f != nil && g.Load() != f { // answers of one kind should not take the cache line from one another
		g.Store(f)
	}
}
