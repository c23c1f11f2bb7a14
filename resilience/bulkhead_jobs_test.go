package resilience_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

var jobCaps = resilience.Caps{Slots: 2, Jobs: true, MaxAge: time.Hour}

func jobUsage(taken, jobs int, median time.Duration) resilience.SlotUsage {
	return resilience.SlotUsage{Slots: 2, Taken: taken, Jobs: jobs, MedianHold: median}
}

func TestBulkheadJobOutlivesItsCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(jobCaps)
		var ages []time.Duration
		b.OnEnd(func(age time.Duration) { ages = append(ages, age) })
		lease := take(t, b, "a")
		time.Sleep(time.Second)
		wantUsage(t, b, jobUsage(1, 0, 0))
		lease.Keep("job")
		lease.Release() // as a defer does
		lease.Keep("another")
		wantUsage(t, b, jobUsage(1, 1, 0))
		time.Sleep(time.Minute)
		if !b.Free("job") || b.Free("job") || b.Free("unknown") {
			t.Error("Free reports the wrong jobs")
		}
		wantUsage(t, b, jobUsage(0, 0, 61*time.Second)) // since the slot was taken
		if !slices.Equal(ages, []time.Duration{61 * time.Second}) {
			t.Errorf("told of the ages %v", ages)
		}
	})
}

func TestBulkheadCallWithoutJobIsNoMeasureOfJobs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(jobCaps)
		lease := take(t, b, "a")
		time.Sleep(time.Second)
		lease.Release()
		lease.Keep("too late")
		wantUsage(t, b, jobUsage(0, 0, 0))
	})
}

func TestBulkheadJobWithoutIDHoldsNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(jobCaps)
		b.Adopt("", time.Now())
		take(t, b, "a").Keep("")
		if b.Free("") {
			t.Error("Free frees what nobody holds")
		}
		wantUsage(t, b, jobUsage(0, 0, 0))
	})
}

func TestBulkheadWithMoreJobsThanSlotsLetsNothingIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(jobCaps)
		for _, id := range []string{"1", "2", "3", "3"} {
			b.Adopt(id, time.Now())
		}
		wantUsage(t, b, jobUsage(3, 3, 0))
		refused(t, b)
		b.Free("2")
		refused(t, b)
		b.Free("1")
		take(t, b, "a")
		refused(t, b)
	})
}

func TestBulkheadJobFoundBeforeItsCreatorHeardHasOneSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(jobCaps)
		lease := take(t, b, "a")
		b.Adopt("job", time.Now())
		wantUsage(t, b, jobUsage(2, 1, 0))
		lease.Keep("job")
		wantUsage(t, b, jobUsage(1, 1, 0))
		b.Adopt("job", time.Now())
		wantUsage(t, b, jobUsage(1, 1, 0))
	})
}

func TestBulkheadForgetsOldJobsButNoCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(jobCaps)
		b.Adopt("b", time.Now().Add(-59*time.Minute))
		b.Adopt("a", time.Now().Add(-59*time.Minute))
		b.Adopt("of unknown age", time.Time{})
		b.Adopt("of the future", time.Now().Add(time.Hour)) // the upstream's clock is ahead
		if ids := b.Expire(time.Now().Add(time.Minute - 1)); len(ids) != 0 {
			t.Errorf("expired %v a nanosecond early", ids)
		}
		if ids := b.Expire(time.Now().Add(time.Minute)); !slices.Equal(ids, []string{"a", "b"}) {
			t.Errorf("expired %v, want [a b]", ids)
		}
		if ids := b.Expire(time.Now().Add(time.Hour)); !slices.Equal(ids, []string{"of the future", "of unknown age"}) {
			t.Errorf("expired %v, want the other two", ids)
		}
		take(t, b, "a")
		if ids := b.Expire(time.Now().Add(24 * time.Hour)); len(ids) != 0 {
			t.Errorf("expired %v, but there are only calls", ids)
		}
		wantUsage(t, b, jobUsage(1, 0, 0)) // an age is not a hold
	})
}

