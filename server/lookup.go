package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// Bounds of a look-up. The caller waits for it, and the create may hold a slot.
const (
	// lookUpTime is how long all of it may take.
	lookUpTime = 15 * time.Second
	// leastLookUpTime is how much of that there must be for one to be begun.
	leastLookUpTime = time.Second
	// returnTime is kept of the caller's time for the answer to travel.
	returnTime = 100 * time.Millisecond
	// lookAgainAfter is the pause before the second look, which none found makes
	// worthwhile: a listing may lag behind what was created, usually by less than this.
	lookAgainAfter = time.Second
	// mostLookUpPages is how many pages of a listing are walked, of createPage objects.
	mostLookUpPages = 5
)

// How much earlier than the first sending of a create its object may seem to be
// created. By the Date of the listing the clocks are compared, to one second; the
// creation's time may be cut to seconds too, and be that of another server.
const (
	createdMargin       = 5 * time.Second
	createdMarginNoDate = 30 * time.Second
)

// finding is what comes of a look-up.
type finding string

// The findings.
const (
	foundOne     finding = "found"
	foundNone    finding = "none"
	foundSeveral finding = "several"
	lookUpFailed finding = "failed"
)

// lookUps find what billed creates of unknown outcome have made.
type lookUps struct {
	options  Options
	plans    map[string]*transcode.Plan
	exchange func(ctx context.Context, c *call, in proto.Message) (*transcode.Answer, error)
}

// A lookUp is what is kept in mind of a billed create in case its outcome is unknown.
// nil is that of all other calls.
type lookUp struct {
	*lookUps

	call   *call
	kind   *createKind
	record *creations
	made   *creation // nil before the create is sent
	doubts int       // attempts that may have created something nobody was given
}

// of returns the look-up of a call, nil where there is to be none.
func (l *lookUps) of(c *call, record *creations) *lookUp {
	if !l.options.RecoverCreates || !c.plan.Billed || c.plan.Idempotency != transcode.NonIdempotent {
		return nil
	}
	kind := createKindOf(c.plan.Procedure)
	if kind == nil {
		return nil
	}
	return &lookUp{lookUps: l, call: c, kind: kind, record: record}
}

// sending says that an attempt begins. Until it is known what came of it, it counts as
// one that creates.
func (l *lookUp) sending() {
	if l == nil {
		return
	}
	l.doubts++
	if l.made != nil {
		return
	}
	want, err := l.kind.sent(l.call.request.Body)
	if err != nil { // what Mavera makes of it cannot be recognised, nor told from another's
		want = traits{}
	}
	l.made = &creation{procedure: l.call.plan.Procedure, want: want, since: time.Now()}
	l.record.begin(l.made)
}

// answered says what came of the attempt.
func (l *lookUp) answered(out any, err error) {
	if l == nil {
		return
	}
	if err != nil {
		if !l.questionable(err) {
			l.doubts--
		}
		return
	}
	l.doubts--
	if answer, ok := out.(*transcode.Answer); ok {
		if object, err := l.kind.whole(answer); err == nil {
			l.record.give(object.id, time.Now())
		}
	}
}

// end says that the call is over.
func (l *lookUp) end() {
	if l != nil && l.made != nil {
		l.record.end(l.made, l.doubts > 0, time.Now())
	}
}

// questionable reports whether an attempt that failed may have created something: its
// outcome is unknown; Mavera failed on the way, which its rule has repeated; or Mavera
// says that it was carried out, but not readably.
func (l *lookUp) questionable(err error) bool {
	failure := (*mavera.Failure)(nil)
	return errors.As(err, &failure) && l.call.report.Sends > 0 &&
		(failure.OutcomeUnknown || failure.HTTPStatus == http.StatusInternalServerError || failure.HTTPStatus/100 == 2)
}

// settle looks for what an attempt of unknown outcome has created. One object becomes
// the outcome, and is returned. None leaves the outcome as it is: what may be repeated
// is. Several, or a look-up that failed, end what Mavera's rule would have repeated: a
// repeat could create, and bill, twice.
func (l *lookUp) settle(ctx context.Context, o *resilience.Outcome) *transcode.Answer {
	if l == nil || !l.questionable(o.Err) {
		return nil
	}
	begin := time.Now()
	object, answer, found, err := l.find(ctx)
	l.tell(ctx, o.Err, object, found, time.Since(begin), err)
	switch found {
	case foundOne:
		l.doubts--
		l.call.recovered = true
		if object.credits != nil {
			l.call.credits, l.call.hasCredits = *object.credits, true
			l.options.Observer.AddCredits(ctx, l.call.plan.Family, l.call.caller, *object.credits)
		}
		o.Err, o.Repeat, o.Unknown = nil, false, false
		return answer
	case foundSeveral, lookUpFailed:
		if failure := (*mavera.Failure)(nil); o.Repeat && errors.As(o.Err, &failure) {
			o.Err, o.Repeat, o.Unknown = failure.InDoubt(), false, true
		}
	case foundNone:
	}
	return nil
}

