// Command gateway measures what the gateway adds to a call, against floors and against
// what one would use in its place, all in one run: the machine's speed cancels out of
// ratios and differences, and so does its drift, because the systems take turns.
//
//	callers ─ gRPC or HTTP ─▶ system ─ HTTP ─▶ upstream
//
// Upstream and systems are processes of their own on loopback. The systems are
//
//	direct       no system: callers ask the upstream over plain HTTP
//	floor        the least that a gateway can do: the same gRPC server with a
//	             handler written by hand that makes the same HTTP call, discards
//	             the body and returns a fixed message, equal to what the gateway
//	             returns
//	protojson    the floor with the body read by protojson into the generated
//	             message: the obvious way, without interceptors, checks or errors
//	dynamicpb    the same into a message made from its descriptor, as transcoders
//	             do that know no generated code
//	gateway      bin/mavera-gateway with its defaults, but that callers may bring
//	             keys, which only the growth by policies does
//	traced 10 %  the same, exporting spans of a tenth of all calls over OTLP
//	traced all   the same, of all calls
//	against      another build of the gateway
//	nginx        a reverse proxy: HTTP in and out
//	haproxy      the same
//	portkey      Portkey's gateway: a chat completion in and out
//
// CPU is the time that the system's processes ran, user and system together. In a
// closed loop each caller makes its next call when it has its answer; in an open loop
// calls begin at a fixed rate, and what callers wait is counted from when a call was due.
// Callers set no deadline, so that the gateway sets its own. The parts of a run are
//
//	closed   a closed loop, at three sizes of answers
//	rates    an open loop, at two rates
//	delays   an open loop with an upstream that takes its time
//	streams  what an event of a stream costs: here the floor is the relay of
//	         bench/streams, which sends the lines of each event on unparsed, and nginx
//	         and haproxy pass server-sent events on as they come. How long a first
//	         event takes, and what idle streams hold, is for bench/streams
//	growth   a closed loop in two series: from 8 to 2,000 callers, and from 1 to 64
//	         policies that the calls rotate over, each a pair of a caller's key and
//	         a family of endpoints
//
// It prints one table and the targets, which fail the run only with -check.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	gateway, against                     string
	rows, parts                          []string
	sizes                                []size
	callers, connections, rounds, starts int
	quick, check                         bool
	json, svg                            string
	compare                              []string
	profiles                             string
	profileTime                          time.Duration
}

// run is the program without its process. The programs that it measures the
// gateway against are itself, started with a command and an address.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case upstreamCommand:
			return serveUpstream(ctx, args[1:])
		case floorCommand, protojsonCommand, dynamicCommand:
			return serveFloor(ctx, args[0], args[1:])
		}
	}
	o, err := parseFlags(args, os.Stderr)
	if err != nil {
		return err
	}
	if o.profiles != "" {
		return profile(ctx, o)
	}
	var r *record
	if len(o.compare) > 0 {
		r, err = join(o.compare)
	} else {
		r, err = measure(ctx, o)
	}
	if err != nil {
		return err
	}
	return o.report(out, r)
}

func parseFlags(args []string, help io.Writer) (options, error) {
	o := options{sizes: sizes(), parts: parts()}
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	flags.SetOutput(help)
	flags.StringVar(&o.gateway, "gateway", "bin/mavera-gateway", "`path` of the gateway")
	flags.StringVar(&o.against, "against", "", "`path` of another build of the gateway, to measure beside the first")
	flags.Func("rows", "`names` of the systems, separated by commas (default: all); direct and floor are always among them", func(names string) error {
		var all []string
		for _, r := range rows() {
			all = append(all, r.name)
		}
		return choose(names, all, func(name string) string { return name }, &o.rows)
	})
	flags.Func("parts", "`names` of the parts, separated by commas: "+strings.Join(parts(), ", ")+" (default: all). First events and idle streams are for bench/streams", func(names string) error {
		return choose(names, parts(), func(name string) string { return name }, &o.parts)
	})
	flags.Func("sizes", "`names` of the answers' sizes, separated by commas (default: all)", func(names string) error {
		return choose(names, sizes(), func(s size) string { return s.name }, &o.sizes)
	})
	flags.IntVar(&o.callers, "callers", 32, "how many callers a closed loop has, each with one call at a time")
	flags.IntVar(&o.connections, "connections", 4, "how many gRPC connections the callers share")
	flags.IntVar(&o.rounds, "rounds", 9, "how often every system takes its turn in a closed loop and at streams; half of it in an open loop")
	flags.IntVar(&o.starts, "starts", 5, "how often the gateway is started to measure its start")
	flags.BoolVar(&o.quick, "quick", false, "measure everything in fewer and shorter turns: about a minute and a half")
	flags.BoolVar(&o.check, "check", false, "fail if a target is missed")
	flags.StringVar(&o.json, "json", "", "write the record of the run into this `file`")
	flags.StringVar(&o.svg, "svg", "", "draw CPU per call and event, and growth, into this `file`")
	flags.Func("compare", "measure nothing, but print the records in these `files`, separated by commas; refuses those of different runs", func(names string) error {
		o.compare = strings.Split(names, ",")
		return nil
	})
	flags.StringVar(&o.profiles, "profiles", "", "measure nothing, but write CPU and allocation profiles of the gateway into this `directory`")
	flags.DurationVar(&o.profileTime, "profiletime", 5*time.Second, "how long a CPU profile takes")
	if err := flags.Parse(args); err != nil {
		return o, err //nolint:wrapcheck // the flag package has said it all
	}
	if o.quick {
		o.starts = min(o.starts, 2)
	}
	if flags.NArg() > 0 || min(o.callers, o.connections, o.rounds, o.starts) < 1 {
		return o, errors.New("want numbers above 0 and no arguments; see -help")
	}
	return o, nil
}

// choose finds those that a list names.
func choose[T any](names string, all []T, nameOf func(T) string, into *[]T) error {
	*into = nil
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(v T) bool { return nameOf(v) == name })
		if i < 0 {
			return fmt.Errorf("there is no %q", name)
		}
		*into = append(*into, all[i])
	}
	return nil
}

// report prints a record and writes what else was asked for.
func (o options) report(out io.Writer, r *record) error {
	if err := printTable(out, r); err != nil {
		return err
	}
	if o.json != "" {
		if err := r.write(o.json); err != nil {
			return err
		}
	}
	if o.svg != "" {
		if err := os.WriteFile(o.svg, plot(r), 0o600); err != nil {
			return fmt.Errorf("draw: %w", err)
		}
	}
	if missed := r.missed(); o.check && missed > 0 {
		return fmt.Errorf("%d targets are missed", missed)
	}
	return nil
}
