package jobs

import (
	"context"
	"log/slog"
	"time"
)

// wakeLeast is how long after an answer a job is asked for again at the earliest when
// the poller is woken: who changes a job often does not take the polls of all others.
const wakeLeast = time.Second

// A poller asks for one job as long as it is watched. What it does is one request after
// the other, in one goroutine.
type poller[K comparable] struct {
	hub   *Hub[K]
	key   K
	topic *topic

	created  time.Time // of the job; when the watch began where answers do not say
	failures int       // polls that failed in a row
}

// run polls until ctx ends, which the end of the topic sees to.
func (p *poller[K]) run(ctx context.Context) {
	claim := share{pace: p.topic.subject.Pace}
	defer claim.want(0, 0)
	p.created = time.Now()
	for first := true; ctx.Err() == nil; first = false {
		askedAt := time.Now()
		view, sends, err := p.topic.subject.Ask(ctx, first)
		if ctx.Err() != nil {
			return
		}
		pause := p.settle(askedAt, view, sends, err)
		if ctx.Err() != nil { // it was the last one
			return
		}
		p.wait(ctx, &claim, time.Now(), pause)
	}
}

// settle makes known what came of a poll; pause is how long not to ask again.
func (p *poller[K]) settle(askedAt time.Time, view View, sends int, err error) (pause time.Duration) {
	h, t := p.hub, p.topic
	again := false
	if err != nil {
		pause, again = t.subject.Retry(err)
	}
	result := Failed
	h.mu.Lock()
	t.sends += sends
	switch {
	case err == nil:
		result = h.publish(p.key, t, askedAt, view)
	case !again:
		h.finish(p.key, t, err)
	}
	over := t.over
	h.mu.Unlock()

	if h.options.Polled != nil {
		h.options.Polled(p.key, result)
	}
	if over {
		h.left(p.key)
	}
	switch {
	case err == nil:
		p.recovered()
		if !view.Created.IsZero() {
			p.created = view.Created
		}
	case again:
		p.failed(err)
	}
	return pause
}

// failed logs the first failure of a row.
func (p *poller[K]) failed(err error) {
	if p.failures++; p.failures == 1 {
		p.topic.subject.Logger.Warn("a watched job could not be polled; it will be again", slog.Any("error", err))
	}
}

// recovered logs the end of a row of failures.
func (p *poller[K]) recovered() {
	if p.failures > 0 {
		p.topic.subject.Logger.Info("the watched job can be polled again", slog.Int("failures", p.failures))
	}
	p.failures = 0
}

// wait returns when the job is to be asked for again, or ctx ends. The stretch changes
// with the limit that is learnt and as other jobs come and go, so it is looked at anew
// after every interval that is not stretched.
func (p *poller[K]) wait(ctx context.Context, claim *share, since time.Time, pause time.Duration) {
	jitter := 1 + jitterShare*p.hub.options.Random()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for woken := p.topic.woken; ; {
		select {
		case <-ctx.Done():
			return
		case <-woken:
			woken = nil
		case <-timer.C:
		}
		now := time.Now()
		interval := p.topic.subject.Interval.at(now.Sub(p.created))
		claim.want(1, interval)
		due := time.Duration(float64(interval) * claim.pace.stretch() * jitter)
		if woken == nil {
			due = wakeLeast
		}
		left := since.Add(max(due, pause)).Sub(now)
		if left <= 0 {
			return
		}
		timer.Reset(min(left, interval))
	}
}
