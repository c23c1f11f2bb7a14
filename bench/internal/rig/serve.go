package rig

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
)

// What the gateway is configured with, and the floors too.
const (
	upstreamVariable = "MAVERA_BASE_URL"
	keyVariable      = "MAVERA_API_KEY"
	adminVariable    = "GATEWAY_ADMIN_ADDR"
)

// Environ is the environment of a gateway or floor whose upstream has a base URL.
func Environ(base string) []string {
	return []string{upstreamVariable + "=" + base, keyVariable + "=mvra_live_benchmark0000000000000000"}
}

// Upstream is the base URL and the key that [Environ] has set.
func Upstream() (base, key string, err error) {
	base, key = os.Getenv(upstreamVariable), os.Getenv(keyVariable)
	if base == "" || key == "" {
		return "", "", errors.New(upstreamVariable + " and " + keyVariable + " must be set")
	}
	return base, key, nil
}

// Serve is the program of a floor: a gRPC server with the gateway's options, as far
// as they are at work in a call, and its profiles. It ends with the process.
func Serve(ctx context.Context, command string, args []string, register func(*grpc.Server)) error {
	listener, err := Listen(ctx, command, args)
	if err != nil {
		return err
	}
	profiles, err := serveProfiles(ctx)
	if err != nil {
		return err
	}
	defer profiles.Close()
	server := grpc.NewServer(
		grpc.MaxRecvMsgSize(16<<20),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 20 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.WaitForHandlers(true),
		grpc.NumStreamWorkers(64),
	)
	register(server)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	if err := server.Serve(listener); err != nil {
		return fmt.Errorf("serve %s: %w", command, err)
	}
	return nil
}

// serveProfiles serves the profiles of the process at its admin address.
func serveProfiles(ctx context.Context) (*http.Server, error) {
	var network net.ListenConfig
	listener, err := network.Listen(ctx, "tcp", os.Getenv(adminVariable))
	if err != nil {
		return nil, fmt.Errorf("listen for profiles: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // profiles are no reason to end
	return server, nil
}

// Listen opens the port that a command is told to serve by -addr.
func Listen(ctx context.Context, command string, args []string) (net.Listener, error) {
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	address := flags.String("addr", "", "address to serve")
	if err := flags.Parse(args); err != nil {
		return nil, err //nolint:wrapcheck // the flag package has said it all
	}
	var network net.ListenConfig
	listener, err := network.Listen(ctx, "tcp", *address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return listener, nil
}

// ServeHTTP is a command that serves a handler where it is told to by -addr.
func ServeHTTP(ctx context.Context, command string, args []string, handler http.Handler) error {
	listener, err := Listen(ctx, command, args)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	if err := server.Serve(listener); err != nil {
		return fmt.Errorf("serve %s: %w", command, err)
	}
	return nil
}
