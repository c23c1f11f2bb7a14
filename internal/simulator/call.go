package simulator

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// object is a JSON object as the handlers build it.
type object = map[string]any

// call is one request to the API on its way through a handler. The handler runs
// while the lock of the simulator is held.
type call struct {
	s       *Simulator
	request *http.Request
	op      *operation // nil when no operation matches.
	key     string     // The API key, "" when there is no valid one.
	path    map[string]string
	raw     []byte
	body    object
	host    string // Base URL of the simulator as the client sees it.

	start  time.Time // When the call came.
	now    time.Time // When the handler runs, by the true clock.
	wall   time.Time // The same by the clock of the server.
	tokens [2]int    // Input and output tokens, for the usage report.
}

// reply is what a handler returns: a JSON body or a stream.
type reply struct {
	body   []byte
	stream []event
}

// route names the operation as faults do, for instance "GET /personas/{id}".
func (c *call) route() string {
	if c.op == nil {
		return c.request.Method + " " + strings.TrimPrefix(c.request.URL.EscapedPath(), BasePath)
	}
	return c.op.String()
}

// handle runs the handler of the call under the lock.
func (s *Simulator) handle(c *call) (reply, int, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.now, c.wall = s.now(), s.wall()
	if refusal := c.decode(); refusal != nil {
		return reply{}, 0, refusal
	}
	result, err := c.op.handle(c)
	if err != nil {
		if refusal := (*apiError)(nil); errors.As(err, &refusal) {
			return reply{}, 0, refusal
		}
		return reply{}, 0, &apiError{status: 500, kind: "server_error", code: "internal_error", message: err.Error()}
	}
	if events, ok := result.([]event); ok {
		return reply{stream: events}, http.StatusOK, nil
	}
	text, err := encode(result)
	if err != nil {
		return reply{}, 0, &apiError{status: 500, kind: "server_error", code: "internal_error", message: err.Error()}
	}
	return reply{body: text}, c.op.status, nil
}

// decode reads the body as a JSON object, numbers kept as they were written. An
// empty body is an empty object: the operations that need one miss their fields.
func (c *call) decode() *apiError {
	c.body = object{}
	if len(trimmed(c.raw)) == 0 || c.request.Method == http.MethodGet || c.request.Method == http.MethodDelete {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(c.raw))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return invalid("", "The body is not valid JSON.")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalid("", "The body has text after its JSON value.")
	}
	body, ok := value.(object)
	if !ok {
		return invalid("", "The body must be a JSON object.")
	}
	c.body = body
	return nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// latency is how long calls of a family take.
func (s *Simulator) latency(family string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings.Latency[family]
}

// sleep waits unless the client leaves first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// refuse writes an error answer.
func (s *Simulator) refuse(w http.ResponseWriter, e *apiError) {
	text, err := encode(e.body())
	if err != nil {
		text = nil // Strings and nil always encode.
	}
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(seconds(e.retryAfter), 10))
	}
	s.write(w, nil, e.status, text, false)
}

// minGzip is the size from which an answer is compressed, in bytes.
const minGzip = 1 << 10

// write sends a JSON body, compressed when it is allowed, large enough and accepted.
func (s *Simulator) write(w http.ResponseWriter, r *http.Request, status int, body []byte, zip bool) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	if zip && len(body) > minGzip && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body = s.zip.compress(body)
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // A client that left is no concern of the server.
}

// gzipPool keeps compressors, which are large, for the next answer.
type gzipPool struct{ pool sync.Pool }

func (p *gzipPool) compress(body []byte) []byte {
	zw, ok := p.pool.Get().(*gzip.Writer)
	if !ok {
		zw = gzip.NewWriter(io.Discard)
	}
	defer p.pool.Put(zw)
	var b bytes.Buffer
	zw.Reset(&b)
	_, _ = zw.Write(body) // A bytes.Buffer takes everything.
	_ = zw.Close()
	return b.Bytes()
}
