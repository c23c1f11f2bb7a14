package telemetry

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// labels are the attribute sets of one instrument, made once each: to make a set takes
// longer than to count. They are kept for ever, so the values must be of bounded sets.
type labels struct {
	keys []attribute.Key // One or two.

	mu   sync.RWMutex
	made map[[2]string]made // Guarded by mu.
}

// made is a set in the forms that instruments take it.
type made struct {
	add    []metric.AddOption
	record []metric.RecordOption
}

// of returns the set with these values; second is "" where there is one key.
func (l *labels) of(first, second string) made {
	values := [2]string{first, second}
	l.mu.RLock()
	m, ok := l.made[values]
	l.mu.RUnlock()
	if !ok {
		m = l.make(values)
	}
	return m
}

func (l *labels) make(values [2]string) made {
	pairs := make([]attribute.KeyValue, len(l.keys))
	for i, key := range l.keys {
		pairs[i] = key.String(values[i])
	}
	set := metric.WithAttributeSet(attribute.NewSet(pairs...))
	m := made{add: []metric.AddOption{set}, record: []metric.RecordOption{set}}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made == nil {
		l.made = map[[2]string]made{}
	}
	l.made[values] = m
	return m
}
