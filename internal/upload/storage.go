package upload

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

const (
	dialTimeout = 10 * time.Second
	keepAlive   = 30 * time.Second
	// continueWait is how long the storage has to refuse a request before the file is
	// sent: curl's and net/http's second. A storage that does not know the question
	// costs an upload that long.
	continueWait = time.Second
	// maxRefusal is how much of the body of an answer is read, in bytes: S3's have some
	// hundred.
	maxRefusal = 16 << 10
	// writeBuffer is how much is written to a connection at a time, in bytes.
	writeBuffer = 64 << 10
)

// A Ticket is Mavera's leave to put one file: where to, and with which headers.
type Ticket struct {
	// Address is the presigned URL.
	Address string
	// Header has the headers to send, by name.
	Header map[string]string
}

// A TicketError says that a ticket is not accepted. It is safe to log.
type TicketError struct{ err error }

func (e *TicketError) Error() string { return e.err.Error() }
func (e *TicketError) Unwrap() error { return e.err }

// A PutError says that the storage failed, or refused the file. It is safe to log.
type PutError struct {
	// Status is the HTTP status of the answer, 0 when there was none.
	Status int
	// Code is the storage's word for what is wrong, "AccessDenied"; empty when it has
	// none.
	Code string
	// Header is the header of the answer, nil when there was none.
	Header http.Header
	// Sent says that bytes of the file were sent.
	Sent bool

	err error
}

func (e *PutError) Error() string {
	switch {
	case e.Status == 0:
		return fmt.Sprintf("put the file: %v", e.err)
	case e.err != nil:
		return fmt.Sprintf("put the file: the storage answered %d: %v", e.Status, e.err)
	case e.Code == "":
		return fmt.Sprintf("put the file: the storage answered %d", e.Status)
	default:
		return fmt.Sprintf("put the file: the storage answered %d %s", e.Status, e.Code)
	}
}

func (e *PutError) Unwrap() error { return e.err }

// Stale reports whether the storage may have refused the ticket because its time is
// over: S3 answers 403 then, Google's storage 400 ExpiredToken.
func (e *PutError) Stale() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden ||
		e.Status == http.StatusBadRequest && e.Code == "ExpiredToken"
}

// Temporary reports whether another attempt with a new ticket may succeed.
func (e *PutError) Temporary() bool {
	return e.Status == 0 || e.Stale() || e.Status == http.StatusRequestTimeout ||
		e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError
}

// A Storage puts files. It is safe for concurrent use.
type Storage struct {
	rules Rules
	// transport is used as it is: an http.Client would follow redirects.
	transport http.RoundTripper
}

// NewStorage returns a storage. transport makes the requests; nil is [NewTransport],
// which enforces the rules where names become addresses.
func NewStorage(rules Rules, transport http.RoundTripper) *Storage {
	if transport == nil {
		transport = NewTransport(rules)
	}
	return &Storage{rules: rules, transport: transport}
}

// NewTransport returns a transport that connects within the rules.
func NewTransport(rules Rules) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            rules.dialer().DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // or a header would be sent that Mavera did not name
		ExpectContinueTimeout:  continueWait,
		IdleConnTimeout:        keepAlive,
		MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize:        writeBuffer,
	}
}

// Put sends the body with a ticket, once. Its error is a [*TicketError], the error by
// which the body ended, or a [*PutError]; it is the last of them too when ctx ends, which
// breaks the request off.
func (s *Storage) Put(ctx context.Context, ticket Ticket, body *Body) error {
	target, err := s.rules.accept(ticket.Address)
	if err != nil {
		return &TicketError{err}
	}
	ctx, cancel := context.WithCancel(route(ctx, target))
	defer cancel() // breaks off what is still being sent when the storage has answered
	sending := &sending{body: body}
	request := (&http.Request{
		Method: http.MethodPut, URL: target, Host: target.Host, Header: http.Header{},
		Body: sending, ContentLength: body.file.Size,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	request.Header.Set("User-Agent", "") // net/http would add its own
	for name, value := range ticket.Header {
		request.Header.Set(name, value)
		if strings.EqualFold(name, "Host") {
			request.Host = value
		}
	}
	request.Header.Set("Expect", "100-continue")

	body.watch.Storage()
	defer body.watch.Pause()
	response, err := s.transport.RoundTrip(request)
	if err != nil {
		sent := sending.stop()
		if failed := body.Err(); failed != nil {
			return failed
		}
		return &PutError{Sent: sent, err: err}
	}
	defer response.Body.Close()
	if response.StatusCode/100 == 2 && body.Handed() {
		_, _ = io.CopyN(io.Discard, response.Body, maxRefusal) // the connection can be used again
		return nil
	}
	refusal := &PutError{Status: response.StatusCode, Header: response.Header, Code: codeOf(response)}
	refusal.Sent = sending.stop()
	if failed := body.Err(); failed != nil {
		return failed
	}
	if response.StatusCode/100 == 2 {
		refusal.err = errors.New("it did so before it had the whole file")
	}
	return refusal
}

// codeOf reads the code of a refusal in the form of S3, <Error><Code>.
func codeOf(response *http.Response) string {
	if response.StatusCode < http.StatusOK { // after 101 there is no body but a connection
		return ""
	}
	var refusal struct{ Code string }
	if xml.NewDecoder(io.LimitReader(response.Body, maxRefusal)).Decode(&refusal) != nil || !isWord(refusal.Code) {
		return ""
	}
	return refusal.Code
}

// isWord reports whether a code is spelled like one: letters and digits, at most 64.
func isWord(code string) bool {
	const longest = 64
	return len(code) <= longest && !strings.ContainsFunc(code, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
}

// The states of a sending.
const (
	unread int32 = iota
	reading
	stopped
)

var errStopped = errors.New("the request is over")

// sending is a body in one request. It knows whether the request has begun to send it,
// and keeps a request that is over from reading what belongs to the next one.
type sending struct {
	body  *Body
	state atomic.Int32
}

func (s *sending) Read(p []byte) (int, error) {
	if !s.state.CompareAndSwap(unread, reading) && s.state.Load() == stopped {
		return 0, errStopped
	}
	return s.body.Read(p)
}

func (s *sending) Close() error { return nil }

// stop reports whether anything was read, and lets nothing be read if not.
func (s *sending) stop() (sent bool) { return !s.state.CompareAndSwap(unread, stopped) }
