package simulator

import (
	"fmt"
	"time"
)

// Outcome is how a job ends.
type Outcome string

// The outcomes of a job.
const (
	Completes Outcome = "completed"
	Fails     Outcome = "failed"
	// RunsOutOfCredits: the job fails because a 402 ended it midway.
	RunsOutOfCredits Outcome = "credits_exhausted"
)

// JobScript decides how the next jobs of a family end.
type JobScript struct {
	// Family is FocusGroups, VideoAnalyses or BrandVoices.
	Family string `json:"family"`
	// Outcome is how they end.
	Outcome Outcome `json:"outcome"`
	// Times is how many jobs the script is for. Default 1.
	Times int `json:"times"`
}

// ScriptJobs decides how the next jobs of a family end. Scripts of one family
// are used up in the order they came.
func (s *Simulator) ScriptJobs(script JobScript) error {
	switch script.Family {
	case FocusGroups, VideoAnalyses, BrandVoices:
	default:
		return fmt.Errorf("family: %q has no jobs that can be scripted", script.Family)
	}
	switch script.Outcome {
	case Completes, Fails, RunsOutOfCredits:
	default:
		return fmt.Errorf("outcome: %q is not an outcome of a job", script.Outcome)
	}
	if script.Times < 0 {
		return fmt.Errorf("times: %d is negative", script.Times)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for range max(script.Times, 1) {
		s.state.scripts[script.Family] = append(s.state.scripts[script.Family], script.Outcome)
	}
	return nil
}

// phase is where a job stands.
type phase string

const (
	pending   phase = "pending"
	started   phase = "started"
	completed phase = "completed"
	failed    phase = "failed"
)

// A job is pending for the first tenth of its time; one that fails does so after
// six tenths.
const (
	pendingShare = 0.1
	failShare    = 0.6
)

// job computes its state from the time that has passed, so that nothing runs in
// the background.
type job struct {
	begin    time.Time
	duration time.Duration
	outcome  Outcome
}

// startJob begins a job of a family now, or at a later time.
func (c *call) startJob(family string, begin time.Time) *job {
	j := &job{begin: begin, outcome: Completes, duration: c.s.settings.JobDuration[family]}
	if scripts := c.s.state.scripts[family]; len(scripts) > 0 {
		j.outcome, c.s.state.scripts[family] = scripts[0], scripts[1:]
	}
	j.duration = time.Duration(float64(j.duration) / c.s.settings.Speed)
	return j
}

// at returns the phase and the share of the work that is done, from 0 to 1.
func (j *job) at(now time.Time) (phase, float64) {
	passed := now.Sub(j.begin)
	share := 1.0
	if passed < j.duration {
		share = max(float64(passed)/float64(j.duration), 0)
	}
	switch {
	case j.outcome != Completes && share >= failShare:
		return failed, failShare
	case share >= 1:
		return completed, 1
	case share < pendingShare:
		return pending, 0
	default:
		return started, (share - pendingShare) / (1 - pendingShare)
	}
}

// ends is when the job reaches its final state.
func (j *job) ends() time.Time {
	if j.outcome != Completes {
		return j.begin.Add(time.Duration(float64(j.duration) * failShare))
	}
	return j.begin.Add(j.duration)
}

func (j *job) final(now time.Time) bool {
	p, _ := j.at(now)
	return p == completed || p == failed
}

// touched is when the object of a job last changed: now while it runs.
func (j *job) touched(now, wall, created time.Time) time.Time {
	switch p, _ := j.at(now); p {
	case pending:
		return created
	case started:
		return wall
	default:
		return j.ends().Add(wall.Sub(now))
	}
}

// reason is the error text of a failed job.
func (j *job) reason(what string) string {
	if j.outcome == RunsOutOfCredits {
		return "credits_exhausted: No credits are left in this billing period."
	}
	return what
}
