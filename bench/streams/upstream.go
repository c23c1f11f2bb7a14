package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

const upstreamCommand = "upstream"

// Where the upstream answers, below the base path.
const (
	basePath      = "/api/v1"
	responsesPath = "/responses"
)

// What a caller writes as its input, and what the upstream does for it.
const (
	// burst and a number: so many deltas, as fast as they can be written.
	burst = "burst "
	// pause: the first event, the rest after restPause.
	pause = "pause"
	// hold: the first event, and nothing until the caller leaves.
	hold = "hold"
)

// restPause parts the first event from the rest, so that one that waits for more
// is found out.
const restPause = 3 * time.Millisecond

// tick parts the deltas of a burst.
const tick = time.Millisecond

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

// upstream streams the reply to an input, with the headers that Mavera sends and
// every event flushed by itself.
func upstream() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+basePath+responsesPath, func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Input string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		header := w.Header()
		header.Set("Content-Type", "text/event-stream; charset=utf-8")
		header.Set("Cache-Control", "no-cache")
		// The largest limit that is believed, which no run reaches: pacing is done, and holds nobody back.
		header.Set("X-Ratelimit-Limit", "1000000")
		header.Set("X-Ratelimit-Remaining", "999999")
		header.Set("X-Ratelimit-Reset", strconv.FormatInt(time.Now().Unix()+60, 10))
		flush := http.NewResponseController(w).Flush
		write := func(event string) bool {
			_, err := io.WriteString(w, event)
			return err == nil && flush() == nil
		}
		deltas := 1
		if number, ok := strings.CutPrefix(in.Input, burst); ok {
			deltas, _ = strconv.Atoi(number) // the caller is ours
		}
		if !write(createdEvent) {
			return
		}
		switch in.Input {
		case hold:
			<-r.Context().Done()
			return
		case pause:
			time.Sleep(restPause)
		}
		for range deltas {
			time.Sleep(tick)
			if !write(deltaEvent) {
				return
			}
		}
		write(completedEvent)
		write(doneEvent)
	})
	return mux
}

// The events of a reply, in the form of the transcripts of the contract.
const (
	createdEvent = "event: response.created\n" +
		`data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_abc123def456abc123def456","object":"response","created_at":1706345678,"status":"in_progress","model":"mavera-1","output":[],"usage":null}}` + "\n\n"
	deltaEvent = "event: response.output_text.delta\n" +
		`data: {"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_abc123def456","output_index":0,"content_index":0,"delta":" a lid that"}` + "\n\n"
	completedEvent = "event: response.completed\n" +
		`data: {"type":"response.completed","sequence_number":9,"response":{"id":"resp_abc123def456abc123def456","object":"response","created_at":1706345678,"status":"completed","model":"mavera-1",` +
		`"output":[{"id":"msg_abc123def456","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"I want a lid that never leaks."}]}],` +
		`"usage":{"input_tokens":150,"output_tokens":200,"total_tokens":350,"credits_used":3}}}` + "\n\n"
	doneEvent = "data: [DONE]\n\n"
)
