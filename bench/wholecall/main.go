// Command wholecall measures what a call through the gateway costs, as ratios
// within one run: the machine's speed cancels out, and so does its drift, because
// the systems take turns.
//
//	32 callers ─ gRPC ─▶ system ─ HTTP ─▶ upstream
//
// Upstream and systems are processes of their own on loopback. The systems are
//
//	floor      the least that a gateway can do: the same gRPC server with a
//	           handler written by hand that makes the same HTTP call, discards
//	           the body and returns a fixed message, equal to what the gateway
//	           returns
//	protojson  the floor with the body read by protojson into the generated
//	           message: the obvious way, without interceptors, checks or errors
//	gateway    bin/mavera-gateway with its defaults
//
// What counts is the CPU time of the system's process per call, user and system
// together. Callers set no deadline, so that the gateway sets its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "wholecall:", err)
		os.Exit(1)
	}
}

// run is the program without its process. The programs that it measures the
// gateway against are itself, started with a command and an address.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case upstreamCommand:
			return serveUpstream(ctx, args[1:])
		case floorCommand, protojsonCommand:
			return serveFloor(ctx, args[0], args[1:])
		}
	}
	o := options{sizes: sizes()}
	flags := flag.NewFlagSet("wholecall", flag.ContinueOnError)
	flags.StringVar(&o.gateway, "gateway", "bin/mavera-gateway", "`path` of the gateway")
	flags.StringVar(&o.compare, "compare", "", "`path` of another build of the gateway, to measure beside the first")
	flags.IntVar(&o.callers, "callers", 32, "how many callers there are, each with one call at a time")
	flags.IntVar(&o.connections, "connections", 4, "how many connections the callers share")
	flags.IntVar(&o.rounds, "rounds", 15, "how often every system takes its turn at a size")
	flags.IntVar(&o.starts, "starts", 5, "how often the gateway is started to measure its start")
	flags.Func("sizes", "`names` of the answers' sizes, separated by commas (default: all)", o.choose)
	flags.BoolVar(&o.tracing, "tracing", false, "measure what traces cost: the gateway without, with a tenth of all calls traced, and with all")
	flags.StringVar(&o.profiles, "profiles", "", "measure nothing, but write CPU and allocation profiles of the gateway into this `directory`")
	flags.DurationVar(&o.profileTime, "profiletime", 5*time.Second, "how long a CPU profile takes")
	if err := flags.Parse(args); err != nil {
		return err //nolint:wrapcheck // the flag package has said it all
	}
	if flags.NArg() > 0 || o.callers < 1 || o.connections < 1 || o.rounds < 1 || o.starts < 1 {
		return errors.New("want numbers above 0 and no arguments; see -help")
	}
	return measure(ctx, o, out)
}
