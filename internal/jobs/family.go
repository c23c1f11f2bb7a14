package jobs

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// State is what an answer says of a job.
type State int

// The states. A word that is not known to be final counts as Running.
const (
	Unsaid  State = iota // The answer does not say.
	Running              // It holds a slot.
	Final                // It is over, well or not.
)

// A Job is a job as an answer shows it.
type Job struct {
	ID    string
	State State
	// Created is when it began; zero where the answer does not say.
	Created time.Time
}

// ErrGone is the error of Get for a job that does not exist any more.
var ErrGone = errors.New("there is no such job")

// A Source asks Mavera for the jobs of a family. Each call is one request.
type Source interface {
	// List returns a page of all jobs, and the token of the next, empty at the end.
	List(ctx context.Context, page string) (jobs []Job, next string, err error)
	// Get returns a job, or an error that wraps ErrGone.
	Get(ctx context.Context, id string) (Job, error)
}

// A Family is a kind of jobs with a cap.
type Family struct {
	// Name is how logs call it.
	Name   string
	Source Source
	// Slots returns what the jobs hold. When it is not the same as before, because
	// the key has changed, the running set is recovered anew.
	Slots func() *resilience.Bulkhead
	// MaxAge is from which age on a job that is found running is not believed to.
	MaxAge time.Duration
	// Interval is between polls; the youngest job decides.
	Interval Interval
	// Watched says that a job is polled by a [Hub], which then frees its slot. Nil: none
	// is.
	Watched func(id string) bool
}

// followed returns the slots of the jobs that are to be polled, the oldest first.
func (f Family) followed(slots *resilience.Bulkhead) []resilience.Slot {
	held := slots.Jobs()
	if f.Watched == nil {
		return held
	}
	return slices.DeleteFunc(held, func(slot resilience.Slot) bool { return f.Watched(slot.Holder.Job) })
}

// interval is how far apart polls are, before all of them are stretched.
func (f Family) interval(now time.Time, jobs []resilience.Slot) time.Duration {
	return f.Interval.at(now.Sub(jobs[len(jobs)-1].Since))
}
