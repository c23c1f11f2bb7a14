package main

import (
	"context"
	"errors"
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

// callers ask a system. Caller number i is one that asks one question at a time.
type callers interface {
	ask(ctx context.Context, i int, q question) error
	close() error
}

// grpcCallers share connections.
type grpcCallers struct{ conns []*grpc.ClientConn }

func dialCallers(address string, connections int) (*grpcCallers, error) {
	c := new(grpcCallers)
	for range connections {
		conn, err := rig.Dial(address)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.conns = append(c.conns, conn)
	}
	return c, nil
}

func (c *grpcCallers) close() error {
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// keyHeader is the metadata for a caller's own key.
const keyHeader = "x-mavera-api-key"

func (c *grpcCallers) answer(ctx context.Context, i int, q question) (proto.Message, error) {
	method, request, answer := q.call()
	if q.policy != nil {
		ctx = metadata.AppendToOutgoingContext(ctx, keyHeader, q.policy.key)
	}
	if err := c.conns[i%len(c.conns)].Invoke(ctx, method, request, answer, grpc.StaticMethod()); err != nil {
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

// rowsOf counts the rows of a list.
func rowsOf(list proto.Message) int {
	m := list.ProtoReflect()
	return m.Get(m.Descriptor().Fields().ByName("data")).List().Len()
}

// httpCallers speak plain HTTP/1.1 over as many connections as there are calls at a
// time, and discard the answers.
type httpCallers struct {
	transport *http.Transport
	request   func(ctx context.Context, q question) (*http.Request, error)
}

// maxConnections is more than any load asks for but that of the largest growth.
const maxConnections = 2048

func newHTTPCallers(request func(ctx context.Context, q question) (*http.Request, error)) *httpCallers {
	return &httpCallers{
		transport: &http.Transport{MaxIdleConns: maxConnections, MaxIdleConnsPerHost: maxConnections, MaxConnsPerHost: maxConnections},
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

// get asks for the list as Mavera has it.
func get(address, key string) func(context.Context, question) (*http.Request, error) {
	return func(ctx context.Context, q question) (*http.Request, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet,
			"http://"+address+basePath+personasPath+"?search="+url.QueryEscape(q.String()), http.NoBody)
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
