package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/mavera-gateway/mavera-gateway/internal/config"
	"github.com/mavera-gateway/mavera-gateway/internal/lines"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/statusz"
	"github.com/mavera-gateway/mavera-gateway/internal/telemetry"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
	"github.com/mavera-gateway/mavera-gateway/internal/upload"
	"github.com/mavera-gateway/mavera-gateway/server"
)

// flushLimit is how long telemetry may take to send what is left at the end.
const flushLimit = 5 * time.Second

// gcPercent is GOGC where the operator has not set it. Go's default of 100 would
// collect a heap as small as this one's, 5 MB, every few hundred calls; 200 saves 6
// to 14 % of the CPU time of a call for about 10 MiB (docs/performance.md).
const gcPercent = 200

// serve puts the program together and runs it until ctx ends.
func serve(ctx context.Context, args, environ []string, out, errOut io.Writer) error {
	cfg, err := config.Parse(args, environ, os.ReadFile)
	if err != nil {
		return err //nolint:wrapcheck // it is a list of lines for people
	}
	if cfg.PrintConfig {
		return cfg.WriteYAML(out) //nolint:wrapcheck // so is this
	}
	policy, err := policies(&cfg)
	if err != nil {
		return fmt.Errorf("make policies: %w", err)
	}
	if cfg.PrintPolicy {
		return table(out, policy.Table)
	}
	level := new(slog.LevelVar)
	level.Set(cfg.LogLevel)
	log := lines.New(errOut, func(out io.Writer) slog.Handler {
		return slog.NewJSONHandler(secret.NewWriter(out), &slog.HandlerOptions{Level: level})
	})
	return errors.Join(start(ctx, &cfg, policy, slog.New(log.Handler()), level, errOut), log.Close())
}

// start starts what is configured, and runs it until ctx ends. level is that of the logger;
// the greeting of the simulator goes to banner.
func start(ctx context.Context, cfg *config.Config, policy server.Policies, logger *slog.Logger, level *slog.LevelVar, banner io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // outlives ctx by the drain
	defer end()

	observed, err := telemetry.Start(life, telemetry.Options{Version: version(), Logger: logger})
	if err != nil {
		return err //nolint:wrapcheck // it says that telemetry did not start
	}
	defer func() {
		flush, cancel := context.WithTimeout(life, flushLimit)
		defer cancel()
		if lost := observed.Shutdown(flush); lost != nil {
			logger.Warn("telemetry was not sent completely", slog.Any("error", lost))
		}
	}()
	meters := meterProvider(cfg, observed)
	instruments, err := telemetry.NewInstruments(meters)
	if err != nil {
		return fmt.Errorf("make instruments: %w", err)
	}
	if err := server.CheckAllowList(cfg.AllowCallers); err != nil {
		return cfg.Refuse("allow_callers", err) //nolint:wrapcheck // it is a line for people
	}
	secured, err := transport(life, cfg, logger)
	if err != nil {
		return err
	}
	key, err := upstream(life, cfg, logger)
	if err != nil {
		return err
	}
	var gateway *server.Server
	board, err := statusBoard(cfg, key, level, func() *server.Server { return gateway })
	if err != nil {
		return err
	}
	gateway, err = server.New(server.Options{ //nolint:contextcheck // streams bring their contexts with them
		Client: mavera.NewClient(mavera.Options{
			BaseURL:           cfg.BaseURL,
			MaxAnswerBytes:    int64(cfg.MaxAnswerBytes),
			StreamIdleTimeout: cfg.StreamIdleTimeout,
			MaxEventBytes:     int(cfg.MaxEventBytes),
			UserAgent:         "mavera-gateway/" + version(),
			Propagator:        observed.Upstream(cfg.PropagateTraceUpstream),
			Transport:         mavera.NewTransport(cfg.UpstreamIdleConnections, cfg.UpstreamIdleTimeout),
		}),
		Key: key, AllowCallerKeys: cfg.AllowCallerKeys,
		Logger: logger, Observer: instruments, Ended: func(e server.Ended) { board.Add(statusz.Call(e)) },
		Policies: policy, FollowJobs: cfg.FollowJobs, RecoverCreates: cfg.RecoverCreates,
		Storage: upload.NewStorage(upload.RulesFor(cfg.BaseURL, cfg.AllowPrivateStorage), nil), UploadIdleTimeout: cfg.UploadIdleTimeout,
		TLS: secured, TrustedProxies: cfg.TrustedProxies, AllowCallers: cfg.AllowCallers,
		MaxRequestBytes: int(cfg.MaxRequestBytes), KeepaliveTime: cfg.KeepaliveTime, MaxConnectionAge: cfg.MaxConnectionAge,
		Reflection: cfg.Reflection, Health: cfg.Health, Channelz: cfg.Channelz,
		Tracing: observed.Tracing(cfg.PropagateTraceUpstream),
	})
	if err != nil {
		return fmt.Errorf("make server: %w", err)
	}
	if err := telemetry.ObserveState(meters, gateway.Snapshot); err != nil {
		return fmt.Errorf("make instruments: %w", err)
	}
	go board.Run(life)
	admin := server.NewAdmin(gateway, server.AdminOptions{
		Metrics: observed.Metrics, Status: statusz.NewPage(board).Register, Level: level, Debug: cfg.AdminDebug,
	})
	return listen(ctx, cfg, gateway, admin, logger, banner)
}

