package mavera

import (
	"bytes"
	"cmp"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"

	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/sse"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// maxErrorBody is how much of the body of a failure is read, in bytes: documented
// ones have some hundred.
const maxErrorBody = 64 << 10

// maxType is how much of the Content-Type of a malformed answer is logged, in bytes.
const maxType = 64

// Options configure a [Client].
type Options struct {
	// BaseURL is where the API is, "https://app.mavera.io/api/v1".
	BaseURL *url.URL
	// MaxAnswerBytes bounds an answer after decompression. Default 32 MiB.
	MaxAnswerBytes int64
	// StreamIdleTimeout is how long a stream may be silent between two events.
	// Default 120 s.
	StreamIdleTimeout time.Duration
	// MaxEventBytes bounds a line and the data of an event of a stream. Default 4 MiB,
	// what gRPC clients take as one message.
	MaxEventBytes int
	// UserAgent names the gateway to Mavera. Default "mavera-gateway".
	UserAgent string
	// Propagator writes the trace context of an attempt's context into the request.
	// Default: none is sent.
	Propagator propagation.TextMapPropagator
	// Transport makes the exchanges. Default [NewTransport] with its defaults.
	Transport http.RoundTripper
}

// NewTransport returns a transport for one upstream host. idle is how many idle
// HTTP/1.1 connections it keeps, idleTimeout for how long; zero means 64 and 90 s.
// It asks for gzip and unpacks it.
func NewTransport(idle int, idleTimeout time.Duration) *http.Transport {
	if idle == 0 {
		idle = 64
	}
	if idleTimeout == 0 {
		idleTimeout = 90 * time.Second
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           idle,
		MaxIdleConnsPerHost:    idle,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		// A connection that has died unnoticed would take all calls with it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
}

// A Client makes exchanges with the Mavera API. It is safe for concurrent use.
type Client struct {
	base url.URL
	// transport is used as it is: an http.Client would follow redirects, which
	// could carry the key to another host, and none is documented.
	transport http.RoundTripper
	maxAnswer int64
	idle      time.Duration
	maxEvent  int
	userAgent string
	traces    propagation.TextMapPropagator
	screen    screen
	dates     dates
	buffers   sync.Pool // of *buffer, empty
}

// A buffer holds the body of an answer.
type buffer struct {
	bytes.Buffer

	limited io.LimitedReader
}

// NewClient returns a client.
func NewClient(options Options) *Client {
	c := &Client{
		base:      *options.BaseURL,
		transport: options.Transport,
		traces:    options.Propagator,
		maxAnswer: options.MaxAnswerBytes,
		idle:      cmp.Or(options.StreamIdleTimeout, defaultIdle),
		maxEvent:  cmp.Or(options.MaxEventBytes, sse.DefaultLimit),
		userAgent: cmp.Or(options.UserAgent, "mavera-gateway"),
		screen:    newScreen(),
	}
	if c.maxAnswer == 0 {
		c.maxAnswer = 32 << 20
	}
	if c.transport == nil {
		c.transport = NewTransport(0, 0)
	}
	return c
}

// BaseURL is where the API is.
func (c *Client) BaseURL() *url.URL { return &c.base }

// A Call is one request of one RPC, ready to be sent any number of times.
type Call struct {
	Plan    *transcode.Plan
	Request *transcode.Request
	// Key authenticates the call.
	Key secret.Key
	// CallerKey says that the key is the caller's own, not the gateway's.
	CallerKey bool
}

// A Report says what happened in an attempt besides its outcome.
type Report struct {
	// Sends counts how often the request was handed to a connection: above 1 when
	// net/http resent it, 0 when no connection could be had. It is never too low;
	// it is too high when a connection took the request and died before it wrote.
	Sends int
	// Status is the HTTP status, 0 when there was no answer.
	Status int
	// Header is the header of the answer, nil when there was none.
	Header http.Header
	// Date is when the answer was made, by Mavera's clock; zero when it does not say so.
	Date time.Time
}

// Attempt makes one exchange. Its error is always a [*Failure].
func (c *Client) Attempt(ctx context.Context, call Call) (*transcode.Answer, Report, error) {
	response, sends, err := c.send(ctx, call)
	report := Report{Sends: sends}
	if err != nil {
		return nil, report, call.lost(ctx, err, report.Sends > 0)
	}
	defer response.Body.Close()
	report.Status, report.Header, report.Date = response.StatusCode, response.Header, c.dates.of(response.Header)
	answer, failure := c.answer(ctx, call, response)
	if failure != nil {
		failure.HTTPStatus = report.Status
		return nil, report, failure
	}
	return answer, report, nil
}

// answer reads and translates an answer.
func (c *Client) answer(ctx context.Context, call Call, response *http.Response) (*transcode.Answer, *Failure) {
	if response.StatusCode/100 != 2 {
		return nil, c.refusal(call, response)
	}
	body, failure := c.whole(ctx, call, response)
	if failure != nil {
		return nil, failure
	}
	defer c.release(body)
	answer, err := call.Plan.Answer(call.Request, body.Bytes())
	if err != nil {
		return nil, call.malformed(response, body.Len(), err)
	}
	return answer, nil
}

// refusal reads what an answer other than 2xx says.
func (c *Client) refusal(call Call, response *http.Response) *Failure {
	var body []byte
	if response.StatusCode >= http.StatusOK { // after 101 there is no body but a connection
		// The status stands whatever becomes of its body.
		body, _ = io.ReadAll(io.LimitReader(response.Body, maxErrorBody))
	}
	return call.refused(response, c.screen.read(body), time.Now())
}

// whole reads the body of an answer whole; where it succeeds, it is to be released.
func (c *Client) whole(ctx context.Context, call Call, response *http.Response) (*buffer, *Failure) {
	body, err := c.read(response)
	if err == nil {
		return body, nil
	}
	c.release(body)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, call.fail(TooLarge, err)
	case isCorrupt(err):
		return nil, call.fail(Malformed, err)
	default:
		return nil, call.lost(ctx, err, true)
	}
}

// malformed is the failure of a body that makes no sense. The log shows what came, the
// caller does not see it.
func (c Call) malformed(response *http.Response, size int, err error) *Failure {
	return c.fail(Malformed, fmt.Errorf("%d bytes of type %q: %w", size, line(response.Header.Get("Content-Type"), maxType), err))
}

// An outgoing request is what net/http holds on to for as long as it goes out, in one
// piece of memory.
type outgoing struct {
	sends  atomic.Int32
	trace  httptrace.ClientTrace
	target url.URL
	values [3]string // of the header
}

// send sends the request and returns the answer with its body unread, and how often the
// request was handed to a connection.
func (c *Client) send(ctx context.Context, call Call) (*http.Response, int, error) {
	o := new(outgoing)
	// Not WroteHeaders: a connection may go on writing after the attempt was
	// given up, and what was sent would be taken for unsent.
	o.trace.GotConn = func(httptrace.GotConnInfo) { o.sends.Add(1) }
	request, err := c.request(httptrace.WithClientTrace(ctx, &o.trace), call, o)
	if err != nil {
		return nil, 0, err
	}
	response, err := c.transport.RoundTrip(request)
	sends := int(o.sends.Load())
	if err != nil {
		return nil, sends, fmt.Errorf("send request: %w", err)
	}
	return response, sends, nil
}

// request makes the request of a call.
func (c *Client) request(ctx context.Context, call Call, o *outgoing) (*http.Request, error) {
	o.target = c.base
	o.values = [...]string{"Bearer " + call.Key.Reveal(), "application/json", c.userAgent}
	path, query, _ := strings.Cut(call.Request.Target, "?")
	o.target.RawPath = strings.TrimSuffix(c.base.EscapedPath(), "/") + path
	o.target.RawQuery = query
	var err error
	if o.target.Path, err = url.PathUnescape(o.target.RawPath); err != nil {
		return nil, fmt.Errorf("unescape path: %w", err)
	}
	request := (&http.Request{
		Method: call.Request.Method,
		URL:    &o.target,
		Host:   o.target.Host,
		Header: http.Header{
			"Authorization": o.values[0:1:1],
			"Accept":        o.values[1:2:2],
			"User-Agent":    o.values[2:3:3],
		},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if c.traces != nil {
		// Baggage is between our callers and us.
		c.traces.Inject(baggage.ContextWithoutBaggage(ctx), propagation.HeaderCarrier(request.Header))
	}
	if call.Plan.Kind == transcode.Events {
		request.Header["Accept"] = []string{eventStream + ", application/json"} // errors are JSON
		// Compressed, events would come when a block is full.
		request.Header["Accept-Encoding"] = []string{"identity"}
	}
	if body := call.Request.Body; body != nil {
		request.Header["Content-Type"] = []string{"application/json"}
		request.ContentLength = int64(len(body))
		request.Body = io.NopCloser(bytes.NewReader(body))
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	return request, nil
}

var errTooLarge = errors.New("the answer is over the size limit")

// maxKept is the size, in bytes, up to which a buffer is kept for another answer:
// far above a usual one, so that a rare large one does not stay in memory.
const maxKept = 1 << 20

// read reads the body of an answer whole, into a buffer that the caller releases
// once it is translated: what the transcoder makes of a body holds no part of it.
func (c *Client) read(response *http.Response) (*buffer, error) {
	b, ok := c.buffers.Get().(*buffer)
	if !ok {
		b = new(buffer)
	}
	if response.ContentLength > c.maxAnswer {
		return b, errTooLarge
	}
	b.Grow(int(max(response.ContentLength, 0)) + bytes.MinRead)
	b.limited = io.LimitedReader{R: response.Body, N: c.maxAnswer + 1}
	_, err := b.ReadFrom(&b.limited)
	b.limited.R = nil
	switch {
	case int64(b.Len()) > c.maxAnswer:
		return b, errTooLarge
	case err != nil:
		return b, fmt.Errorf("read answer: %w", err)
	}
	return b, nil
}

func (c *Client) release(b *buffer) {
	if b.Cap() <= maxKept {
		b.Reset()
		c.buffers.Put(b)
	}
}

// isCorrupt says that a compressed body makes no sense, though all of it may be
// there.
func isCorrupt(err error) bool {
	return errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, new(flate.CorruptInputError))
}
