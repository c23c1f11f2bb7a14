package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// A watchKey is a job that can be watched. There is one kind of jobs in a family.
type watchKey struct {
	key    secret.Key // of the caller's own; zero for the gateway's, whichever that is
	family string
	id     string
}

// watches serves the Watch RPCs: it is the gRPC side of the hub.
type watches struct {
	server *Server
	hub    *jobs.Hub[watchKey]
	pace   *jobs.Pace                 // of the gateway's own key
	gets   map[string]*transcode.Plan // the siblings of the Watch RPCs, by family
}

// newWatches fails where the state of a job that can be watched could not be read.
func newWatches(s *Server, plans []*transcode.Plan) (*watches, error) {
	w := &watches{server: s, gets: map[string]*transcode.Plan{}}
	for _, p := range plans {
		if p.Kind != transcode.Watch {
			continue
		}
		switch {
		case w.gets[p.Family] != nil:
			return nil, fmt.Errorf("rpc %s: the jobs of the family %s can be watched already", p.Procedure, p.Family)
		case jobReader(p.Sibling.Procedure) == nil:
			return nil, fmt.Errorf("rpc %s: nothing reads the state of a %s", p.Procedure, p.Sibling.RPC)
		case s.options.Policies.Poll(p.Family).Least <= 0:
			return nil, fmt.Errorf("rpc %s: it is not said how often to poll the jobs of the family %s", p.Procedure, p.Family)
		}
		w.gets[p.Family] = p.Sibling
	}
	w.pace = jobs.NewPace(func() float64 {
		key := s.resilient.keys.Use(s.options.Key())
		defer key.Release()
		return s.resilient.pollRate(key.Value.limiter)
	})
	w.hub = jobs.NewHub(jobs.HubOptions[watchKey]{
		Random: rand.Float64,
		Polled: func(key watchKey, result jobs.Result) {
			s.options.Observer.AddPoll(context.Background(), key.family, string(result))
		},
		Left: func(watchKey) { s.following.Wake() }, // if it holds a slot, it is the follower's again
	})
	return w, nil
}

// serve sends a job, then what becomes of it, until it is over.
func (w *watches) serve(c *call, stream grpc.ServerStream) error {
	ctx := stream.Context()
	c.key, c.ownKey = w.server.options.keyOf(ctx)
	key := w.server.resilient.keys.Use(c.key) // its pace must not be dropped
	defer key.Release()
	subject := w.subject(ctx, c)
	if c.ownKey {
		subject.Pace = key.Value.pace
	}
	watch := w.hub.Watch(keyOf(c, c.request.Resource.Name), subject)
	defer watch.Close()
	for {
		view, err := watch.Next(ctx)
		c.attempts = watch.Sends()
		if err == nil {
			trace.SpanFromContext(ctx).AddEvent("mavera.job_shown")
			err = stream.SendMsg(&transcode.Answer{Wire: view.Wire})
		}
		failure := (*mavera.Failure)(nil)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, jobs.ErrClosed):
			return mavera.NewFailure(mavera.ShuttingDown, err)
		case errors.As(err, &failure):
			c.httpStatus = failure.HTTPStatus
			return err
		default: // the caller left, or time is up
			return mavera.Call{Plan: c.plan, Request: c.request}.Ended(context.Cause(ctx), false)
		}
	}
}

// keyOf is the job with an id of the family of a call, as its key shows it.
func keyOf(c *call, id string) watchKey {
	key := watchKey{family: c.plan.Family, id: id}
	if c.ownKey {
		key.key = c.key
	}
	return key
}

// subject is the job that a call watches. It outlives the call where others watch the
// job too, so it holds no more of it than what is needed to poll. What is asked first is
// asked for the caller, who waits for it, like a Get of its own.
func (w *watches) subject(ctx context.Context, c *call) jobs.Subject {
	get, request, caller, class := c.plan.Sibling, c.request, c.caller, c.class
	key, own := c.key, c.ownKey
	id, isRetry := c.requestID, resent(ctx)
	watcher := trace.SpanContextFromContext(ctx)
	read := jobReader(get.Procedure)
	return jobs.Subject{
		Ask: func(ctx context.Context, first bool) (view jobs.View, sends int, err error) {
			poll := &call{
				plan: get, rpc: get.RPC, requestID: requestID(ctx), start: time.Now(), request: request,
				caller: ownCaller, class: resilience.Poll, origin: fromWatch, key: key, ownKey: own,
				trail: w.server.options.Tracing.Begin(), // a trace of its own: the job may be watched by many
			}
			poll.trail.Link(watcher)
			if !own {
				poll.key = w.server.options.Key() // the present one: a watch outlives a change
			}
			if first {
				poll.requestID, poll.caller, poll.class, poll.resent = id, caller, class, isRetry
			}
			defer func() { // there is no interceptor around it
				if p := recover(); p != nil {
					err = panicked(context.WithValue(ctx, callKey{}, poll), w.server.options, p)
				}
			}()
			answer, err := w.server.exchangeAs(ctx, poll)
			if err != nil {
				return jobs.View{}, poll.attempts, err
			}
			return viewOf(answer, read), poll.attempts, nil
		},
		Retry:    retryPoll,
		Interval: w.server.options.Policies.Poll(get.Family),
		Pace:     w.pace,
		Logger:   w.server.options.Logger.With(slog.String("family", get.Family), slog.String("job", request.Resource.Name)),
	}
}

// viewOf is the job that an answer shows.
func viewOf(answer *transcode.Answer, read func(*transcode.Answer) []jobs.Job) jobs.View {
	view := jobs.View{Wire: answer.Wire}
	if found := read(answer); len(found) > 0 {
		view.Job = found[0]
	}
	return view
}

// retryPoll lets a watch go on where the table of failures has a repeat succeed, and
// where the poll alone took too long. What Mavera will answer once more, such as 401,
// 402, 403 and 404, ends it.
func retryPoll(err error) (pause time.Duration, again bool) {
	failure := (*mavera.Failure)(nil)
	if !errors.As(err, &failure) {
		return 0, false
	}
	return failure.Delay, failure.Retryable || failure.By(mavera.TotalTimedOut)
}

// learn gives watchers what an exchange that was not made for them shows of their job.
func (w *watches) learn(c *call, askedAt time.Time, out any, err error) {
	get := w.gets[c.plan.Family]
	if get == nil || c.origin == fromWatch || w.hub.Len() == 0 {
		return
	}
	key := keyOf(c, c.request.Resource.Name)
	switch {
	case c.plan.Idempotency == transcode.Idempotent, c.plan == get && err != nil:
		w.hub.Wake(key) // changed, cancelled, deleted; perhaps gone
		return
	case err != nil, c.plan == get && !w.hub.Watching(key):
		return
	}
	read := jobReader(c.plan.Procedure)
	answer, ok := out.(*transcode.Answer)
	if read == nil || !ok {
		return
	}
	if c.plan == get {
		w.hub.Show(key, askedAt, viewOf(answer, read))
		return
	}
	for _, job := range read(answer) { // rows may lack what the whole object has
		if job.State == jobs.Final {
			w.hub.Wake(keyOf(c, job.ID))
		}
	}
}

// usage counts watches and the jobs that are watched, by family.
func (w *watches) usage() (watches, watched map[string]int) {
	watches, watched = map[string]int{}, map[string]int{}
	for family := range w.gets {
		watches[family], watched[family] = 0, 0
	}
	for key, watchers := range w.hub.All() {
		watches[key.family] += watchers
		watched[key.family]++
	}
	return watches, watched
}
