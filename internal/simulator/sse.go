package simulator

import (
	"net/http"
	"strings"
)

// event is one server-sent event.
type event struct {
	name string // "" for an unnamed event.
	data any    // A string is sent as it is, everything else as JSON.
}

// done is the closing line of the OpenAI formats.
func done() event { return event{data: "[DONE]"} }

// stream sends events, each flushed at once, until they end, the client leaves
// or the fault strikes.
func (s *Simulator) stream(w http.ResponseWriter, r *http.Request, events []event, f *Fault) {
	if f == nil {
		f = &Fault{}
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(w)
	for i, e := range events {
		if i > 0 && !sleep(r.Context(), s.Settings().TokenDelay) {
			return
		}
		switch {
		case reached(f.SSECutAfterEvents, i):
			_ = flusher.Flush()
			abort()
		case reached(f.SSEStallAfterEvents, i):
			_ = flusher.Flush()
			f.hang(r)
			abort()
		case reached(f.SSEFailAfterEvents, i):
			if last, ok := failure(events, i); ok {
				_ = send(w, last)
			}
			return
		}
		times := 1
		if f.DuplicateEvents {
			times = 2
		}
		for range times {
			if err := send(w, e); err != nil {
				return // The client left.
			}
		}
		if err := flusher.Flush(); err != nil {
			return
		}
	}
}

func reached(after *int, i int) bool { return after != nil && i >= *after }

// send writes one event.
func send(w http.ResponseWriter, e event) error {
	var b strings.Builder
	if e.name != "" {
		b.WriteString("event: " + e.name + "\n")
	}
	text, ok := e.data.(string)
	if !ok {
		encoded, err := encode(e.data)
		if err != nil {
			return err
		}
		text = string(encoded)
	}
	b.WriteString("data: " + text + "\n\n")
	_, err := w.Write([]byte(b.String()))
	return err
}

// pieces cuts a text into deltas of two words; joined they are the text again.
func pieces(text string) []string {
	words := strings.SplitAfter(text, " ")
	var out []string
	for i := 0; i < len(words); i += 2 {
		out = append(out, strings.Join(words[i:min(i+2, len(words))], ""))
	}
	return out
}
