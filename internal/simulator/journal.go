package simulator

import (
	"net/http"
	"strings"
	"time"
)

// The journal keeps the last journalSize requests, and of each body the first
// journalBody bytes.
const (
	journalSize = 1000
	journalBody = 64 << 10
)

// Request is one request as the journal keeps it.
type Request struct {
	// Time is when the request came.
	Time time.Time `json:"time"`
	// OperationID is that of the contract, "" when none matched.
	OperationID string `json:"operation_id"`
	Method      string `json:"method"`
	// Path is the escaped path.
	Path string `json:"path"`
	// Query is the raw query.
	Query string `json:"query"`
	// Header holds the headers; of the API key only the start.
	Header http.Header `json:"header"`
	// Body is the body, cut at 64 KiB; that of an upload is left out.
	Body string `json:"body"`
	// Status is that of the answer, 0 when there was none (yet).
	Status int `json:"status"`
}

// journal is a bounded list of requests.
type journal struct{ entries []*Request }

func (j *journal) add(e *Request) {
	if len(j.entries) >= journalSize {
		j.entries = append(j.entries[:0], j.entries[1:]...)
	}
	j.entries = append(j.entries, e)
}

// Requests returns the last 1000 requests to the API and the storage, oldest first.
func (s *Simulator) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, 0, len(s.journal.entries))
	for _, e := range s.journal.entries {
		out = append(out, *e)
	}
	return out
}

// ForgetRequests empties the journal.
func (s *Simulator) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal = journal{}
}

// open notes a request when it comes.
func (s *Simulator) open(c *call) *Request {
	header := c.request.Header.Clone()
	if value := header.Get("Authorization"); value != "" {
		scheme, key, _ := strings.Cut(value, " ")
		header.Set("Authorization", scheme+" "+redact(key))
	}
	e := &Request{
		Time: c.start, Method: c.request.Method, Path: c.request.URL.EscapedPath(), Query: c.request.URL.RawQuery,
		Header: header, Body: string(c.raw[:min(len(c.raw), journalBody)]),
	}
	if op, _, _ := s.routes.find(e.Method, e.Path); op != nil {
		e.OperationID = op.id
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.add(e)
	return e
}

// settle notes how a request ended, for the journal and the usage report.
func (s *Simulator) settle(c *call, e *Request, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Status = status
	l := &s.state.ledger
	l.requests++
	if status >= http.StatusBadRequest || status == 0 {
		l.failures++
	}
	l.tokens[0] += c.tokens[0]
	l.tokens[1] += c.tokens[1]
	l.latencyMS += float64(s.now().Sub(c.start)) / float64(time.Millisecond)
}
