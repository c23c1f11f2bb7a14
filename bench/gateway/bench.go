package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

// settle is how long a process gets to put a turn behind it: the last log lines,
// a collection that is under way.
const settle = 30 * time.Millisecond

// A bench is a run of the benchmark.
type bench struct {
	options

	dir      string // for logs, removed at the end
	upstream *rig.Process
	base     string // the URL of the upstream's API
	systems  []*system
	record   record
}

// measure makes a run and records it.
func measure(ctx context.Context, o options) (r *record, err error) {
	b, err := newBench(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	b.record = newRecord(o)
	if err := b.measureStart(ctx); err != nil {
		return nil, err
	}
	if err := b.startSystems(ctx); err != nil {
		return nil, err
	}
	if err := b.checkAnswers(ctx); err != nil {
		return nil, err
	}
	loads := o.loads()
	for i := range loads {
		if err := b.measureLoad(ctx, loads[i]); err != nil {
			return nil, err
		}
	}
	return &b.record, nil
}

func newBench(ctx context.Context, o options) (*bench, error) {
	b := &bench{options: o}
	var err error
	if b.dir, err = os.MkdirTemp("", "bench-gateway"); err != nil {
		return nil, fmt.Errorf("make a directory for logs: %w", err)
	}
	if b.upstream, err = rig.Self(ctx, nil, upstreamCommand); err != nil {
		return nil, errors.Join(err, b.close())
	}
	b.base = "http://" + b.upstream.Address + basePath
	return b, nil
}

func (b *bench) close() error {
	var errs []error
	for _, y := range b.systems {
		errs = append(errs, y.stop())
	}
	if b.upstream != nil {
		b.upstream.Stop()
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

// checkAnswers makes sure that the floor returns what the gateway returns.
func (b *bench) checkAnswers(ctx context.Context) error {
	gateway := b.system(gatewayName)
	if gateway == nil {
		return nil
	}
	var questions []question
	for _, s := range b.sizes {
		questions = append(questions, question{size: s})
	}
	if slices.Contains(b.parts, growthPart) {
		for _, p := range policies(len(families())) {
			questions = append(questions, question{size: listSize(), policy: &p})
		}
	}
	for _, q := range questions {
		want, err := answerOf(ctx, b.system(floorName), q)
		if err != nil {
			return err
		}
		got, err := answerOf(ctx, gateway, q)
		if err != nil {
			return err
		}
		if !proto.Equal(got, want) {
			method, _, _ := q.call()
			return fmt.Errorf("to %s at %s the floor and the gateway return different answers", method, q)
		}
	}
	return nil
}

func answerOf(ctx context.Context, y *system, q question) (proto.Message, error) {
	c, ok := y.callers.(*grpcCallers)
	if !ok {
		return nil, fmt.Errorf("%s does not speak gRPC", y.name)
	}
	return c.answer(ctx, 0, q)
}

// idle is how long the gateway is left alone before its memory is read.
const idle = time.Second

// measureStart starts the gateway a number of times.
func (b *bench) measureStart(ctx context.Context) error {
	var took []time.Duration
	var resident []int64
	for range b.starts {
		y, err := startGateway("")(ctx, b)
		if err != nil {
			return err
		}
		took = append(took, time.Since(y.process.Started))
		time.Sleep(idle)
		now, _, memoryErr := rig.Memory(y.process.PID())
		resident = append(resident, now)
		if err := errors.Join(memoryErr, y.stop()); err != nil {
			return err
		}
	}
	size, err := megabytes(b.gateway)
	b.record.Start = start{
		ServingMillis: float64(rig.Median(took).Microseconds()) / 1e3, IdleMiB: rig.Mebibytes(rig.Median(resident)),
		BinaryMB: size, Starts: b.starts,
	}
	return err
}

// setThreads has the upstream answer an open loop on one thread: it has enough of it, and
// to wake another for every call would take the time of those that are measured, where
// there are few cores.
func (b *bench) setThreads(ctx context.Context, l load) error {
	n := runtime.NumCPU()
	if l.rate > 0 {
		n = 1
	}
	page, err := rig.Page(ctx, "http://"+b.upstream.Address+threadsPath+strconv.Itoa(n))
	if err != nil {
		return err //nolint:wrapcheck // it says what failed
	}
	return page.Close() //nolint:wrapcheck // it never does
}

// measureLoad lets the systems take turns at a load.
func (b *bench) measureLoad(ctx context.Context, l load) error {
	if err := b.setThreads(ctx, l); err != nil {
		return err
	}
	var systems []*system
	var lines []*line
	for _, y := range b.systems {
		if len(l.only) > 0 && !slices.Contains(l.only, y.name) {
			continue
		}
		n := &line{Part: l.part, Load: l.String(), Row: y.name, Size: l.size.name, Bytes: l.size.bytes, Rate: l.rate, Callers: l.callers, Policies: len(l.policies), Events: l.events, Delay: string(l.delay)}
		lines = append(lines, n)
		if most := b.record.most(y.name, l.size.name); l.rate > 0 && most > 0 && most < float64(l.rate) {
			n.Note = fmt.Sprintf("not measured: it carries %.0f calls/s at most", most)
			continue
		}
		if err := b.warm(ctx, y, l, n); err != nil {
			return fmt.Errorf("%s, %s: %w", y.name, l, err)
		}
		systems = append(systems, y)
	}
	for range l.rounds {
		for _, y := range systems {
			t, err := y.turn(ctx, l)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", y.name, l, err)
			}
			n := lines[slices.IndexFunc(lines, func(n *line) bool { return n.Row == y.name })]
			n.Turns = append(n.Turns, t)
		}
	}
	for _, y := range systems {
		if y.process == nil {
			continue
		}
		peak, err := rig.PeakOfTree(y.process.PID())
		if err != nil {
			return err
		}
		lines[slices.IndexFunc(lines, func(n *line) bool { return n.Row == y.name })].PeakMiB = rig.Mebibytes(peak)
	}
	for _, n := range lines {
		b.record.Lines = append(b.record.Lines, *n)
	}
	return nil
}

// warm makes a turn that does not count but for the allocations, which do not depend on
// how busy the machine is. Open loops come after closed ones and find all warm.
func (b *bench) warm(ctx context.Context, y *system, l load, n *line) error {
	if l.rate == 0 {
		if _, err := l.run(ctx, y.callers); err != nil {
			return err
		}
	}
	if y.process == nil {
		return nil
	}
	if err := rig.ForgetPeak(y.process.PID()); err != nil {
		return err
	}
	if y.process.Admin == "" || l.part != closedPart && l.part != streamsPart {
		return nil
	}
	before, err := rig.Mallocs(ctx, y.process.Admin)
	if err != nil {
		return err
	}
	t, err := l.run(ctx, y.callers)
	if err != nil {
		return err
	}
	after, err := rig.Mallocs(ctx, y.process.Admin)
	n.Allocs = float64(after-before) / float64(t.calls)
	return err
}

// turn measures one turn of a system.
func (y *system) turn(ctx context.Context, l load) (turn, error) {
	time.Sleep(settle)
	before, err := y.usage()
	if err != nil {
		return turn{}, err
	}
	done, err := l.run(ctx, y.callers)
	if err != nil {
		return turn{}, err
	}
	time.Sleep(settle)
	after, err := y.usage()
	if err != nil {
		return turn{}, err
	}
	t := turn{
		CPU:  micros((after.CPU - before.CPU) / time.Duration(done.calls)),
		User: after.User - before.User, System: after.System - before.System,
		PerSecond: float64(done.calls) / done.took.Seconds(),
	}
	if l.rate > 0 {
		t.P50, t.P99, t.P999 = micros(rig.Quantile(done.late, 0.5)), micros(rig.Quantile(done.late, 0.99)), micros(rig.Quantile(done.late, 0.999))
	}
	return t, nil
}

// usage is nothing of callers that call the upstream itself.
func (y *system) usage() (rig.Usage, error) {
	if y.process == nil {
		return rig.Usage{}, nil
	}
	return rig.UsageOfTree(y.process.PID())
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
