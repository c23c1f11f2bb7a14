// Command mavera-simulator serves a simulated Mavera REST API on one address,
// with its storage and control interface; see internal/simulator.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "mavera-simulator:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var o simulator.Options
	flags := flag.NewFlagSet("mavera-simulator", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8787", "address to listen on")
	flags.IntVar(&o.Settings.Limit, "limit", 60, "requests per key in 60 s; -1: no limit")
	flags.Float64Var(&o.Settings.Credits, "credits", 5000, "credits of the billing period; -1: none")
	reset := flags.String("reset", "oldest", "meaning of X-RateLimit-Reset: oldest (request leaves) or empty (window)")
	envelope := flags.String("envelope", "cursor", "list form of Mave threads and generations: cursor or offset")
	flags.Float64Var(&o.Settings.Speed, "speed", 1, "divides the duration of jobs")
	flags.DurationVar(&o.Settings.TokenDelay, "token-delay", 20*time.Millisecond, "pause between the events of a stream")
	flags.Uint64Var(&o.Seed, "seed", 0, "makes ids repeat from run to run; 0: random")
	flags.StringVar(&o.PublicURL, "public-url", "", "base of upload URLs; default: taken from each request")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	o.Settings.Reset, o.Settings.Envelope = simulator.Reading(*reset), simulator.Envelope(*envelope)
	handler, err := simulator.New(o)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	log.Info("serving", "base_url", "http://"+listener.Addr().String()+simulator.BasePath, "demo_key", simulator.DemoKey)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	log.Info("stopping")
	handler.ClearFaults() // Hanging calls end.
	drain, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}