// tell counts a look-up and logs it.
func (l *lookUp) tell(ctx context.Context, why error, object made, found finding, took time.Duration, err error) {
	c := l.call
	l.options.Observer.AddLookUp(ctx, c.plan.Family, string(found))
	attrs := []slog.Attr{
		slog.String("request_id", c.requestID), slog.String("rpc", c.rpc), slog.String("family", c.plan.Family),
		slog.String("after", c.outcome), slog.String("result", string(found)), slog.Int64("duration_ms", took.Milliseconds()),
	}
	level := slog.LevelInfo
	switch {
	case found == foundOne:
		attrs = append(attrs, slog.String("object", object.id), slog.String("error", why.Error()))
	case err != nil:
		level, attrs = slog.LevelWarn, append(attrs, slog.String("error", err.Error()))
	case found == foundSeveral:
		level = slog.LevelWarn
	}
	l.options.Logger.LogAttrs(ctx, level, "look-up of a billed create", attrs...)
}

var (
	errNoTime = errors.New("the call has no time for it")
	errTooFar = errors.New("the listing is too long and not sorted by creation")
)

// find looks once, and once more after a pause where that finds none. err says why a
// look-up failed.
func (l *lookUp) find(ctx context.Context) (object made, answer *transcode.Answer, found finding, err error) {
	end := time.Now().Add(lookUpTime)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-returnTime).Before(end) {
		end = deadline.Add(-returnTime)
	}
	if time.Until(end) < leastLookUpTime {
		return made{}, nil, lookUpFailed, errNoTime
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	object, answer, found, err = l.look(ctx)
	if found != foundNone || time.Until(end) < lookAgainAfter+leastLookUpTime {
		return object, answer, found, err
	}
	pause := time.NewTimer(lookAgainAfter)
	defer pause.Stop()
	select {
	case <-pause.C:
		return l.look(ctx)
	case <-ctx.Done():
		return made{}, nil, lookUpFailed, context.Cause(ctx)
	}
}

// look lists what was created since the create was sent, and claims what it has made.
func (l *lookUp) look(ctx context.Context) (made, *transcode.Answer, finding, error) {
	objects, err := l.list(ctx)
	if err != nil {
		return made{}, nil, lookUpFailed, err
	}
	seen := time.Now()
	objects = l.record.free(l.made, objects)
	var whole *transcode.Answer
	if len(objects) == 1 && l.kind.get != "" {
		// What cannot be had in full is given as far as it is known.
		if object, answer, err := l.get(ctx, objects[0].id); err == nil {
			objects[0], whole = object, answer
		}
	}
	object, found := l.record.claim(l.made, objects, seen, time.Now())
	if found != foundOne {
		return made{}, nil, found, nil
	}
	if whole != nil {
		return object, whole, found, nil
	}
	row, err := proto.Marshal(object.object)
	if err != nil {
		return made{}, nil, lookUpFailed, fmt.Errorf("encode row: %w", err)
	}
	return object, &transcode.Answer{Wire: row}, found, nil
}

// list returns the objects that were created since the create was first sent, or of
// which Mavera does not say when. It stops at older ones where the listing turns out to
// be sorted with the newest first, which is not documented.
func (l *lookUp) list(ctx context.Context) ([]made, error) {
	var objects []made
	var newest, last time.Time
	known, sorted, token := map[string]bool{}, true, ""
	for range mostLookUpPages {
		c := l.ask(l.kind.list)
		answer, err := l.exchange(ctx, c, l.kind.page(l.made.want, token))
		if err != nil {
			return nil, err
		}
		rows, next, err := l.kind.rows(answer)
		if err != nil {
			return nil, err
		}
		since := l.since(rateHeaders(&c.report), time.Now())
		for i := range rows {
			row := &rows[i]
			if known[row.id] {
				continue // what was created meanwhile has moved it to the next page
			}
			known[row.id] = true
			if row.created.IsZero() || !row.created.Before(since) {
				objects = append(objects, *row)
			}
			if newest.IsZero() {
				newest, last = row.created, row.created
			}
			sorted = sorted && !row.created.IsZero() && !row.created.After(last)
			last = row.created
		}
		if next == "" || sorted && last.Before(newest) && last.Before(since) {
			return objects, nil
		}
		token = next
	}
	return nil, errTooFar
}

// since is from when on, by Mavera's clock, an object can be what the create has made.
func (l *lookUp) since(headers resilience.Headers, now time.Time) time.Time {
	if headers.Date.IsZero() {
		return l.made.since.Add(-createdMarginNoDate)
	}
	return l.made.since.Add(headers.Date.Sub(now) - createdMargin)
}

// get reads an object in full.
func (l *lookUp) get(ctx context.Context, id string) (made, *transcode.Answer, error) {
	answer, err := l.exchange(ctx, l.ask(l.kind.get), l.kind.pick(id))
	if err != nil {
		return made{}, nil, err
	}
	object, err := l.kind.whole(answer)
	return object, answer, err
}

// ask is the record of a call of the look-up's, with the key of the create. It goes
// before batch calls and polls, since a caller waits and a slot may be held, and takes
// its turn beside all callers, not behind the other calls of its own. It never has a
// look-up itself: it creates nothing.
func (l *lookUp) ask(procedure string) *call {
	plan := l.plans[procedure]
	return &call{
		plan: plan, rpc: plan.RPC, requestID: l.call.requestID, start: time.Now(),
		caller: ownCaller, class: resilience.Interactive, key: l.call.key, ownKey: l.call.ownKey,
		trail: l.call.trail,
	}
}
