package server

import (
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// A Snapshot is how things stand with the gateway's own key, for metrics. The keys of
// callers have windows, breakers and slots of their own, which it does not show: there
// may be any number of them.
type Snapshot struct {
	// Window is the rate limit window, Queued who waits for it, by class.
	Window resilience.WindowUsage
	Queued resilience.Waiting
	// RetryBudget is how many retries could be spent at once.
	RetryBudget int
	// Breakers has the state of each family's breaker.
	Breakers map[string]resilience.State
	// Slots has the slots of each family that is capped.
	Slots map[string]resilience.SlotUsage
	// Watches is how many watch jobs of each family of jobs, WatchedJobs how many jobs
	// those are: of all keys.
	Watches, WatchedJobs map[string]int
}

// Snapshot tells how things stand. It does not wait for calls.
func (s *Server) Snapshot() Snapshot {
	now := time.Now()
	own := s.options.Key()
	key := s.resilient.keys.Use(own)
	defer key.Release()
	snapshot := Snapshot{
		Window: key.Value.limiter.Usage(), Queued: key.Value.limiter.Queued(),
		RetryBudget: key.Value.budget.Level(now),
		Breakers:    map[string]resilience.State{}, Slots: map[string]resilience.SlotUsage{},
	}
	snapshot.Watches, snapshot.WatchedJobs = s.watches.usage()
	for _, plan := range s.plans {
		if _, seen := snapshot.Breakers[plan.Family]; seen {
			continue
		}
		family := s.resilient.families.Use(familyKey{key: own, family: plan.Family})
		snapshot.Breakers[plan.Family], _, _ = family.Value.breaker.Check(now)
		if family.Value.slots != nil {
			snapshot.Slots[plan.Family] = family.Value.slots.Usage()
		}
		family.Release()
	}
	return snapshot
}
