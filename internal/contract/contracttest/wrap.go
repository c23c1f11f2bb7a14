package contracttest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// BasePath is the path below which the contract's operations live.
const BasePath = "/api/v1"

// FaultHeader marks an answer that was broken on purpose; Wrap does not check it.
const FaultHeader = "X-Simulator-Fault"

// shared memoises the parsed contract, which never changes, because parsing it
// takes longer than most tests that need it.
var shared = sync.OnceValues(Load) //nolint:gochecknoglobals // An immutable memo.

// Option changes what Wrap reports.
type Option interface{ apply(*middleware) }

type optionFunc func(*middleware)

func (f optionFunc) apply(m *middleware) { f(m) }

// AllowRefused makes Wrap silent about a request that breaks the contract when
// the server refused it with 400 or 422; for tests that send bad values on purpose.
func AllowRefused() Option {
	return optionFunc(func(m *middleware) { m.allowRefused = true })
}

// Wrap returns a handler that calls next and holds every request below BasePath,
// and its answer, against the contract. A mismatch fails t with the operation,
// what is wrong, and where. Not checked are paths outside BasePath, answers that
// carry FaultHeader, and answers that the handler aborted. Bodies are buffered in
// memory for the check; streams still pass event by event.
func Wrap(t testing.TB, next http.Handler, options ...Option) http.Handler {
	t.Helper()
	v, err := shared()
	if err != nil {
		t.Fatalf("contracttest: %v", err)
	}
	m := &middleware{t: t, next: next, validator: v}
	for _, o := range options {
		o.apply(m)
	}
	return m
}

type middleware struct {
	t            testing.TB
	next         http.Handler
	validator    *Validator
	allowRefused bool
}

// ServeHTTP implements http.Handler.
func (m *middleware) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), BasePath)
	if !ok || !strings.HasPrefix(path, "/") {
		m.next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil { // The client left while it was sending.
		m.next.ServeHTTP(w, r)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	below, err := relative(r, path)
	if err != nil {
		m.t.Errorf("contract: %s %s: %v", r.Method, r.URL.EscapedPath(), err)
		return
	}
	wrong := m.validator.Request(below, body)
	rec := &recorder{ResponseWriter: w, status: http.StatusOK}
	defer func() { // Also when the handler aborts the answer.
		refused := rec.status == http.StatusBadRequest || rec.status == http.StatusUnprocessableEntity
		if wrong != nil && (!m.allowRefused || !refused) {
			m.t.Errorf("contract: request %s %s: %v", r.Method, r.URL.RequestURI(), wrong)
		}
	}()
	m.next.ServeHTTP(rec, r)

	if rec.Header().Get(FaultHeader) != "" || r.Context().Err() != nil {
		return
	}
	text, err := rec.text()
	if err == nil {
		err = m.validator.Answer(below, rec.status, rec.Header(), text)
	}
	if err != nil {
		m.t.Errorf("contract: answer to %s %s: %v", r.Method, r.URL.RequestURI(), err)
	}
}

// relative returns a copy of r whose path is the one below BasePath.
func relative(r *http.Request, escaped string) (*http.Request, error) {
	u, err := url.Parse(escaped)
	if err != nil {
		return nil, fmt.Errorf("parse the path: %w", err)
	}
	u.RawQuery = r.URL.RawQuery
	below := r.Clone(r.Context())
	below.URL, below.Body = u, http.NoBody // The handler is to read the body.
	return below, nil
}

// recorder passes an answer on and keeps a copy.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if !r.wrote && status >= http.StatusOK {
		r.status, r.wrote = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	r.wrote = true
	if r.Header().Get(FaultHeader) == "" { // A scripted body may be huge.
		r.body.Write(p)
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// text returns the body without its content coding.
func (r *recorder) text() ([]byte, error) {
	if r.Header().Get("Content-Encoding") != "gzip" {
		return r.body.Bytes(), nil
	}
	zr, err := gzip.NewReader(&r.body)
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return io.ReadAll(zr)
}
