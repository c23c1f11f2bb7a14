package server

import (
	"errors"
	"iter"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// How often jobs are asked for. A focus group takes 60 to 90 s, a video analysis 2 to
// 10 min (/guides/rate-limits, /quickstart-video).
const (
	focusGroupPoll   = 5 * time.Second
	leastVideoPoll   = 15 * time.Second
	mostVideoPoll    = 30 * time.Second
	defaultPollShare = 0.1
)

// newFollower makes what follows the jobs of the gateway's own key. The slots of the
// keys that callers bring are freed by answers and by age: nobody could tell for how
// long such a key may be used to poll.
func (s *Server) newFollower() *jobs.Follower {
	options := jobs.Options{
		Slots: s.resilient.jobSlots, Pace: jobs.NewPace(s.pollRate), Random: rand.Float64, Logger: s.options.Logger,
	}
	follow := func(name string, source jobs.Source, least, most time.Duration) {
		caps := s.options.Policies.Of(name).Caps
		if !caps.Jobs {
			return
		}
		options.Families = append(options.Families, jobs.Family{
			Name: name, Source: source, MaxAge: caps.MaxAge, Interval: jobs.Interval{Least: least, Most: most},
			Slots: func() *resilience.Bulkhead {
				family := s.resilient.families.Use(familyKey{key: s.options.Key(), family: name})
				defer family.Release()
				return family.Value.slots
			},
		})
	}
	if s.options.FollowJobs {
		follow(FocusGroupsFamily, focusGroups{s.ask}, focusGroupPoll, focusGroupPoll)
		follow(VideoAnalysesFamily, videoAnalyses{s.ask}, leastVideoPoll, mostVideoPoll)
	}
	return jobs.New(options)
}

// pollRate is how many polls a minute the window keeps a place for.
func (s *Server) pollRate() float64 {
	key := s.resilient.keys.Use(s.options.Key())
	defer key.Release()
	window := s.options.Policies.Window
	share := window.PollShare
	if share == 0 {
		share = defaultPollShare
	}
	return float64(key.Value.limiter.Usage().Places) * share
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
// or gone. What polls bring is the follower's to see.
func (j jobSlots) learn(c *call, lease *resilience.Lease, slots *resilience.Bulkhead, out any, err error) {
	read := jobReader(c.plan.Procedure)
	if read == nil || slots == nil || c.class == resilience.Poll {
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
