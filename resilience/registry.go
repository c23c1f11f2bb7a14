package resilience

import (
	"container/list"
	"iter"
	"sync"
)

// Registry makes the mechanisms of a key, or of a key and family, when they are first
// used, and keeps them. Where callers bring their own keys there may be any number, so the
// number kept is bounded: beyond it those that were not used for longest are dropped,
// except what is in use or not idle, which is bounded in turn by the calls and jobs that
// are under way. A dropped breaker starts again closed, a dropped budget with a full stock.
//
// The key of an entry names an upstream key and must not be the secret itself.
//
// It is safe for concurrent use.
type Registry[K comparable, V any] struct {
	bound int
	make  func(K) V
	idle  func(V) bool

	mu      sync.Mutex
	entries map[K]*list.Element // Guarded by mu.
	recent  list.List           // of *Entry[K, V], the last used in front. Guarded by mu.
}

// Entry is what a [Registry] keeps for a key, in use until it is released.
type Entry[K comparable, V any] struct {
	Value V

	registry *Registry[K, V]
	key      K
	users    int // Guarded by the registry's mu.
}

// NewRegistry returns a registry that keeps bound values, at least 1. create makes one; it
// is called with the registry locked and must not use it. idle reports whether a value can
// be dropped without harm as far as it knows itself, as [Bulkhead.Idle] does; nil is always.
func NewRegistry[K comparable, V any](bound int, create func(K) V, idle func(V) bool) *Registry[K, V] {
	if idle == nil {
		idle = func(V) bool { return true }
	}
	return &Registry[K, V]{bound: max(bound, 1), make: create, idle: idle, entries: map[K]*list.Element{}}
}

// Use returns the entry of a key, made if there is none. It is to be released, once, when
// the call is over: two values of one key would each allow what only one may.
func (r *Registry[K, V]) Use(key K) *Entry[K, V] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.entries[key]; ok {
		r.recent.MoveToFront(at)
		entry := entryAt[K, V](at)
		entry.users++
		return entry
	}
	entry := &Entry[K, V]{Value: r.make(key), registry: r, key: key, users: 1}
	r.entries[key] = r.recent.PushFront(entry)
	r.trim()
	return entry
}

// Release says that the entry is not in use any more by who got it from [Registry.Use].
func (e *Entry[K, V]) Release() {
	r := e.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	e.users--
	r.trim()
}

// All returns the keys and values there are at the time, the last used first.
func (r *Registry[K, V]) All() iter.Seq2[K, V] {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries := make([]*Entry[K, V], 0, r.recent.Len())
	for at := r.recent.Front(); at != nil; at = at.Next() {
		entries = append(entries, entryAt[K, V](at))
	}
	return func(yield func(K, V) bool) {
		for _, entry := range entries {
			if !yield(entry.key, entry.Value) {
				return
			}
		}
	}
}

// trim drops what is too many, the least recently used first.
func (r *Registry[K, V]) trim() {
	for at := r.recent.Back(); at != nil && r.recent.Len() > r.bound; {
		before := at.Prev()
		if entry := entryAt[K, V](at); entry.users == 0 && r.idle(entry.Value) {
			r.recent.Remove(at)
			delete(r.entries, entry.key)
		}
		at = before
	}
}

func entryAt[K comparable, V any](at *list.Element) *Entry[K, V] {
	entry, _ := at.Value.(*Entry[K, V])
	return entry
}