func TestBulkheadServesWaitersWhenJobsEnd(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(b *resilience.Bulkhead, lease *resilience.Lease)
	}{
		{name: "a job is over", end: func(b *resilience.Bulkhead, _ *resilience.Lease) { b.Free("job") }},
		{name: "a job is too old", end: func(b *resilience.Bulkhead, _ *resilience.Lease) { b.Expire(time.Now().Add(time.Hour)) }},
		{name: "a job turns out to have two slots", end: func(_ *resilience.Bulkhead, lease *resilience.Lease) { lease.Keep("job") }},
		{name: "a call starts no job", end: func(_ *resilience.Bulkhead, lease *resilience.Lease) { lease.Release() }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBulkhead(jobCaps)
				b.Adopt("job", time.Now())
				lease := take(t, b, "a")
				time.AfterFunc(time.Minute, func() { test.end(b, lease) })
				if _, waited, err := b.Acquire(t.Context(), "b"); err != nil || waited != time.Minute {
					t.Errorf("Acquire = %v after %v, want a slot after 1m0s", err, waited)
				}
			})
		})
	}
}

// replica is one process's view of slots that several share.
type replica struct {
	shared *resilience.LocalSlots
	first  uint64 // makes its calls' numbers its own
}

func (r replica) own(holder resilience.Holder) resilience.Holder {
	if holder.Job == "" {
		holder.Call += r.first
	}
	return holder
}

func (r replica) Take(slot resilience.Slot, capacity int) bool {
	slot.Holder = r.own(slot.Holder)
	return r.shared.Take(slot, capacity)
}

func (r replica) Free(holder resilience.Holder) (time.Time, bool) {
	return r.shared.Free(r.own(holder))
}

func (r replica) Taken() []resilience.Slot { return r.shared.Taken() }

// Two replicas share slots through their store alone.
func TestBulkheadOverASharedStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared, caps := resilience.NewLocalSlots(), resilience.Caps{Slots: 2, Jobs: true, MaxAge: time.Hour}
		here := resilience.NewBulkhead(caps, replica{shared, 0})
		there := resilience.NewBulkhead(caps, replica{shared, 1_000_000})
		take(t, there, "a").Keep("job")
		lease := take(t, there, "a")
		refused(t, here)
		var waits []time.Duration
		for range 2 {
			go func() {
				lease, waited, err := here.Acquire(t.Context(), "b")
				if err != nil {
					t.Errorf("Acquire = %v, want a slot", err)
					return
				}
				waits = append(waits, waited)
				lease.Keep(fmt.Sprint("job ", len(waits)))
			}()
			synctest.Wait()
		}
		time.Sleep(time.Second)
		lease.Release() // there, which here learns when it looks next
		time.Sleep(time.Second)
		here.Expire(time.Now())
		synctest.Wait()
		here.Free("job") // of the other replica, seen in a listing
		synctest.Wait()
		if want := []time.Duration{2 * time.Second, 2 * time.Second}; !slices.Equal(waits, want) {
			t.Errorf("waited %v, want %v", waits, want)
		}
		refused(t, there)
	})
}

func TestBulkheadShowsItsJobsOldestFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(resilience.Caps{Slots: 9, Jobs: true, MaxAge: time.Hour})
		now := time.Now()
		take(t, b, "a").Keep("new")
		take(t, b, "a") // a call: no job yet
		b.Adopt("old b", now.Add(-time.Minute))
		b.Adopt("old a", now.Add(-time.Minute))
		want := []resilience.Slot{
			{Holder: resilience.Holder{Job: "old a"}, Since: now.Add(-time.Minute)},
			{Holder: resilience.Holder{Job: "old b"}, Since: now.Add(-time.Minute)},
			{Holder: resilience.Holder{Job: "new"}, Since: now},
		}
		if got := b.Jobs(); !slices.Equal(got, want) {
			t.Errorf("Jobs() = %v, want %v", got, want)
		}
	})
}
