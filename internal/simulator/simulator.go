// Package simulator answers like the Mavera REST API, in memory and without a
// key, so that the gateway can be run, tested and measured with no network.
//
// A Simulator is an http.Handler with three parts: the API below /api/v1 (the 65
// operations of internal/contract), the storage that presigned uploads go to
// below /_storage/, and the control interface below /_control/. A call passes
// authentication, the rate window, scripted faults and the concurrency caps, in
// this order; then one handler reads and changes the state under one lock.
//
// Simulated as documented: the four 401s, the sliding window and its headers, the
// caps, the prices, 402, budgets, the error bodies, the list envelopes, the job
// states, the two date forms, the event sequences and the upload flow.
//
// Invented, because nothing is documented: every generated text (a function of
// the input, so that tests can compare), scores and sources; newest-first order;
// that a refused call does not count in the window; that a 401 has no rate-limit
// headers; 429 for a breached cap; that jobs and streams are charged at their
// start and never refunded; 404 for an unknown workspace, thread or folder in a
// body; 400 invalid_field for an unknown brand voice, a bad cursor and a video
// chat before the analysis is complete; 405 for a wrong method; the events of a
// generation stream; how far into a job which state shows. Unknown request
// fields are ignored, since the behaviour of the live API is not known.
package simulator

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// BasePath is the path below which the API lives.
const BasePath = "/api/v1"

// maxBody is the largest request body the API reads, in bytes.
const maxBody = 16 << 20

// Simulator is a simulated Mavera. It starts no goroutines and needs no closing.
// It is safe for concurrent use. Make one with New.
type Simulator struct {
	options Options
	now     func() time.Time
	routes  router
	zip     gzipPool

	mu sync.Mutex
	// Everything below is guarded by mu.

	settings Settings
	state    *state
	windows  map[string]*window // By API key.
	running  map[string]int     // Mave calls in flight, by API key.
	faults   faultList
	journal  journal
	released chan struct{} // Closed, and replaced, when hanging calls are let go.
}

// New returns a simulator with fresh seed data. The zero Options work. The error
// names the option that has no meaning.
func New(o Options) (*Simulator, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Simulator{options: o, now: o.Now, routes: newRouter(operations())}
	s.Reset()
	return s, nil
}

// Reset brings back the seed data and the settings of the Options, forgets
// faults, job scripts, windows and the journal, and ends calls that hang.
func (s *Simulator) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = s.options.Settings.clone()
	s.state = newState(s.options.Seed, s.wall())
	s.windows = map[string]*window{}
	s.faults = faultList{}
	s.journal = journal{}
	if s.running == nil { // Calls in flight still give their places back.
		s.running = map[string]int{}
	}
	s.release()
}

// release lets every hanging call go. The caller holds mu.
func (s *Simulator) release() {
	if s.released != nil {
		close(s.released)
	}
	s.released = make(chan struct{})
}

// wall is the time the simulated server believes in. The caller holds mu.
func (s *Simulator) wall() time.Time { return s.now().Add(s.settings.ClockSkew) }

// ServeHTTP implements http.Handler.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	switch {
	case strings.HasPrefix(path, "/_control/"):
		s.control(w, r)
	case strings.HasPrefix(path, storagePath):
		s.serveStorage(w, r)
	default:
		s.serveAPI(w, r)
	}
}

// serveAPI takes one call through the chain of the package comment.
func (s *Simulator) serveAPI(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return // The client left while it was sending.
	}
	c := &call{s: s, request: r, raw: body, host: s.baseURL(r), start: s.now()}
	rec := &recorder{ResponseWriter: w}
	entry := s.open(c)
	defer func() { s.settle(c, entry, rec.status) }()

	refusal := s.admit(c, rec.Header())
	if refusal == nil && c.op.id == "sendMaveMessage" {
		if refusal = s.enterMave(c.key); refusal == nil {
			defer s.leaveMave(c.key)
		}
	}
	fault := s.takeFault(c.route())
	if fault == nil && refusal != nil {
		s.refuse(rec, refusal)
		return
	}
	var out http.ResponseWriter = rec
	if fault != nil {
		if fault.Effect && refusal == nil {
			_, _, _ = s.handle(c) // only what it does counts
		}
		if done := s.applyFault(rec, r, fault); done {
			return
		}
		out = fault.wrap(rec)
		if refusal != nil {
			s.refuse(out, refusal)
			return
		}
	}
	if !sleep(r.Context(), s.latency(c.op.family)) {
		return
	}
	s.answer(out, c, fault)
}

// admit finds the operation, checks the key and counts the call in its window.
// It sets the headers that every answer carries.
func (s *Simulator) admit(c *call, header http.Header) *apiError {
	s.mu.Lock()
	defer s.mu.Unlock()
	header.Set("Date", s.wall().UTC().Format(http.TimeFormat))
	op, params, refusal := s.routes.find(c.request.Method, c.request.URL.EscapedPath())
	c.op, c.path = op, params
	key, unauthorized := s.authenticate(c.request.Header)
	if unauthorized != nil {
		return unauthorized
	}
	c.key = key
	limited := s.count(key, header)
	switch {
	case limited != nil:
		return limited
	case refusal != nil:
		return refusal
	case len(c.raw) > maxBody:
		return invalid("", "The body is too large.")
	}
	return nil
}

// answer runs the handler and writes what it returns.
func (s *Simulator) answer(w http.ResponseWriter, c *call, fault *Fault) {
	reply, status, refusal := s.handle(c)
	if refusal != nil {
		s.refuse(w, refusal)
		return
	}
	if reply.stream != nil {
		s.stream(w, c.request, reply.stream, fault)
		return
	}
	s.write(w, c.request, status, reply.body, fault == nil)
}

// recorder notes the status of an answer for the journal.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// baseURL is the URL under which the client reaches the simulator.
func (s *Simulator) baseURL(r *http.Request) string {
	if s.options.PublicURL != "" {
		return strings.TrimRight(s.options.PublicURL, "/")
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host
}

// trimmed reports whether body holds anything but white space.
func trimmed(body []byte) []byte { return bytes.TrimSpace(body) }
