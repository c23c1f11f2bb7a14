package resilience

import "time"

// Holder is who holds a slot: a call of this process by its number, or a job by its id.
type Holder struct {
	Call uint64 // counts from 1; 0 for a job
	Job  string // empty for a call
}

// Slot is a slot that is taken.
type Slot struct {
	Holder Holder
	Since  time.Time
}

// LocalSlots knows which slots are taken, in this process. It is the default [SlotStore];
// like all of them it is used by one [Bulkhead], which locks it.
type LocalSlots struct {
	taken map[Holder]time.Time
}

// NewLocalSlots returns slots none of which is taken.
func NewLocalSlots() *LocalSlots { return &LocalSlots{taken: map[Holder]time.Time{}} }

// Take implements [SlotStore].
func (s *LocalSlots) Take(slot Slot, capacity int) bool {
	if _, ok := s.taken[slot.Holder]; ok {
		return true
	}
	if len(s.taken) >= capacity {
		return false
	}
	s.taken[slot.Holder] = slot.Since
	return true
}

// Free implements [SlotStore].
func (s *LocalSlots) Free(holder Holder) (since time.Time, ok bool) {
	since, ok = s.taken[holder]
	delete(s.taken, holder)
	return since, ok
}

// Taken implements [SlotStore].
func (s *LocalSlots) Taken() []Slot {
	slots := make([]Slot, 0, len(s.taken))
	for holder, since := range s.taken {
		slots = append(slots, Slot{Holder: holder, Since: since})
	}
	return slots
}
