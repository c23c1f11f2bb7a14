package server

import (
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// Snapshot tells how things stand with the gateway's own key. The keys of callers have
// windows, breakers and slots of their own, which it does not show: there may be any
// number of them. It does not wait for calls.
func (s *Server) Snapshot() resilience.Snapshot {
	now := time.Now()
	own := s.options.Key()
	key := s.resilient.keys.Use(own)
	defer key.Release()
	snapshot := resilience.Snapshot{
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
