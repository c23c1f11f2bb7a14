package server

import (
	"cmp"
	"errors"
	"iter"
	"math/rand/v2"
	"net/http"

	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// newFollower makes what follows the jobs of the gateway's own key. The slots of the
// keys that callers bring are freed by answers and by age: nobody could tell for how
// long such a key may be used to poll.
func (s *Server) newFollower() *jobs.Follower {
	options := jobs.Options{
		Slots: s.resilient.jobSlots, Pace: s.watches.pace, Random: rand.Float64, Logger: s.options.Logger,
	}
	follow := func(name string, source jobs.Source) {
		caps := s.options.Policies.Of(name).Caps
		if !caps.Jobs {
			return
		}
		options.Families = append(options.Families, jobs.Family{
			Name: name, Source: source, MaxAge: caps.MaxAge, Interval: s.options.Policies.Poll(name),
			Slots: func() *resilience.Bulkhead {
				family := s.resilient.families.Use(familyKey{key: s.options.Key(), family: name})
				defer family.Release()
				return family.Value.slots
			},
			Watched: func(id string) bool { return s.watches.hub.Watching(watchKey{family: name, id: id}) },
		})
	}
	if s.options.FollowJobs {
		follow(FocusGroupsFamily, focusGroups{s.ask})
		follow(VideoAnalysesFamily, videoAnalyses{s.ask})
	}
	return jobs.New(options)
}

// defaultPollShare is that of [resilience.WindowPolicy].
const defaultPollShare = 0.1

// pollRate is how many polls a minute the window of a key keeps a place for.
func (r *resilient) pollRate(limiter *resilience.Limiter) float64 {
	return float64(limiter.Usage().Places) * cmp.Or(r.policies.Window.PollShare, defaultPollShare)
}

// jobSlots yields what has slots for jobs, of all keys.
func (r *resilient) jobSlots() iter.Seq2[string, *resilience.Bulkhead] {
	return func(yield func(string, *resilience.Bulkhead) bool) {
		for key, family := range r.families.All() {
			if r.policies.Of(key.family).Caps.Jobs && !yield(key.family, family.slots) {
				return
			}
		}
	}
}

// jobSlots keeps the slots of jobs by what answers to callers show of them.
type jobSlots struct{ wake func() }

// learn leaves the slot of a creation to its job, and frees those of jobs that are over
// or gone. What the follower asked for is its own to see.
func (j jobSlots) learn(c *call, lease *resilience.Lease, slots *resilience.Bulkhead, out any, err error) {
	read := jobReader(c.plan.Procedure)
	if read == nil || slots == nil || c.origin == fromFollower {
		return
	}
	if err != nil {
		if isGone(c, err) {
			slots.Free(c.request.Resource.Name)
		}
		return
	}
	if lease == nil && len(slots.Jobs()) == 0 {
		return // nothing to free: the answer need not be read
	}
	answer, ok := out.(*transcode.Answer)
	if !ok {
		return
	}
	for _, job := range read(answer) {
		switch {
		case job.State == jobs.Final:
			slots.Free(job.ID)
		case lease != nil:
			lease.Keep(job.ID)
			j.wake()
		}
	}
}

// isGone says that the job which a call names does not exist.
func isGone(c *call, err error) bool {
	failure := (*mavera.Failure)(nil)
	return c.plan.HTTPMethod == http.MethodGet && errors.As(err, &failure) && failure.HTTPStatus == http.StatusNotFound
}
