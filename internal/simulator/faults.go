package simulator

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FaultHeader marks an answer that a fault touched.
const FaultHeader = "X-Simulator-Fault"

// Fault is a script for the next calls of a route. What happens, in this order:
// the delay; the connection is closed or hangs; else the scripted answer, or the
// true one when Status, Body and Size are zero. A call whose true answer is cut
// or touched has had its effect; one that was closed, hung or got a scripted
// answer has none, but counts in the rate window. Faults come before refusals:
// a scripted 503 wins over a 429 of the window.
type Fault struct {
	// ID names the fault in the list; it is set by AddFault.
	ID int `json:"id"`
	// Route is a method and a path template of openapi.yaml ("POST /responses"),
	// "PUT /_storage/{key}", "GET /_storage/{key}", or "*" for every API call.
	Route string `json:"route"`
	// Times is how many calls are hit. Default 1; -1: all from now on.
	Times int `json:"times"`
	// Skip is how many matching calls pass first.
	Skip int `json:"skip"`

	// Delay is the pause before anything else.
	Delay time.Duration `json:"-"`
	// CloseBefore closes the connection without an answer.
	CloseBefore bool `json:"close_before"`
	// Hang never answers, until the client leaves, or Reset or ClearFaults.
	Hang bool `json:"hang"`

	// Status is that of the scripted answer; 0 with a Body or Size means 200.
	Status int `json:"status"`
	// Headers are set on the answer, scripted or true; "" removes one.
	Headers map[string]string `json:"headers"`
	// Body is the scripted body. Default, with a Status: the API's error body.
	Body *string `json:"body"`
	// Size repeats Body (default "x") up to this many bytes, in flat memory.
	Size int64 `json:"size"`

	// CutAfterBytes cuts the connection after so many bytes of the body.
	CutAfterBytes *int64 `json:"cut_after_bytes"`
	// SSECutAfterEvents cuts a stream after so many events.
	SSECutAfterEvents *int `json:"sse_cut_after_events"`
	// SSEStallAfterEvents hangs a stream after so many events.
	SSEStallAfterEvents *int `json:"sse_stall_after_events"`
	// SSEFailAfterEvents ends a Responses stream after so many events with
	// response.failed, and any other with nothing.
	SSEFailAfterEvents *int `json:"sse_fail_after_events"`
	// SSEErrorAfterEvents ends a stream after so many events with an error event:
	// in a Responses stream as OpenAI has it, in a chat stream the API's error body
	// without a name, else the same body with its type, under the name error.
	SSEErrorAfterEvents *int `json:"sse_error_after_events"`
	// SSEEndAfterEvents ends a stream after so many events as if it were complete.
	SSEEndAfterEvents *int `json:"sse_end_after_events"`
	// DuplicateEvents sends every event of a stream twice.
	DuplicateEvents bool `json:"duplicate_events"`
	// OmitDone leaves out the closing [DONE].
	OmitDone bool `json:"omit_done"`
	// LineEnd ends every line of a stream: "\n" (default), "\r\n" or "\r".
	LineEnd string `json:"line_end"`
	// Inserts are written into a stream: comments, events of other names, faulty
	// or huge ones.
	Inserts []Insert `json:"inserts"`

	released chan struct{} // Closed when the calls that the fault holds are let go.
}

// Insert is text that is no part of a stream and is written into it, as it is.
type Insert struct {
	// AfterEvents is after how many events the text comes. Default: before every
	// event and at the end.
	AfterEvents *int `json:"after_events"`
	// Text is what is written: ": keep-alive\n\n" for a comment.
	Text string `json:"text"`
}

// faultList holds the scripted faults in the order they came.
type faultList struct {
	last   int
	active []*Fault
}

// AddFault scripts a fault and returns its ID. When several match a call, the
// one that came first is used. The error names the field that has no meaning.
func (s *Simulator) AddFault(f Fault) (int, error) {
	if err := s.validFault(f); err != nil {
		return 0, err
	}
	if f.Times == 0 {
		f.Times = 1
	}
	f.Headers, f.Inserts = maps.Clone(f.Headers), slices.Clone(f.Inserts)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.last++
	f.ID = s.faults.last
	s.faults.active = append(s.faults.active, &f)
	return f.ID, nil
}

func (s *Simulator) validFault(f Fault) error {
	switch {
	case !s.knownRoute(f.Route):
		return fmt.Errorf("route: %q is neither \"*\" nor a method and path template of the contract", f.Route)
	case f.Times < -1:
		return fmt.Errorf("times: %d is below -1", f.Times)
	case f.Skip < 0:
		return fmt.Errorf("skip: %d is negative", f.Skip)
	case f.Delay < 0:
		return fmt.Errorf("delay: %s is negative", f.Delay)
	case f.Size < 0:
		return fmt.Errorf("size: %d is negative", f.Size)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status: %d is not between 200 and 599", f.Status)
	case f.LineEnd != "" && f.LineEnd != "\n" && f.LineEnd != "\r\n" && f.LineEnd != "\r":
		return fmt.Errorf("line_end: %q does not end a line of an event stream", f.LineEnd)
	case slices.ContainsFunc(f.Inserts, func(in Insert) bool { return in.AfterEvents != nil && *in.AfterEvents < 0 }):
		return errors.New("inserts: after_events is negative")
	case f.CloseBefore && f.Hang:
		return errors.New("close_before and hang exclude each other")
	}
	return nil
}

