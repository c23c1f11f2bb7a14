package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

// The rows that others are measured against, and the gateway's own.
const (
	directName     = "direct"
	floorName      = floorCommand
	gatewayName    = "gateway"
	tracedSomeName = "traced 10 %"
	tracedAllName  = "traced all"
	noMetricsName  = "no metrics"
	againstName    = "against"
	nginxName      = "nginx"
	haproxyName    = "haproxy"
	portkeyName    = "portkey"
)

// A row is a system that can be measured.
type row struct {
	name  string
	start func(ctx context.Context, b *bench) (*system, error)
}

// rows are all systems in the order in which they take turns. Direct and the floor are
// always measured: the others' figures are differences to the one and ratios to the other.
func rows() []row {
	return []row{
		{directName, startDirect},
		{floorName, startFloor(floorCommand)},
		{protojsonCommand, startFloor(protojsonCommand)},
		{dynamicCommand, startFloor(dynamicCommand)},
		{gatewayName, startGateway("")},
		{noMetricsName, startGateway("", "GATEWAY_METRICS=false")},
		{tracedSomeName, startGateway("0.1")},
		{tracedAllName, startGateway("1")},
		{againstName, startAgainst},
		{nginxName, startNginx},
		{haproxyName, startHAProxy},
		{portkeyName, startPortkey},
	}
}

// An absentError says that a row cannot be measured here, and why.
type absentError struct{ why string }

func (e *absentError) Error() string { return e.why }

// A system is a row that runs, with those who call it.
type system struct {
	name    string
	version string       // of programs of others
	process *rig.Process // nil where callers call the upstream itself
	callers callers
}

func (y *system) stop() error {
	err := y.callers.close()
	if y.process != nil {
		y.process.Stop()
	}
	return err
}

func startDirect(_ context.Context, b *bench) (*system, error) {
	return &system{callers: newHTTPCallers(b.base, get(b.base, benchmarkKey))}, nil
}

func startFloor(command string) func(context.Context, *bench) (*system, error) {
	return func(ctx context.Context, b *bench) (*system, error) {
		p, err := rig.Self(ctx, rig.Environ(b.base), command)
		if err != nil {
			return nil, err
		}
		return b.serving(ctx, p)
	}
}

// startGateway starts the gateway, with more of environment; traced is the part of all
// calls that it traces, the upstream taking the spans.
func startGateway(traced string, more ...string) func(context.Context, *bench) (*system, error) {
	return func(ctx context.Context, b *bench) (*system, error) {
		environ := append(b.environ(), more...)
		if traced != "" {
			environ = append(environ,
				"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG="+traced,
				"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://"+b.upstream.Address+tracesPath)
		}
		return b.startBuild(ctx, b.gateway, environ)
	}
}

// startAgainst starts another build of the gateway.
func startAgainst(ctx context.Context, b *bench) (*system, error) {
	if b.against == "" {
		return nil, &absentError{"-against names no other build"}
	}
	return b.startBuild(ctx, b.against, b.environ())
}

// environ is that of a gateway: its defaults, but that callers may bring keys. It makes no
// difference to calls that bring none.
func (b *bench) environ() []string {
	return append(rig.Environ(b.base), "GATEWAY_ALLOW_CALLER_KEYS=true")
}

func (b *bench) startBuild(ctx context.Context, path string, environ []string) (*system, error) {
	p, err := rig.Gateway(ctx, path, b.dir, environ)
	if err != nil {
		return nil, err
	}
	return b.serving(ctx, p)
}

// serving waits for a gRPC server and dials it.
func (b *bench) serving(ctx context.Context, p *rig.Process) (*system, error) {
	c, err := dialCallers(p.Address, b.connections)
	if err != nil {
		p.Stop()
		return nil, err
	}
	y := &system{process: p, callers: c}
	if err := p.UntilServing(ctx); err != nil {
		return nil, errors.Join(err, y.stop())
	}
	return y, nil
}

// answering waits for an HTTP server, which streams below a base URL.
func (b *bench) answering(ctx context.Context, p *rig.Process, version, base string, request func(context.Context, question) (*http.Request, error)) (*system, error) {
	y := &system{process: p, version: version, callers: newHTTPCallers(base, request)}
	err := p.UntilAnswering(ctx, func(ctx context.Context) (*http.Request, error) { return request(ctx, question{size: sizes()[0]}) })
	if err != nil {
		return nil, errors.Join(err, y.stop())
	}
	return y, nil
}

// startSystems starts the rows that were chosen. Those that cannot be had are noted.
func (b *bench) startSystems(ctx context.Context) error {
	for _, r := range rows() {
		always := r.name == directName || r.name == floorName
		asked := slices.Contains(b.rows, r.name)
		if !always && !asked && (len(b.rows) > 0 || r.name == againstName && b.against == "") {
			continue
		}
		y, err := r.start(ctx, b)
		if absent := (*absentError)(nil); errors.As(err, &absent) {
			b.record.Absent = append(b.record.Absent, absence{Row: r.name, Why: absent.why})
			continue
		}
		if err != nil {
			return err
		}
		y.name = r.name
		b.systems = append(b.systems, y)
		if y.version != "" {
			b.record.Versions = append(b.record.Versions, y.version)
		}
	}
	return nil
}

// system finds a row that runs.
func (b *bench) system(name string) *system {
	i := slices.IndexFunc(b.systems, func(y *system) bool { return y.name == name })
	if i < 0 {
		return nil
	}
	return b.systems[i]
}

// megabytes is the size of a file in 10⁶ bytes.
func megabytes(name string) (float64, error) {
	info, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()) / 1e6, nil
}
