package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

// The gateway, another build of it, and the gateway with traces of a tenth of all calls
// and of all.
const (
	gatewayName    = "gateway"
	compareName    = "compared"
	tracedSomeName = "traced 10 %"
	tracedAllName  = "traced all"
)

// settle is how long a process gets to put a turn behind it: the last log lines,
// a collection that is under way.
const settle = 30 * time.Millisecond

// options are the flags.
type options struct {
	gateway, compare                     string
	callers, connections, rounds, starts int
	sizes                                []size
	tracing                              bool
	profiles                             string
	profileTime                          time.Duration
}

// choose takes a list of sizes.
func (o *options) choose(names string) error {
	o.sizes = nil
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(sizes(), func(s size) bool { return s.name == name })
		if i < 0 {
			return fmt.Errorf("there is no size %q", name)
		}
		o.sizes = append(o.sizes, sizes()[i])
	}
	return nil
}

// A system is one of the servers that are compared, under load.
type system struct {
	name    string
	process *rig.Process
	callers *callers
}

// A bench is a run of the benchmark.
type bench struct {
	options

	dir      string   // for logs, removed at the end
	environ  []string // of every system
	upstream *rig.Process
	systems  []*system // the floor first: ratios are to it
}

func measure(ctx context.Context, o options, out io.Writer) (err error) {
	b := &bench{options: o}
	if b.dir, err = os.MkdirTemp("", "wholecall"); err != nil {
		return fmt.Errorf("make a directory for logs: %w", err)
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.startUpstream(ctx); err != nil {
		return err
	}
	if o.profiles != "" {
		return b.profile(ctx)
	}
	starting, err := b.measureStart(ctx)
	if err != nil {
		return err
	}
	names := []string{floorCommand, protojsonCommand, gatewayName}
	if o.compare != "" {
		names = append(names, compareName)
	}
	if o.tracing {
		names = []string{floorCommand, gatewayName, tracedSomeName, tracedAllName}
	}
	for _, name := range names {
		if err := b.startSystem(ctx, name); err != nil {
			return err
		}
	}
	if err := b.checkAnswers(ctx); err != nil {
		return err
	}
	var results []result
	for _, s := range o.sizes {
		more, err := b.measureSize(ctx, s)
		if err != nil {
			return err
		}
		results = append(results, more...)
	}
	return report(out, o, starting, results)
}

func (b *bench) close() error {
	var errs []error
	for _, s := range b.systems {
		errs = append(errs, s.callers.close())
		s.process.Stop()
	}
	if b.upstream != nil {
		b.upstream.Stop()
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

func (b *bench) startUpstream(ctx context.Context) error {
	var err error
	if b.upstream, err = rig.Self(ctx, nil, upstreamCommand); err != nil {
		return err
	}
	b.environ = rig.Environ("http://" + b.upstream.Address + basePath)
	return nil
}

func (b *bench) startSystem(ctx context.Context, name string) error {
	s := &system{name: name}
	var err error
	switch name {
	case gatewayName:
		s.process, err = rig.Gateway(ctx, b.gateway, b.dir, b.environ)
	case compareName:
		s.process, err = rig.Gateway(ctx, b.compare, b.dir, b.environ)
	case tracedSomeName:
		s.process, err = rig.Gateway(ctx, b.gateway, b.dir, b.traced("0.1"))
	case tracedAllName:
		s.process, err = rig.Gateway(ctx, b.gateway, b.dir, b.traced("1"))
	default:
		s.process, err = rig.Self(ctx, b.environ, name)
	}
	if err != nil {
		return err
	}
	if s.callers, err = newCallers(s.process.Address, b.callers, b.connections); err != nil {
		s.process.Stop()
		return err
	}
	b.systems = append(b.systems, s)
	return s.process.UntilServing(ctx)
}

// traced is the environment of a gateway that traces a part of all calls. The upstream
// takes the spans.
func (b *bench) traced(part string) []string {
	return append([]string{
		"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=" + part,
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://" + b.upstream.Address + tracesPath,
	}, b.environ...)
}

// checkAnswers makes sure that the floor returns what the gateway returns.
func (b *bench) checkAnswers(ctx context.Context) error {
	for _, s := range b.sizes {
		floor, err := b.systems[0].callers.ask(ctx, s)
		if err != nil {
			return err
		}
		gateway, err := b.systems[len(b.systems)-1].callers.ask(ctx, s)
		if err != nil {
			return err
		}
		if !proto.Equal(floor, gateway) {
			return fmt.Errorf("at %s the floor and the gateway return different answers", s.name)
		}
	}
	return nil
}

// idle is how long the gateway is left alone before its memory is read.
const idle = time.Second

// measureStart starts the gateway a number of times.
func (b *bench) measureStart(ctx context.Context) (starting, error) {
	var took []time.Duration
	var resident []int64
	for range b.starts {
		p, err := rig.Gateway(ctx, b.gateway, b.dir, b.environ)
		if err != nil {
			return starting{}, err
		}
		err = p.UntilServing(ctx)
		took = append(took, time.Since(p.Started))
		time.Sleep(idle)
		now, _, memoryErr := rig.Memory(p.PID())
		resident = append(resident, now)
		p.Stop()
		if err := errors.Join(err, memoryErr); err != nil {
			return starting{}, err
		}
	}
	return starting{serving: rig.Median(took), idle: rig.Median(resident)}, nil
}

// measureSize lets the systems take turns.
func (b *bench) measureSize(ctx context.Context, s size) ([]result, error) {
	results := make([]result, len(b.systems))
	for i, system := range b.systems {
		results[i] = result{system: system.name, size: s.name}
		if _, err := system.callers.run(ctx, s, s.calls); err != nil { // warms up
			return nil, fmt.Errorf("%s: %w", system.name, err)
		}
	}
	for range b.rounds {
		for i, system := range b.systems {
			t, err := system.turn(ctx, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", system.name, err)
			}
			results[i].turns = append(results[i].turns, t)
		}
	}
	for i, system := range b.systems {
		_, peak, err := rig.Memory(system.process.PID())
		if err != nil {
			return nil, err
		}
		results[i].peak, results[i].floor = peak, results[0].turns
		if system.name == tracedSomeName || system.name == tracedAllName {
			results[i].untraced = results[1].turns
		}
	}
	return results, nil
}

// turn measures one turn of a system.
func (y *system) turn(ctx context.Context, s size) (turn, error) {
	time.Sleep(settle)
	before, err := rig.UsageOf(y.process.PID())
	if err != nil {
		return turn{}, err
	}
	took, err := y.callers.run(ctx, s, s.calls)
	if err != nil {
		return turn{}, err
	}
	time.Sleep(settle)
	after, err := rig.UsageOf(y.process.PID())
	if err != nil {
		return turn{}, err
	}
	return turn{
		cpu:  (after.CPU - before.CPU) / time.Duration(s.calls),
		rate: float64(s.calls) / took.Seconds(),
		user: after.User - before.User, system: after.System - before.System,
	}, nil
}
