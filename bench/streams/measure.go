package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

const gatewayName = "gateway"

// settle is how long a process gets to put a turn behind it: the last log lines,
// a collection that is under way.
const settle = 30 * time.Millisecond

// A system is one of the servers that are compared, and who calls it.
type system struct {
	name    string
	process *rig.Process
	callers *callers
}

func (y *system) stop() error {
	err := y.callers.close()
	y.process.Stop()
	return err
}

// A bench is a run of the benchmark.
type bench struct {
	options

	dir string // for logs, removed at the end
}

func measure(ctx context.Context, o options, out io.Writer) (err error) {
	b := &bench{options: o}
	if b.dir, err = os.MkdirTemp("", "streams"); err != nil {
		return fmt.Errorf("make a directory for logs: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if o.profiles != "" {
		return b.profile(ctx)
	}
	var figures []figure
	for _, part := range []func(context.Context) ([]figure, error){b.measureEvents, b.measureFirst, b.measureIdle} {
		more, err := part(ctx)
		if err != nil {
			return err
		}
		figures = append(figures, more...)
	}
	return report(out, o, figures)
}

// start starts an upstream and systems in front of it. stop ends them all.
func (b *bench) start(ctx context.Context, connections int, names ...string) (base string, systems []*system, stop func() error, err error) {
	upstream, err := rig.Self(ctx, nil, upstreamCommand)
	if err != nil {
		return "", nil, nil, err
	}
	stop = func() error {
		var errs []error
		for _, s := range systems {
			errs = append(errs, s.stop())
		}
		upstream.Stop()
		return errors.Join(errs...)
	}
	base = "http://" + upstream.Address + basePath
	for _, name := range names {
		s, err := b.startSystem(ctx, name, base, connections)
		if err != nil {
			return "", nil, nil, errors.Join(err, stop())
		}
		systems = append(systems, s)
	}
	return base, systems, stop, nil
}

func (b *bench) startSystem(ctx context.Context, name, base string, connections int) (*system, error) {
	s := &system{name: name}
	var err error
	if name == gatewayName {
		s.process, err = rig.Gateway(ctx, b.gateway, b.dir, rig.Environ(base))
	} else {
		s.process, err = rig.Self(ctx, rig.Environ(base), name)
	}
	if err != nil {
		return nil, err
	}
	if s.callers, err = newCallers(s.process.Address, connections); err != nil {
		s.process.Stop()
		return nil, err
	}
	if err := s.process.UntilServing(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}