func (s *Simulator) knownRoute(route string) bool {
	if route == "*" || route == "PUT "+storageRoute || route == "GET "+storageRoute {
		return true
	}
	for _, op := range operations() {
		if op.String() == route {
			return true
		}
	}
	return false
}

// Faults returns the faults that are not used up, in the order they came.
func (s *Simulator) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Fault, 0, len(s.faults.active))
	for _, f := range s.faults.active {
		out = append(out, *f)
	}
	return out
}

// ClearFaults forgets all faults and ends calls that hang.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.active = nil
	s.release()
}

// RemoveFault forgets one fault and reports whether it was there.
func (s *Simulator) RemoveFault(id int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults.active {
		if f.ID == id {
			s.faults.active = append(s.faults.active[:i], s.faults.active[i+1:]...)
			return true
		}
	}
	return false
}

// takeFault returns the fault for a call, nil when there is none, and counts it.
func (s *Simulator) takeFault(route string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults.active {
		if f.Route != route && (f.Route != "*" || strings.HasSuffix(route, storageRoute)) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		used := *f
		used.released = s.released
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults.active = append(s.faults.active[:i], s.faults.active[i+1:]...)
			}
		}
		return &used
	}
	return nil
}

// applyFault does what comes before the true answer and reports whether the call
// is over.
func (s *Simulator) applyFault(w http.ResponseWriter, r *http.Request, f *Fault) bool {
	switch {
	case !sleep(r.Context(), f.Delay):
		return true
	case f.CloseBefore:
		abort()
	case f.Hang:
		f.hang(r)
		abort()
	}
	w.Header().Set(FaultHeader, "1")
	if f.Status == 0 && f.Body == nil && f.Size == 0 {
		return false
	}
	f.answer(f.wrap(w))
	return true
}

// hang waits until the client leaves or the simulator lets go.
func (f *Fault) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-f.released:
	}
}

// abort closes the connection; net/http knows this panic and does not log it.
func abort() { panic(http.ErrAbortHandler) }

// answer writes the scripted answer.
func (f *Fault) answer(w http.ResponseWriter) {
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	body := ""
	h := w.Header()
	h.Set("Content-Type", "application/json")
	switch {
	case f.Body != nil:
		body = *f.Body
	case f.Size > 0:
		body = "x"
	case status >= http.StatusBadRequest:
		e := standard(status)
		if text, err := encode(e.body()); err == nil {
			body = string(text)
		}
		if e.retryAfter > 0 {
			h.Set("Retry-After", strconv.FormatInt(seconds(e.retryAfter), 10))
		}
	}
	size := f.Size
	if size == 0 || body == "" {
		size = int64(len(body))
	}
	if status != http.StatusNoContent && status != http.StatusNotModified {
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	w.WriteHeader(status)
	_, _ = io.CopyN(w, &repeater{text: body}, size)
}

// wrap applies headers and the cut to whatever is written.
func (f *Fault) wrap(w http.ResponseWriter) http.ResponseWriter {
	out := &faultWriter{ResponseWriter: w, fault: f, left: -1}
	if f.CutAfterBytes != nil {
		out.left = *f.CutAfterBytes
	}
	return out
}

// faultWriter sets the scripted headers and cuts the connection when its bytes
// are spent.
type faultWriter struct {
	http.ResponseWriter
	fault *Fault
	left  int64 // -1: no cut.
	wrote bool
}

// WriteHeader implements http.ResponseWriter.
func (w *faultWriter) WriteHeader(status int) {
	if !w.wrote {
		w.wrote = true
		for name, value := range w.fault.Headers {
			if value == "" {
				w.Header().Del(name)
			} else {
				w.Header().Set(name, value)
			}
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *faultWriter) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if w.left < 0 {
		return w.ResponseWriter.Write(p)
	}
	if int64(len(p)) < w.left {
		w.left -= int64(len(p))
		return w.ResponseWriter.Write(p)
	}
	_, _ = w.ResponseWriter.Write(p[:w.left])
	_ = http.NewResponseController(w.ResponseWriter).Flush() // The client is to see these bytes.
	abort()
	return 0, nil
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *faultWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// repeater reads a text over and over.
type repeater struct {
	text string
	at   int
}

// Read implements io.Reader.
func (r *repeater) Read(p []byte) (int, error) {
	if r.text == "" {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) {
		copied := copy(p[n:], r.text[r.at:])
		n += copied
		r.at = (r.at + copied) % len(r.text)
	}
	return n, nil
}
