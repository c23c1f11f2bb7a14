package main

import (
	"context"
	"net/http"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

const upstreamCommand = "upstream"

// basePath is where the upstream answers.
const basePath = "/api/v1"

// serveUpstream is the program that stands in for Mavera: it streams from memory.
func serveUpstream(ctx context.Context, args []string) error {
	return rig.ServeHTTP(ctx, upstreamCommand, args, upstream()) //nolint:wrapcheck // it says what failed
}

func upstream() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+basePath+rig.ReplyPath, rig.Reply)
	return mux
}
