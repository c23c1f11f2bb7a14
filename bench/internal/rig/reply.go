package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ReplyPath is where upstreams stream replies, below their base path.
const ReplyPath = "/responses"

// What a caller writes as its input, and what [Reply] does for it. See also [Burst].
const (
	// Pause is for the first event, and the rest after restPause.
	Pause = "pause"
	// Hold is for the first event, and nothing until the caller leaves.
	Hold = "hold"
)

// burst and a number are an input.
const burst = "burst "

// Burst is the input for so many deltas, as fast as they can be written.
func Burst(events int) string { return burst + strconv.Itoa(events) }

// restPause parts the first event from the rest, so that one that waits for more
// is found out.
const restPause = 3 * time.Millisecond

// tick parts the deltas of a burst.
const tick = time.Millisecond

// The events of a reply, in the form of the transcripts of the contract.
const (
	createdEvent = "event: response.created\n" +
		`data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_abc123def456abc123def456","object":"response","created_at":1706345678,"status":"in_progress","model":"mavera-1","output":[],"usage":null}}` + "\n\n"
	// DeltaEvent is what a burst has many of.
	DeltaEvent = "event: response.output_text.delta\n" +
		`data: {"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_abc123def456","output_index":0,"content_index":0,"delta":" a lid that"}` + "\n\n"
	completedEvent = "event: response.completed\n" +
		`data: {"type":"response.completed","sequence_number":9,"response":{"id":"resp_abc123def456abc123def456","object":"response","created_at":1706345678,"status":"completed","model":"mavera-1",` +
		`"output":[{"id":"msg_abc123def456","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"I want a lid that never leaks."}]}],` +
		`"usage":{"input_tokens":150,"output_tokens":200,"total_tokens":350,"credits_used":3}}}` + "\n\n"
	// DoneEvent is the last of a reply.
	DoneEvent = "data: [DONE]\n\n"
)

// Reply streams the reply to an input from memory, with the headers that Mavera sends
// and every event flushed by itself.
func Reply(w http.ResponseWriter, r *http.Request) {
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
	case Hold:
		<-r.Context().Done()
		return
	case Pause:
		time.Sleep(restPause)
	}
	for range deltas {
		time.Sleep(tick)
		if !write(DeltaEvent) {
			return
		}
	}
	write(completedEvent)
	write(DoneEvent)
}

// ReplyClient asks an upstream for replies, or a proxy in front of one.
type ReplyClient struct {
	HTTP *http.Client
	// Base is the URL that [ReplyPath] is below.
	Base string
	// Key is the API key.
	Key string
}

// Open asks for the reply to an input. The caller closes the stream.
func (c ReplyClient) Open(ctx context.Context, input string) (io.ReadCloser, error) {
	text, err := json.Marshal(map[string]any{"model": "mavera-1", "input": input, "stream": true})
	if err != nil {
		return nil, fmt.Errorf("make body: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Base+ReplyPath, strings.NewReader(string(text)))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.Key)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("User-Agent", "mavera-gateway")
	response, err := c.HTTP.Do(request)
	if err != nil {
		return nil, fmt.Errorf("send request: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(errors.New(response.Status), response.Body.Close())
	}
	return response.Body, nil
}
