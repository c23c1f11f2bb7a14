package simulator

import (
	"cmp"
	"io"
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
	if f.OmitDone && events[len(events)-1] == done() {
		events = events[:len(events)-1]
	}
	out := &eventWriter{w: w, flush: http.NewResponseController(w).Flush, lineEnd: cmp.Or(f.LineEnd, "\n"), times: 1}
	if f.DuplicateEvents {
		out.times = 2
	}
	out.write("") // The header goes out before the first event, or stall.
	for i, e := range events {
		if i > 0 && !sleep(r.Context(), s.Settings().TokenDelay) {
			return
		}
		if out.insert(f.Inserts, i); out.err != nil || f.strikes(out, r, events, i) {
			return
		}
		if out.send(e); out.err != nil {
			return // The client left.
		}
	}
	if out.insert(f.Inserts, len(events)); out.err == nil {
		f.strikes(out, r, events, len(events))
	}
}

// strikes does what the fault has for the moment after i events and reports
// whether that was the end of the stream.
func (f *Fault) strikes(out *eventWriter, r *http.Request, events []event, i int) bool {
	switch {
	case reached(f.SSECutAfterEvents, i):
		abort()
	case reached(f.SSEStallAfterEvents, i):
		f.hang(r)
		abort()
	case reached(f.SSEFailAfterEvents, i):
		if last, ok := failure(events, i); ok {
			out.send(last)
		}
	case reached(f.SSEErrorAfterEvents, i):
		out.send(broken(events, i))
	case !reached(f.SSEEndAfterEvents, i):
		return false
	}
	return true
}

func reached(after *int, i int) bool { return after != nil && i >= *after }

// broken is the error event that ends a stream after i events. None is documented:
// that of Responses is OpenAI's, the others are invented.
func broken(events []event, i int) event {
	e := standard(http.StatusInternalServerError)
	switch events[0].name {
	case "response.created":
		return event{"error", object{"type": "error", "sequence_number": i, "code": e.code, "message": e.message, "param": nil}}
	case "":
		return event{data: e.body()}
	default:
		return event{"error", with(e.body(), object{"type": "error"})}
	}
}

// eventWriter writes events in the form that a fault wants.
type eventWriter struct {
	w       io.Writer
	flush   func() error
	lineEnd string
	times   int // How often every event is written.
	err     error
}

// send writes one event.
func (o *eventWriter) send(e event) {
	text, ok := e.data.(string)
	if !ok {
		encoded, err := encode(e.data)
		if err != nil {
			o.err = err
			return
		}
		text = string(encoded)
	}
	lines := "data: " + text + o.lineEnd + o.lineEnd
	if e.name != "" {
		lines = "event: " + e.name + o.lineEnd + lines
	}
	o.write(strings.Repeat(lines, o.times))
}

// insert writes what belongs after i events.
func (o *eventWriter) insert(inserts []Insert, i int) {
	for _, in := range inserts {
		if in.AfterEvents == nil || *in.AfterEvents == i {
			o.write(in.Text)
		}
	}
}

// write writes and flushes text. The first error stays.
func (o *eventWriter) write(text string) {
	if o.err == nil {
		_, o.err = io.WriteString(o.w, text)
	}
	if o.err == nil {
		o.err = o.flush()
	}
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
