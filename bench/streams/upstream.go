package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

const upstreamCommand = "upstream"

// basePath is where the upstream answers.
const basePath = "/api/v1"

// serveUpstream is the program that stands in for Mavera: it streams from memory.
func serveUpstream(ctx context.Context, args []string) error {
	listener, err := rig.Listen(ctx, upstreamCommand, args)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: upstream(), ReadHeaderTimeout: 10 * time.Second}
	if err := server.Serve(listener); err != nil {
		return fmt.Errorf("serve upstream: %w", err)
	}
	return nil
}

func upstream() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+basePath+rig.ReplyPath, rig.Reply)
	return mux
}
