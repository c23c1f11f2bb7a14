package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

// callers ask a system. Caller number i is one that asks one question at a time, or reads
// one stream with a number of events.
type callers interface {
	ask(ctx context.Context, i int, q question) error
	stream(ctx context.Context, i, events int) error
	close() error
}

// grpcCallers share connections.
type grpcCallers struct{ conns rig.Conns }

func dialCallers(address string, connections int) (*grpcCallers, error) {
	conns, err := rig.DialAll(address, connections)
	return &grpcCallers{conns}, err //nolint:wrapcheck // it says what failed
}

func (c *grpcCallers) close() error {
	return c.conns.Close() //nolint:wrapcheck // the same
}

// keyHeader is the metadata for a caller's own key.
const keyHeader = "x-mavera-api-key"

func (c *grpcCallers) answer(ctx context.Context, i int, q question) (proto.Message, error) {
	method, request, answer := q.call()
	if q.policy != nil {
		ctx = metadata.AppendToOutgoingContext(ctx, keyHeader, q.policy.key)
	}
	if err := c.conns.Of(i).Invoke(ctx, method, request, answer, grpc.StaticMethod()); err != nil {
		return nil, fmt.Errorf("%s, %s: %w", method, q, err)
	}
	return answer, nil
}

func (c *grpcCallers) ask(ctx context.Context, i int, q question) error {
	answer, err := c.answer(ctx, i, q)
	if err != nil {
		return err
	}
	if got := rowsOf(answer); got != q.size.rows {
		return fmt.Errorf("%s, %s: %d rows, want %d", answer.ProtoReflect().Descriptor().Name(), q, got, q.size.rows)
	}
	return nil
}

func (c *grpcCallers) stream(ctx context.Context, i, events int) error {
	stream, err := rig.OpenStream(ctx, c.conns.Of(i), rig.Burst(events))
	if err != nil {
		return err //nolint:wrapcheck // it says what failed
	}
	got, err := rig.Count(stream)
	return enough(got, events, err)
}

// enough checks how many events there were. Those that begin and end a stream are more.
func enough(got, want int, err error) error {
	if err == nil && got < want {
		return fmt.Errorf("a stream of %d events ended after %d", want, got)
	}
	return err
}

// rowsOf counts the rows of a list.
func rowsOf(list proto.Message) int {
	m := list.ProtoReflect()
	return m.Get(m.Descriptor().Fields().ByName("data")).List().Len()
}

// httpCallers speak plain HTTP/1.1 over as many connections as there are calls at a
// time, and discard the answers.
type httpCallers struct {
	transport *http.Transport
	base      string // the URL of the API, for streams; empty where none are asked for
	request   func(ctx context.Context, q question) (*http.Request, error)
}

// maxConnections is more than any load asks for but that of the largest growth.
const maxConnections = 2048

func newHTTPCallers(base string, request func(ctx context.Context, q question) (*http.Request, error)) *httpCallers {
	return &httpCallers{
		transport: &http.Transport{MaxIdleConns: maxConnections, MaxIdleConnsPerHost: maxConnections, MaxConnsPerHost: maxConnections},
		base:      base,
		request:   request,
	}
}

func (c *httpCallers) close() error {
	c.transport.CloseIdleConnections()
	return nil
}

func (c *httpCallers) ask(ctx context.Context, _ int, q question) error {
	request, err := c.request(ctx, q)
	if err != nil {
		return err
	}
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", q, err)
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		return fmt.Errorf("ask %s: %w", q, err)
	}
	if response.StatusCode != http.StatusOK || n != int64(q.size.bytes) {
		return fmt.Errorf("ask %s: %s, %d bytes, want %d", q, response.Status, n, q.size.bytes)
	}
	return nil
}

func (c *httpCallers) stream(ctx context.Context, _, events int) error {
	body, err := rig.ReplyClient{HTTP: &http.Client{Transport: c.transport}, Base: c.base, Key: benchmarkKey}.Open(ctx, rig.Burst(events))
	if err != nil {
		return err //nolint:wrapcheck // it says what failed
	}
	defer body.Close()
	got, err := countEvents(body)
	return enough(got, events, err)
}

// countEvents reads a stream to its end. A blank line ends each event.
func countEvents(body io.Reader) (int, error) {
	n := 0
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			n++
		}
	}
	if err := lines.Err(); err != nil {
		return n, fmt.Errorf("read stream: %w", err)
	}
	return n, nil
}

// get asks for the list as Mavera has it.
func get(base, key string) func(context.Context, question) (*http.Request, error) {
	return func(ctx context.Context, q question) (*http.Request, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet,
			base+personasPath+"?search="+url.QueryEscape(q.String()), http.NoBody)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+key)
		return request, nil
	}
}

// chat asks Portkey for a completion by an upstream that answers with the list: what it
// forwards without a look, its proxy routes, it cannot do on every Node.
func chat(address, base, key string) func(context.Context, question) (*http.Request, error) {
	return func(ctx context.Context, q question) (*http.Request, error) {
		body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"Who buys?"}]}`, q)
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/v1"+chatPath, strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+key)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("X-Portkey-Provider", "openai")
		request.Header.Set("X-Portkey-Custom-Host", base)
		return request, nil
	}
}
