// Command streams measures what a stream through the gateway costs, against floors
// of the same run: the machine's speed cancels out, and so does its drift, because
// the systems take turns.
//
//	callers ─ gRPC ─▶ system ─ HTTP ─▶ upstream
//
// Upstream and systems are processes of their own on loopback. The systems are
//
//	relay      the least that a gateway can do: the same gRPC server with a
//	           handler written by hand that makes the same HTTP call and sends the
//	           lines of each event on as they are, unparsed
//	protojson  the relay with each event read by protojson into the generated
//	           message: the obvious way, without interceptors, checks or errors
//	gateway    bin/mavera-gateway with its defaults
//
// The callers leave the messages undecoded, so that they cost the same everywhere.
// It prints a table of figures and targets, and fails where a target is missed. What
// events cost beside proxies is measured by bench/gateway, with the same relay.
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
		fmt.Fprintln(os.Stderr, "streams:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	gateway             string
	streams, events     int
	connections, rounds int
	calls               int
	idle                int
	profiles            string
	profileTime         time.Duration
}

// run is the program without its process. The programs that it measures the
// gateway against are itself, started with a command and an address.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case upstreamCommand:
			return serveUpstream(ctx, args[1:])
		case relayCommand, protojsonCommand:
			return serveRelay(ctx, args[0], args[1:])
		}
	}
	var o options
	flags := flag.NewFlagSet("streams", flag.ContinueOnError)
	flags.StringVar(&o.gateway, "gateway", "bin/mavera-gateway", "`path` of the gateway")
	flags.IntVar(&o.streams, "streams", 256, "how many streams carry events at a time")
	flags.IntVar(&o.events, "events", 200, "how many events each of them carries")
	flags.IntVar(&o.connections, "connections", 4, "how many connections the callers share")
	flags.IntVar(&o.rounds, "rounds", 11, "how often every system takes its turn at events")
	flags.IntVar(&o.calls, "calls", 1000, "how often the first event of a stream is waited for")
	flags.IntVar(&o.idle, "idle", 10_000, "how many idle streams are held open")
	flags.StringVar(&o.profiles, "profiles", "", "measure nothing, but write CPU and allocation profiles of the gateway into this `directory`")
	flags.DurationVar(&o.profileTime, "profiletime", 5*time.Second, "how long a CPU profile takes")
	if err := flags.Parse(args); err != nil {
		return err //nolint:wrapcheck // the flag package has said it all
	}
	if flags.NArg() > 0 || min(o.streams, o.events, o.connections, o.rounds, o.calls, o.idle) < 1 {
		return errors.New("want numbers above 0 and no arguments; see -help")
	}
	return measure(ctx, o, out)
}
