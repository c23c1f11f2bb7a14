package statusz

import "iter"

// What is remembered: a hundred failures, and points for charts of ten minutes.
const (
	keptFailures = 100
	keptPoints   = 120
)

// ring keeps the last values up to its limit.
type ring[T any] struct {
	limit  int
	values []T
	oldest int // Index, once values is full.
}

func (r *ring[T]) add(value T) {
	if len(r.values) < r.limit {
		r.values = append(r.values, value)
		return
	}
	r.values[r.oldest] = value
	r.oldest = (r.oldest + 1) % r.limit
}

// all yields the values, the oldest first.
func (r *ring[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := range r.values {
			if !yield(r.values[(r.oldest+i)%len(r.values)]) {
				return
			}
		}
	}
}
