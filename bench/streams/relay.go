package main

import (
	"context"
	"net/http"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
)

// The systems beside the gateway.
const (
	relayCommand     = "relay"
	protojsonCommand = "protojson"
)

// serveRelay is the program of the relay and of protojson.
func serveRelay(ctx context.Context, command string, args []string) error {
	base, key, err := rig.Upstream()
	if err != nil {
		return err
	}
	message := rig.Unparsed
	if command == protojsonCommand {
		message = parsed
	}
	r := &rig.Relay{
		Upstream: rig.ReplyClient{HTTP: &http.Client{Transport: mavera.NewTransport(0, 0)}, Base: base, Key: key},
		Message:  message,
	}
	return rig.Serve(ctx, command, args, r.Register)
}
