package telemetry

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// sets makes the attributes of an instrument once for each key: making them costs more
// than counting. Keys are of a bounded set. The zero value is ready.
type sets[K comparable] struct {
	mu   sync.RWMutex
	made map[K]set // Guarded by mu.
}

// set holds attributes in the forms that instruments take them.
type set struct {
	add    []metric.AddOption
	record []metric.RecordOption
}

func (s *sets[K]) of(key K, attributes func(K) []attribute.KeyValue) set {
	s.mu.RLock()
	found, ok := s.made[key]
	s.mu.RUnlock()
	if ok {
		return found
	}
	option := metric.WithAttributeSet(attribute.NewSet(attributes(key)...))
	found = set{add: []metric.AddOption{option}, record: []metric.RecordOption{option}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made == nil {
		s.made = make(map[K]set)
	}
	s.made[key] = found
	return found
}

// otherLabel stands for what is not told apart any more (semantic conventions).
const otherLabel = "_OTHER"

// maxLabel is how long a value may be that others choose, in bytes.
const maxLabel = 64

// labels bounds the values of an attribute that others choose: the first ones are told
// apart.
type labels struct {
	most int

	mu    sync.Mutex
	known map[string]bool // Guarded by mu.
}

func newLabels(most int) *labels { return &labels{most: most, known: make(map[string]bool)} }

// of returns the value to use; only one that is to be learnt takes a place.
func (l *labels) of(value string, learn bool) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case value == "" || l.known[value]:
		return value
	case learn && len(l.known) < l.most && len(value) <= maxLabel:
		l.known[value] = true
		return value
	default:
		return otherLabel
	}
}
