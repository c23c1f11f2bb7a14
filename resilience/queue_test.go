package resilience

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestFairQueueTakesTurns(t *testing.T) {
	tests := []struct {
		name string
		push []string // The first letter is the caller.
		want []string
	}{
		{name: "nobody"},
		{name: "one caller", push: []string{"a1", "a2", "a3"}, want: []string{"a1", "a2", "a3"}},
		{name: "two callers", push: []string{"a1", "a2", "a3", "b1", "b2"}, want: []string{"a1", "b1", "a2", "b2", "a3"}},
		{name: "the order of coming", push: []string{"c1", "a1", "b1", "a2", "c2"}, want: []string{"c1", "a1", "b1", "c2", "a2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var q fairQueue[string]
			for _, value := range test.push {
				q.push(value[:1], &entry[string]{value: value})
			}
			var all, popped []string
			for e := range q.all() {
				all = append(all, e.value)
			}
			for e := q.pop(); e != nil; e = q.pop() {
				popped = append(popped, e.value)
			}
			if !slices.Equal(all, test.want) || !slices.Equal(popped, test.want) || q.len() != 0 {
				t.Errorf("all %q, popped %q, %d left; want %q", all, popped, q.len(), test.want)
			}
		})
	}
}

// Against a plain model: a list of callers in turn, each with a list of values. What
// ahead and all foretell is what then happens.
func TestFairQueueAgainstModel(t *testing.T) {
	type caller struct {
		name   string
		values []int
	}
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 2))
		var (
			q       fairQueue[int]
			model   []caller
			entries = map[int]*entry[int]{}
			length  int
		)
		serve := func(model []caller) (order []int) {
			for round := 0; ; round++ {
				begin := len(order)
				for _, c := range model {
					if round < len(c.values) {
						order = append(order, c.values[round])
					}
				}
				if len(order) == begin {
					return order
				}
			}
		}
		for value := range 300 {
			switch random.IntN(5) {
			case 0: // The next one is served.
				e := q.pop()
				if len(model) == 0 {
					if e != nil {
						t.Fatalf("seed %d: %d popped from an empty queue", seed, e.value)
					}
					continue
				}
				first := model[0]
				if e == nil || e.value != first.values[0] {
					t.Fatalf("seed %d: popped %v, want %d", seed, e, first.values[0])
				}
				first.values = first.values[1:]
				if model = model[1:]; len(first.values) > 0 {
					model = append(model, first)
				}
				delete(entries, e.value)
				length--
			case 1: // Somebody leaves.
				for gone, e := range entries {
					q.remove(e)
					delete(entries, gone)
					length--
					for i := range model {
						model[i].values = slices.DeleteFunc(slices.Clone(model[i].values), func(v int) bool { return v == gone })
					}
					model = slices.DeleteFunc(model, func(c caller) bool { return len(c.values) == 0 })
					break
				}
			default:
				name := string(rune('a' + random.IntN(6)))
				ahead := q.ahead(name)
				i := slices.IndexFunc(model, func(c caller) bool { return c.name == name })
				if i < 0 {
					model = append(model, caller{name: name})
					i = len(model) - 1
				}
				model[i].values = append(slices.Clone(model[i].values), value)
				if want := slices.Index(serve(model), value); ahead != want {
					t.Fatalf("seed %d: %d ahead of a new entry of %s, want %d", seed, ahead, name, want)
				}
				entries[value] = &entry[int]{value: value}
				q.push(name, entries[value])
				length++
			}
			var all []int
			for e := range q.all() {
				all = append(all, e.value)
			}
			if want := serve(model); !slices.Equal(all, want) || q.len() != length {
				t.Fatalf("seed %d: %v in the queue, want %v", seed, all, want)
			}
		}
	}
}
