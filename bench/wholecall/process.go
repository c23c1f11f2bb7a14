package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// startLimit is how long a program may take to serve.
const startLimit = 20 * time.Second

// A process is a running program that serves an address.
type process struct {
	command *exec.Cmd
	address string
	started time.Time
}

// start starts a program with an environment of its own, so that nothing set for
// the benchmark's own process, such as GOGC or OTEL_*, reaches it.
func start(ctx context.Context, address string, environ []string, output io.Writer, name string, args ...string) (*process, error) {
	command := exec.CommandContext(ctx, name, args...) //nolint:gosec // this program and the gateway that the flags name
	command.Env, command.Stdout, command.Stderr = environ, output, output
	p := &process{command: command, address: address, started: time.Now()}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// stop ends the process and waits for its end.
func (p *process) stop() {
	_ = p.command.Process.Kill() // it may have ended by itself
	_ = p.command.Wait()         // "killed" is no news
}

func (p *process) pid() int { return p.command.Process.Pid }

// untilServing waits until the health service says SERVING.
func (p *process) untilServing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	// Tries every millisecond: what is measured is the start, not the backoff.
	every := backoff.Config{BaseDelay: time.Millisecond, Multiplier: 1, MaxDelay: time.Millisecond}
	conn, err := dial(p.address, grpc.WithConnectParams(grpc.ConnectParams{Backoff: every, MinConnectTimeout: time.Second}))
	if err != nil {
		return err
	}
	defer conn.Close()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return fmt.Errorf("wait for %s: %w", p.command.Path, err)
	}
	if got := answer.GetStatus(); got != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("%s is %s", p.command.Path, got)
	}
	return nil
}

// dial makes a connection that never waits long.
func dial(address string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient("passthrough:///"+address, options...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	return conn, nil
}

// freeAddress is a loopback address that nobody listens on right now.
func freeAddress(ctx context.Context) (string, error) {
	var network net.ListenConfig
	listener, err := network.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// self is the path of this program.
func self() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return path, nil
}
