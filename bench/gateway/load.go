package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A load is how systems are called.
type load struct {
	part  string // one of parts
	size  size
	delay delay
	// rate is how many calls begin in a second, whatever becomes of those before them
	// (open loop); 0 for callers that wait for their answers (closed loop).
	rate    int
	callers int // of a closed loop
	// policies are those that the calls of a closed loop rotate over; none for lists of
	// personas with the system's own key.
	policies []policy
	// events are those of each stream, where callers read streams, one each in a turn; 0 for
	// calls.
	events int
	// turn is how long a system is called before it is the next one's turn. One with
	// streams takes as long as they do.
	turn   time.Duration
	rounds int
	// waiting runs an open loop with the wait that it goes by.
	waiting func(func(wait))
	only    []string // rows; none for all
}

// The parts of a run.
const (
	closedPart  = "closed"
	ratesPart   = "rates"
	delaysPart  = "delays"
	streamsPart = "streams"
	growthPart  = "growth"
)

func parts() []string {
	return []string{closedPart, ratesPart, delaysPart, streamsPart, growthPart}
}

// Streams are as many at a time as in bench/streams, and as long: with an event per stream
// and millisecond, more than two cores carry.
const (
	streamsAtATime  = 256
	eventsPerStream = 200
)

// String names the load in the table.
func (l load) String() string {
	if l.events > 0 {
		return fmt.Sprintf("%d streams of %d events", l.callers, l.events)
	}
	text := fmt.Sprintf("%s, %d callers", l.size.name, l.callers)
	if l.rate > 0 {
		text = fmt.Sprintf("%s, %d/s", l.size.name, l.rate)
	}
	if n := len(l.policies); n > 0 {
		text += ", " + policyCount(n)
	}
	if l.delay != atOnce {
		text += ", upstream " + string(l.delay)
	}
	return text
}

func policyCount(n int) string {
	if n == 1 {
		return "1 policy"
	}
	return fmt.Sprintf("%d policies", n)
}

// loads are those of a run.
func (o options) loads() []load {
	closedTurn, openTurn, rounds, openRounds := 300*time.Millisecond, 1500*time.Millisecond, o.rounds, (o.rounds+1)/2
	growing, rotating := []int{8, 32, 128, 512, 2000}, []int{1, 8, 64}
	if o.quick {
		closedTurn, openTurn, rounds, openRounds = 150*time.Millisecond, 400*time.Millisecond, 3, 1
		growing, rotating = []int{8, 2000}, []int{1, 64}
	}
	var out []load
	add := func(part string, l load) {
		if !slices.Contains(o.parts, part) {
			return
		}
		l.part, l.turn, l.rounds, l.waiting = part, closedTurn, rounds, punctually
		if l.rate > 0 {
			l.turn, l.rounds = openTurn, openRounds
		}
		if l.delay == "" {
			l.delay = atOnce
		}
		out = append(out, l)
	}
	for _, s := range o.sizes {
		add(closedPart, load{size: s, callers: o.callers})
	}
	first := o.sizes[0]
	for _, rate := range rates() {
		add(ratesPart, load{size: first, rate: rate})
	}
	for _, s := range o.sizes[1:] {
		if !o.quick {
			add(ratesPart, load{size: s, rate: rates()[0]})
		}
	}
	for _, d := range []delay{fixed, tailed} {
		add(delaysPart, load{size: first, rate: rates()[0], delay: d})
	}
	add(streamsPart, load{
		callers: streamsAtATime, events: eventsPerStream,
		only: []string{floorName, gatewayName, againstName, nginxName, haproxyName},
	})
	// Before the many callers, whose memory stays a while.
	for _, n := range rotating {
		add(growthPart, load{size: listSize(), callers: o.callers, policies: policies(n), only: []string{floorName, gatewayName}})
	}
	for _, callers := range growing {
		add(growthPart, load{size: first, callers: callers, only: []string{floorName, gatewayName}})
	}
	return out
}

// rates are the calls per second of open loops.
func rates() []int { return []int{1000, 3000} }

// A tally is what came of a turn.
type tally struct {
	calls int // or events
	took  time.Duration
	// late are the sorted times from when each call was due to its answer, less what the
	// upstream was asked to wait.
	late []time.Duration
}

// run makes the calls of a turn. The first failure ends it.
func (l load) run(ctx context.Context, c callers) (tally, error) {
	switch {
	case l.events > 0:
		return l.streams(ctx, c)
	case l.rate > 0:
		return l.open(ctx, c)
	default:
		return l.closed(ctx, c)
	}
}

// question is that of a turn's call number i.
func (l load) question(i int) question {
	q := question{size: l.size, delay: l.delay.of(i)}
	if n := len(l.policies); n > 0 {
		q.policy = &l.policies[i%n]
	}
	return q
}

// closed has each caller make its next call when it has the answer to the one before.
func (l load) closed(ctx context.Context, c callers) (tally, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var calls atomic.Int64
	var running sync.WaitGroup
	begin := time.Now()
	for i := range l.callers {
		running.Go(func() {
			for time.Since(begin) < l.turn && ctx.Err() == nil {
				if err := c.ask(ctx, i, l.question(int(calls.Add(1)))); err != nil {
					cancel(err)
				}
			}
		})
	}
	running.Wait()
	return tally{calls: int(calls.Load()), took: time.Since(begin)}, context.Cause(ctx)
}

// streams has each caller read one stream to its end.
func (l load) streams(ctx context.Context, c callers) (tally, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	begin := time.Now()
	for i := range l.callers {
		running.Go(func() {
			if err := c.stream(ctx, i, l.events); err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	return tally{calls: l.callers * l.events, took: time.Since(begin)}, context.Cause(ctx)
}

// open has calls begin at their times.
func (l load) open(ctx context.Context, c callers) (tally, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := make([]time.Duration, int(l.turn.Seconds()*float64(l.rate)))
	begin := time.Now()
	l.waiting(func(w wait) {
		pace(ctx, w, l.rate, len(late), func(i int, due time.Time) {
			q := l.question(i)
			if err := c.ask(ctx, i, q); err != nil {
				cancel(err)
			}
			late[i] = time.Since(due) - q.delay
		})
	})
	t := tally{calls: len(late), took: time.Since(begin), late: late}
	slices.Sort(t.late)
	return t, context.Cause(ctx)
}

// pace begins so many calls in a second, each in a goroutine of its own and at its time,
// whether or not those before it have been answered, and waits for them all. A call that
// begins late, because the machine was busy, is told when it was due: counted from then,
// no wait is omitted that a caller of that time would have had.
func pace(ctx context.Context, wait wait, rate, calls int, call func(i int, due time.Time)) {
	var running sync.WaitGroup
	begin := time.Now()
	for i := range calls {
		due := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if !wait(ctx, time.Until(due)) || ctx.Err() != nil {
			break
		}
		running.Go(func() { call(i, due) })
	}
	running.Wait()
}
