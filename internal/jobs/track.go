package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

const (
	// maxPages bounds the listing at the start: 1000 jobs at 100 a page.
	maxPages = 10
	// A listing that failed is begun again after a pause that doubles up to retryMost.
	retryLeast = 5 * time.Second
	retryMost  = time.Minute
)

// track is where the follower stands with a family.
type track struct {
	Family

	// recovered is what the running set has been recovered for, listing what it is being
	// recovered for; page and pages are how far that is, failures and retryAt when it is
	// tried again.
	recovered *resilience.Bulkhead
	listing   *resilience.Bulkhead
	page      string
	pages     int
	failures  int
	retryAt   time.Time

	last     time.Time // of the poll, or when a job was first seen; zero: nobody holds a slot
	requests int       // that the last poll took
	jitter   float64   // of the interval that runs
	share    share     // of the pace
}

// claim says how often the family is to be polled.
func (t *track) claim(now time.Time) {
	if held := t.followed(t.Slots()); len(held) > 0 {
		t.share.want(t.requests, t.interval(now, held))
	} else {
		t.share.want(0, 0)
	}
}

// ask sends what is due.
func (f *Follower) ask(ctx context.Context, t *track) {
	slots := t.Slots()
	if t.recovered != slots {
		f.recover(ctx, t, slots)
		return
	}
	t.requests = max(f.poll(ctx, t, slots), 1)
	t.last, t.jitter = time.Now(), jitterShare*f.options.Random()
}

// recover lists a page of jobs and gives slots to those that run.
func (f *Follower) recover(ctx context.Context, t *track, slots *resilience.Bulkhead) {
	if t.listing != slots {
		t.listing, t.page, t.pages = slots, "", 0
	}
	rows, next, err := t.Source.List(ctx, t.page)
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		pause := min(retryLeast<<min(t.failures, 10), retryMost)
		t.page, t.pages, t.failures, t.retryAt = "", 0, t.failures+1, time.Now().Add(pause)
		f.options.Logger.Warn("running jobs could not be listed; those of an earlier process hold no slots until they are",
			slog.String("family", t.Name), slog.Duration("retry_in", pause), slog.Any("error", err))
		return
	}
	now := time.Now()
	known := map[string]bool{}
	for _, slot := range slots.Jobs() {
		known[slot.Holder.Job] = true
	}
	for _, job := range rows {
		if known[job.ID] || job.ID == "" || job.State != Running || !job.Created.IsZero() && now.Sub(job.Created) >= t.MaxAge {
			continue
		}
		slots.Adopt(job.ID, job.Created)
		f.options.Logger.Info("job adopted: it was found running", slog.String("family", t.Name), slog.String("job", job.ID))
	}
	t.pages++
	if t.page = next; next != "" && t.pages < maxPages {
		return
	}
	if next != "" {
		f.options.Logger.Warn("there are more jobs than are listed; those that run beyond hold no slots",
			slog.String("family", t.Name), slog.Int("pages", t.pages))
	}
	t.recovered, t.page, t.pages, t.failures, t.retryAt = slots, "", 0, 0, time.Time{}
	t.last = time.Time{}
}

// poll asks for the jobs that hold slots, and returns how many requests that took.
// Several are looked for in the list; what that does not show is asked for itself.
func (f *Follower) poll(ctx context.Context, t *track, slots *resilience.Bulkhead) (requests int) {
	open := map[string]bool{}
	held := t.followed(slots)
	for _, slot := range held {
		open[slot.Holder.Job] = true
	}
	failed := func(err error) {
		if ctx.Err() == nil {
			f.options.Logger.Warn("jobs could not be polled", slog.String("family", t.Name), slog.Any("error", err))
		}
	}
	for page := ""; len(open) > 1 && requests < len(held); { // more pages would cost more than one by one
		rows, next, err := t.Source.List(ctx, page)
		requests++
		if err != nil {
			failed(err)
			return requests
		}
		for _, job := range rows {
			if open[job.ID] && job.State != Unsaid {
				delete(open, job.ID)
				f.saw(t, slots, job)
			}
		}
		if page = next; next == "" {
			break
		}
	}
	for _, slot := range held {
		id := slot.Holder.Job
		if !open[id] {
			continue
		}
		job, err := t.Source.Get(ctx, id)
		requests++
		switch {
		case errors.Is(err, ErrGone):
			job.State = Final
		case err != nil:
			failed(err)
			return requests
		}
		f.saw(t, slots, Job{ID: id, State: job.State})
	}
	return requests
}

// saw frees the slot of a job that is over.
func (f *Follower) saw(t *track, slots *resilience.Bulkhead, job Job) {
	if job.State == Final && slots.Free(job.ID) {
		f.options.Logger.Info("slot freed: the job is over", slog.String("family", t.Name), slog.String("job", job.ID))
	}
}
