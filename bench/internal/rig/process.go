package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// startLimit is how long a program may take to serve.
const startLimit = 20 * time.Second

// A Process is a running program that serves an address.
type Process struct {
	// Address is host:port of its gRPC or HTTP service.
	Address string
	// Admin is host:port of the port that serves profiles, empty for programs of others.
	Admin string
	// Started is when it was started.
	Started time.Time

	command *exec.Cmd
}

// Start starts a program with an environment of its own, so that nothing set for
// the benchmark's own process, such as GOGC or OTEL_*, reaches it.
func Start(ctx context.Context, address string, environ []string, output io.Writer, name string, args ...string) (*Process, error) {
	command := exec.CommandContext(ctx, name, args...) //nolint:gosec // this program and the gateway that the flags name
	command.Env, command.Stdout, command.Stderr = environ, output, output
	p := &Process{Address: address, Started: time.Now(), command: command}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// Stop ends the process, with all that descend from it, and waits for its end.
func (p *Process) Stop() {
	for _, pid := range Tree(p.PID())[1:] {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = p.command.Process.Kill() // it may have ended by itself
	_ = p.command.Wait()         // "killed" is no news
}

// PID is the number of the process.
func (p *Process) PID() int { return p.command.Process.Pid }

// UntilServing waits until the health service says SERVING.
func (p *Process) UntilServing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	// Tries every millisecond: what is measured is the start, not the backoff.
	every := backoff.Config{BaseDelay: time.Millisecond, Multiplier: 1, MaxDelay: time.Millisecond}
	conn, err := Dial(p.Address, grpc.WithConnectParams(grpc.ConnectParams{Backoff: every, MinConnectTimeout: time.Second}))
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

// UntilAnswering waits until a request is answered with 200; each try is a request of
// its own.
func (p *Process) UntilAnswering(ctx context.Context, request func(ctx context.Context) (*http.Request, error)) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		try, err := request(ctx)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(try)
		if err == nil {
			if err = response.Body.Close(); err == nil && response.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.Join(err, errors.New(response.Status))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", p.command.Path, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Dial makes a connection that never waits long.
func Dial(address string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient("passthrough:///"+address, options...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	return conn, nil
}

// Conns are connections that callers share.
type Conns []*grpc.ClientConn

// DialAll makes so many connections.
func DialAll(address string, connections int) (Conns, error) {
	var c Conns
	for range connections {
		conn, err := Dial(address)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c = append(c, conn)
	}
	return c, nil
}

// Of is the connection of caller number i.
func (c Conns) Of(i int) *grpc.ClientConn { return c[i%len(c)] }

// Close closes all of them.
func (c Conns) Close() error {
	var errs []error
	for _, conn := range c {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// FreeAddress is a loopback address that nobody listens on right now.
func FreeAddress(ctx context.Context) (string, error) {
	var network net.ListenConfig
	listener, err := network.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// Self starts this program again, with a command and the address that it is to
// serve, see [Listen].
func Self(ctx context.Context, environ []string, command string) (*Process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	address, err := FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	admin, err := FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	environ = append([]string{adminVariable + "=" + admin}, environ...)
	p, err := Start(ctx, address, environ, os.Stderr, program, command, "-addr", address)
	if err != nil {
		return nil, err
	}
	p.Admin = admin
	return p, nil
}

// Gateway starts a gateway with its defaults, as an operator would: it logs a line
// for every call, into a file in a directory.
func Gateway(ctx context.Context, path, directory string, environ []string) (*Process, error) {
	address, err := FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	admin, err := FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	log, err := os.CreateTemp(directory, "gateway")
	if err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	defer log.Close() // the process has its own handle
	environ = append([]string{"GATEWAY_GRPC_ADDR=" + address, adminVariable + "=" + admin}, environ...)
	p, err := Start(ctx, address, environ, log, path, "serve")
	if err != nil {
		return nil, err
	}
	p.Admin = admin
	return p, nil
}
