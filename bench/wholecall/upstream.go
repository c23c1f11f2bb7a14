package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

const upstreamCommand = "upstream"

// apiPath is where the upstream has the persona list, below the base path.
const (
	basePath     = "/api/v1"
	personasPath = "/personas"
	tracesPath   = "/v1/traces" // where it takes spans, and drops them
)

// serveUpstream is the program that stands in for Mavera: it answers from memory.
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

// upstream answers the persona list of the size that is searched for, with the
// headers that Mavera sends.
func upstream() http.Handler {
	bodies := make(map[string][]byte)
	for _, s := range sizes() {
		bodies[s.name] = s.body()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+basePath+personasPath, func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.Query().Get("search")]
		if !ok {
			http.Error(w, "no such size", http.StatusNotFound)
			return
		}
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Content-Length", strconv.Itoa(len(body)))
		// The largest limit that is believed, which no run reaches: pacing is done, and holds nobody back.
		header.Set("X-Ratelimit-Limit", "1000000")
		header.Set("X-Ratelimit-Remaining", "999999")
		header.Set("X-Ratelimit-Reset", strconv.FormatInt(time.Now().Unix()+60, 10))
		_, _ = w.Write(body) // a caller that has gone is not ours to mind
	})
	mux.HandleFunc("POST "+tracesPath, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // an exporter that has gone is not ours to mind either
	})
	return mux
}
