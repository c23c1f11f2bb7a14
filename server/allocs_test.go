//go:build !race

package server

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// canned is a transport that has one answer for every request.
type canned struct{ body []byte }

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, ContentLength: int64(len(c.body)), Body: io.NopCloser(bytes.NewReader(c.body)), Request: r,
		Header: http.Header{
			"Content-Type":          {"application/json"},
			"Date":                  {time.Now().UTC().Format(http.TimeFormat)},
			"X-Ratelimit-Limit":     {"1000000"},
			"X-Ratelimit-Remaining": {"999999"},
			"X-Ratelimit-Reset":     {strconv.FormatInt(time.Now().Unix()+60, 10)},
		},
	}, nil
}

// noTransport takes the trailers of a call that came over no connection.
type noTransport struct{}

func (noTransport) Method() string               { return "" }
func (noTransport) SetHeader(metadata.MD) error  { return nil }
func (noTransport) SendHeader(metadata.MD) error { return nil }
func (noTransport) SetTrailer(metadata.MD) error { return nil }

// unaryCall is a call of a unary RPC without the two connections: from the decoding of
// the request to the bytes of the answer, through all interceptors.
func unaryCall(t testing.TB) func() error {
	t.Helper()
	key, err := secret.ParseKey(testKey)
	if err != nil {
		t.Fatal(err)
	}
	h := newHarness(t, answers(http.StatusOK, `{}`), func(o *Options) {
		o.Client = mavera.NewClient(mavera.Options{
			BaseURL:   o.Client.BaseURL(),
			Transport: canned{[]byte(`{"id":"p1","object":"persona","name":"CMO","created_at":1706140800,"details":{"goals":["a","b"]}}`)},
		})
		o.Key = func() secret.Key { return key }
		o.Logger = slog.New(slog.NewJSONHandler(secret.NewWriter(io.Discard), nil))
		o.Ended = func(Ended) {}
	})
	plan := h.server.plans["/mavera.v1.PersonasService/GetPersona"]
	handle := h.server.handler.method(plan)
	wire, err := proto.Marshal(&maverav1.GetPersonaRequest{Id: "clx1abc2d0001abcdef1234"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := peer.NewContext(t.Context(), &peer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 50000}})
	ctx = metadata.NewIncomingContext(ctx, metadata.Pairs(":authority", "gateway", "content-type", "application/grpc", "user-agent", "grpc-go"))
	ctx = grpc.NewContextWithServerTransportStream(ctx, noTransport{})
	decode := func(into any) error { return proto.Unmarshal(wire, into.(proto.Message)) }
	return func() error {
		out, err := handle(nil, ctx, decode, nil)
		if err == nil {
			_, err = codec{}.Marshal(out.(*transcode.Answer))
		}
		return err
	}
}

// BenchmarkUnary is what the chain costs in a process, without the connections.
func BenchmarkUnary(b *testing.B) {
	call := unaryCall(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAllocations holds the chain of a unary call to its number of allocations: more
// are a decision, fewer are to be written down here.
func TestAllocations(t *testing.T) {
	call := unaryCall(t)
	const want = 45
	got := testing.AllocsPerRun(1000, func() {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	})
	if got != want {
		t.Errorf("a unary call makes %v allocations, want %d", got, want)
	}
}
