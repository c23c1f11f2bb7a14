package telemetry

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/mavera-gateway/mavera-gateway/internal/tracing"
)

// maxWaiting is how many measurements wait to be recorded: those of some 30 calls.
const maxWaiting = 128

// A batch gathers the measurements that every call makes. Recording them takes a tenth of
// what the gateway adds to a call, more where the instruments are in no cache, and while
// the caller waits. Together they take less, and nobody sees them until they are
// collected: that records them before.
type batch struct {
	recording sync.Mutex    // Held while measurements are recorded: they stay in order.
	spare     []measurement // Guarded by recording.

	mu      sync.Mutex
	waiting []measurement // Guarded by mu.
}

// A measurement is what an instrument is told.
type measurement struct {
	record func(*Instruments, *measurement)
	ctx    context.Context //nolint:containedctx // for exemplars
	number float64

	// The attributes, of which each instrument has its own.
	pair    pair
	rpc     rpcSet
	attempt attemptSet
}

// later records a measurement by and by.
func (i *Instruments) later(m measurement) {
	b := &i.batch
	b.mu.Lock()
	b.waiting = append(b.waiting, m)
	full := len(b.waiting) >= maxWaiting
	b.mu.Unlock()
	if full {
		i.flush()
	}
}

// flush records what waits.
func (i *Instruments) flush() {
	b := &i.batch
	b.recording.Lock()
	defer b.recording.Unlock()
	b.mu.Lock()
	all := b.waiting
	b.waiting = b.spare[:0]
	b.mu.Unlock()
	for n := range all {
		all[n].record(i, &all[n])
	}
	clear(all)
	b.spare = all
}

// RecordCall records an RPC; method is the full one without a slash in front.
func (i *Instruments) RecordCall(ctx context.Context, method string, status codes.Code, took time.Duration) {
	i.later(measurement{record: (*Instruments).recordCall, ctx: ctx, number: took.Seconds(), rpc: rpcSet{method, status}})
}

// RecordAttempt records an attempt: with the status of its answer, 0 where there was
// none, and what went wrong, of a bounded set, or "".
func (i *Instruments) RecordAttempt(ctx context.Context, to tracing.Target, status int, errorType string, took time.Duration) {
	i.later(measurement{record: (*Instruments).recordAttempt, ctx: ctx, number: took.Seconds(), attempt: attemptSet{to, status, errorType}})
}

// RecordWait records how long an attempt waited for permission to be sent.
func (i *Instruments) RecordWait(ctx context.Context, family, class string, waited time.Duration) {
	i.later(measurement{record: (*Instruments).recordWait, ctx: ctx, number: waited.Seconds(), pair: pair{family, ClassKey, class}})
}

// AddAttempts counts requests sent to Mavera with one outcome: more than one where the
// HTTP client sent the request again by itself.
func (i *Instruments) AddAttempts(ctx context.Context, family, outcome string, count int) {
	i.later(measurement{record: (*Instruments).addAttempts, ctx: ctx, number: float64(count), pair: pair{family, OutcomeKey, outcome}})
}

// AddCredits counts the credits that an answer reports as used; a number below
// zero is ignored, because a counter never falls. The first hundred callers are told
// apart.
func (i *Instruments) AddCredits(ctx context.Context, family, caller string, credits float64) {
	if credits >= 0 {
		i.later(measurement{record: (*Instruments).addCredits, ctx: ctx, number: credits, pair: pair{family, CallerKey, caller}})
	}
}

func (i *Instruments) recordCall(m *measurement) {
	i.calls.rpcs.Record(m.ctx, m.number, i.calls.rpcSets.of(m.rpc, rpcSet.attributes).record...)
}

func (i *Instruments) recordAttempt(m *measurement) {
	i.calls.attempts.Record(m.ctx, m.number, i.calls.attemptSets.of(m.attempt, attemptSet.attributes).record...)
}

func (i *Instruments) recordWait(m *measurement) {
	i.wait.Record(m.ctx, m.number, i.pairs.of(m.pair, pair.attributes).record...)
}

func (i *Instruments) addAttempts(m *measurement) {
	i.upstreamAttempts.Add(m.ctx, int64(m.number), i.pairs.of(m.pair, pair.attributes).add...)
}

func (i *Instruments) addCredits(m *measurement) {
	m.pair.value = i.callers.of(m.pair.value, true)
	i.creditsUsed.Add(m.ctx, m.number, i.pairs.of(m.pair, pair.attributes).add...)
}
