package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

const upstreamCommand = "upstream"

// What the upstream serves; the first two are below the base path.
const (
	basePath     = "/api/v1"
	personasPath = "/personas"
	chatPath     = "/chat/completions"
	tracesPath   = "/v1/traces" // where it takes spans, and drops them
	threadsPath  = "/threads/"  // and a number: on how many threads it goes on
)

// serveUpstream is the program that stands in for Mavera: it answers from memory.
func serveUpstream(ctx context.Context, args []string) error {
	return rig.ServeHTTP(ctx, upstreamCommand, args, upstream()) //nolint:wrapcheck // it says what failed
}

// upstream answers the persona list that is asked for, the list of a family, or
// streams a reply, with the headers that Mavera sends. Portkey takes a model's name for the question, see [question.String].
func upstream() http.Handler {
	bodies := make(map[string][]byte)
	for _, s := range sizes() {
		bodies[s.name] = s.body()
	}
	send := func(w http.ResponseWriter, body []byte) {
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Content-Length", strconv.Itoa(len(body)))
		// The largest limit that is believed, which no run reaches: pacing is done, and holds nobody back.
		header.Set("X-Ratelimit-Limit", "1000000")
		header.Set("X-Ratelimit-Remaining", "999999")
		header.Set("X-Ratelimit-Reset", strconv.FormatInt(time.Now().Unix()+60, 10))
		_, _ = w.Write(body) // a caller that has gone is not ours to mind
	}
	answer := func(w http.ResponseWriter, r *http.Request, asked string) {
		name, delay, err := parseQuestion(asked)
		body, ok := bodies[name]
		if !ok || err != nil {
			http.Error(w, "no such answer", http.StatusNotFound)
			return
		}
		if sleep(r.Context(), delay) {
			send(w, body)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+basePath+personasPath, func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, r.URL.Query().Get("search"))
	})
	for _, f := range families() {
		body := f.body()
		mux.HandleFunc("GET "+basePath+f.path, func(w http.ResponseWriter, _ *http.Request) { send(w, body) })
	}
	mux.HandleFunc("POST "+basePath+rig.ReplyPath, rig.Reply)
	mux.HandleFunc("POST "+basePath+chatPath, func(w http.ResponseWriter, r *http.Request) {
		var chat struct {
			Model string `json:"model"`
		}
		if err := json.NewDecoder(r.Body).Decode(&chat); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, r, chat.Model)
	})
	mux.HandleFunc("POST "+tracesPath, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // an exporter that has gone is not ours to mind either
	})
	mux.HandleFunc("GET "+threadsPath+"{n}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("n"))
		if err != nil || n < 1 {
			http.Error(w, "no such number", http.StatusNotFound)
			return
		}
		runtime.GOMAXPROCS(n)
	})
	return mux
}
