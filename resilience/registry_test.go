package resilience_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

func TestRegistry(t *testing.T) {
	t.Parallel()
	// A step uses a key ("+a"), releases it ("-a"), or makes its value busy ("a!") or idle
	// ("a?") while in use or not.
	tests := []struct {
		name  string
		bound int
		steps string
		want  string // the keys that are left, the last used first
		made  int
	}{
		{name: "made once", bound: 2, steps: "+a -a +a -a +a +a -a -a", want: "a", made: 1},
		{name: "the least recently used is dropped", bound: 2, steps: "+a -a +b -b +a -a +c -c", want: "c a", made: 3},
		{name: "and made anew", bound: 2, steps: "+a -a +b -b +c -c +a -a", want: "a c", made: 4},
		{name: "what is in use is kept", bound: 2, steps: "+a +b +c +d", want: "d c b a", made: 4},
		{name: "until it is released", bound: 2, steps: "+a +b +c +d -b -c", want: "d a", made: 4},
		{name: "by the last of its users", bound: 1, steps: "+a +a +b -a", want: "b a", made: 2},
		{name: "by all of its users", bound: 1, steps: "+a +a +b -a -a", want: "b", made: 2},
		{name: "what is busy is kept", bound: 1, steps: "+a a! -a +b -b +c -c", want: "a", made: 3},
		{name: "until it is idle and something changes", bound: 1, steps: "+a a! -a +b a? -b", want: "b", made: 2},
		{name: "a bound of nothing is one", bound: 0, steps: "+a -a +b -b", want: "b", made: 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			made, busy := 0, map[string]bool{}
			registry := resilience.NewRegistry(test.bound,
				func(key string) string { made++; return key },
				func(value string) bool { return !busy[value] })
			used := map[string][]*resilience.Entry[string, string]{}
			for step := range strings.FieldsSeq(test.steps) {
				key := strings.Trim(step, "+-!?")
				switch {
				case step[0] == '-':
					last := len(used[key]) - 1
					used[key][last].Release()
					used[key] = used[key][:last]
				case step[0] != '+':
					busy[key] = step[1] == '!'
				default:
					entry := registry.Use(key)
					if entry.Value != key {
						t.Errorf("Use(%q) returns the value of %q", key, entry.Value)
					}
					used[key] = append(used[key], entry)
				}
			}
			var left []string
			for key := range registry.All() {
				left = append(left, key)
			}
			if got := strings.Join(left, " "); got != test.want || made != test.made {
				t.Errorf("%d made, left %q; want %d, %q", made, got, test.made, test.want)
			}
			for key := range registry.All() {
				if key != left[0] {
					t.Errorf("All starts with %q, then with %q", left[0], key)
				}
				break // ends the walk
			}
		})
	}
}

// Under a crowd no key ever has two values that are in use at once, and the bound holds
// when it has gone.
func TestRegistryCrowd(t *testing.T) {
	t.Parallel()
	const bound = 4
	var current [20]atomic.Pointer[resilience.LocalBreaker]
	var users [20]atomic.Int32
	registry := resilience.NewRegistry(bound, func(key int) *resilience.LocalBreaker {
		if users[key].Load() > 0 {
			t.Errorf("key %d is made anew while it is in use", key)
		}
		made := resilience.NewLocalBreaker(usualBreaker)
		current[key].Store(made)
		return made
	}, nil)
	var crowd sync.WaitGroup
	for worker := range uint64(8) {
		crowd.Go(func() {
			random := rand.New(rand.NewPCG(worker, 6))
			for range 2000 {
				key := random.IntN(20)
				entry := registry.Use(key)
				users[key].Add(1)
				if entry.Value != current[key].Load() {
					t.Errorf("key %d has two values", key)
				}
				users[key].Add(-1)
				entry.Release()
			}
		})
	}
	crowd.Wait()
	if left := maps.Collect(registry.All()); len(left) != bound {
		t.Errorf("%d entries are kept, want %d", len(left), bound)
	}
}

// A bulkhead whose jobs run is not dropped for newer keys, and All finds it to expire them.
func TestRegistryKeepsBulkheadsWithJobs(t *testing.T) {
	t.Parallel()
	caps := resilience.Caps{Slots: 1, Jobs: true, MaxAge: time.Hour}
	registry := resilience.NewRegistry(1, func(string) *resilience.Bulkhead { return newBulkhead(caps) }, (*resilience.Bulkhead).Idle)
	entry := registry.Use("a")
	entry.Value.Adopt("job", time.Now())
	entry.Release()
	for i := range 10 {
		registry.Use(fmt.Sprint(i)).Release()
	}
	var expired []string
	for _, bulkhead := range registry.All() {
		expired = append(expired, bulkhead.Expire(time.Now().Add(2*time.Hour))...)
	}
	if !slices.Equal(expired, []string{"job"}) {
		t.Errorf("expired %v, want [job]", expired)
	}
	registry.Use("b").Release()
	for key := range registry.All() {
		if key != "b" {
			t.Errorf("%q is kept although its job is over", key)
		}
	}
}

func BenchmarkRegistryUse(b *testing.B) {
	type scope struct{ key, family string }
	registry := resilience.NewRegistry(1024, func(scope) int { return 0 }, nil)
	b.ReportAllocs()
	for b.Loop() {
		registry.Use(scope{"key", "family"}).Release()
	}
}
