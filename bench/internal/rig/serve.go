package rig

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
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
// as they are at work in a call. It ends with the process.
func Serve(ctx context.Context, command string, args []string, register func(*grpc.Server)) error {
	listener, err := Listen(ctx, command, args)
	if err != nil {
		return err
	}
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