// meterProvider makes the instruments of calls, which count for nobody where metrics are
// off.
func meterProvider(cfg *config.Config, observed *telemetry.Telemetry) metric.MeterProvider {
	if !cfg.Metrics {
		return noop.NewMeterProvider()
	}
	return observed.MeterProvider
}

// upstream finds the key; with the simulator it also starts that and sets the
// base URL.
func upstream(life context.Context, cfg *config.Config, logger *slog.Logger) (func() secret.Key, error) {
	switch {
	case cfg.Simulator:
		base, key, err := simulate(life, logger)
		if err != nil {
			return nil, err
		}
		cfg.BaseURL = base
		return func() secret.Key { return key }, nil
	case cfg.APIKeyFile != "":
		file, err := secret.OpenKeyFile(cfg.APIKeyFile, logger)
		if err != nil {
			return nil, cfg.Refuse("api_key_file", err) //nolint:wrapcheck // it is a line for people
		}
		go file.Watch(life)
		return file.Current, nil
	default:
		return func() secret.Key { return cfg.APIKey }, nil
	}
}

// listen serves both ports until ctx ends, then gives notice and drains. With the simulator it
// writes a greeting, whose lines are for plaintext.
func listen(ctx context.Context, cfg *config.Config, gateway *server.Server, admin *server.Admin, logger *slog.Logger, banner io.Writer) error {
	var network net.ListenConfig
	calls, err := network.Listen(ctx, "tcp", cfg.GRPCAddr)
	if err != nil {
		return cfg.Refuse("grpc_addr", err) //nolint:wrapcheck // it is a line for people
	}
	pages, err := network.Listen(ctx, "tcp", cfg.AdminAddr)
	if err != nil {
		return errors.Join(cfg.Refuse("admin_addr", err), calls.Close())
	}
	if cfg.Simulator && cfg.TLSCertFile == "" {
		if err := greet(banner, calls.Addr().String()); err != nil {
			return errors.Join(err, calls.Close(), pages.Close())
		}
	}
	warnIfOpen(cfg, calls.Addr(), logger)
	failed := make(chan error, 2)
	go func() { failed <- gateway.Serve(calls) }()
	go func() { failed <- admin.Serve(pages) }()
	logger.Info("serving",
		slog.String("version", version()),
		slog.String("grpc_addr", calls.Addr().String()), slog.String("admin_addr", pages.Addr().String()),
		slog.String("base_url", cfg.BaseURL.String()), slog.Bool("simulator", cfg.Simulator))
	select {
	case err := <-failed:
		gateway.Stop(0)
		return errors.Join(err, admin.Close())
	case <-ctx.Done():
	}
	logger.Info("leaving", slog.String("drain_notice", cfg.DrainNotice.String()))
	gateway.Leave()
	time.Sleep(cfg.DrainNotice)
	logger.Info("stopping", slog.String("drain_timeout", cfg.DrainTimeout.String()))
	gateway.Stop(cfg.DrainTimeout)
	logger.Info("stopped")
	return admin.Close() //nolint:wrapcheck // it says what it could not do
}

// routes prints the table that the README shows.
func routes(out io.Writer) error { return table(out, transcode.RouteTable) }

// table prints a table of all RPCs.
func table(out io.Writer, of func([]*transcode.Plan) string) error {
	plans, err := transcode.Compile(transcode.Services()...)
	if err != nil {
		return fmt.Errorf("compile protos: %w", err)
	}
	_, err = io.WriteString(out, of(plans))
	return err //nolint:wrapcheck // writing to stdout needs no more words
}

// version is the module version of a released build, else the commit's
// pseudo-version, else "(devel)".
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
