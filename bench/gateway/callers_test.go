package main

import (
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
)

// dialFloor starts the floor in front of an upstream.
func dialFloor(t *testing.T) *grpcCallers {
	t.Helper()
	server := httptest.NewServer(upstream())
	t.Cleanup(server.Close)
	f, err := newFloor(floorCommand, server.URL+basePath, "mvra_live_test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.http.CloseIdleConnections)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	floor := grpc.NewServer()
	f.register(floor)
	go func() { _ = floor.Serve(listener) }()
	t.Cleanup(floor.Stop)
	c, err := dialCallers(listener.Addr().String(), 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.close() })
	return c
}

// Callers of both kinds read streams to their ends.
func TestStreams(t *testing.T) {
	server := httptest.NewServer(upstream())
	defer server.Close()
	base := server.URL + basePath
	overHTTP := newHTTPCallers(base, get(base, benchmarkKey))
	defer overHTTP.close()
	for name, c := range map[string]callers{"gRPC": dialFloor(t), "HTTP": overHTTP} {
		got, err := load{callers: 3, events: 4}.run(t.Context(), c)
		if err != nil || got.calls != 12 || got.took <= 0 {
			t.Errorf("%s: %d events in %v, %v, want 12", name, got.calls, got.took, err)
		}
	}
}

func TestCountEvents(t *testing.T) {
	for _, tc := range []struct {
		stream string
		want   int
	}{
		{"", 0},
		{"event: a\ndata: 1\n\ndata: [DONE]\n\n", 2},
		{"data: 1\n\ndata: cut off", 1},
	} {
		if got, err := countEvents(strings.NewReader(tc.stream)); got != tc.want || err != nil {
			t.Errorf("%q: %d events, %v, want %d", tc.stream, got, err, tc.want)
		}
	}
	lost := io.MultiReader(strings.NewReader("data: 1\n\n"), brokenReader{})
	if got, err := countEvents(lost); got != 1 || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a connection that breaks: %d events, %v, want 1 and %v", got, err, io.ErrClosedPipe)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A stream that ends too early is not taken for a fast one.
func TestEnough(t *testing.T) {
	if err := enough(203, 200, nil); err != nil {
		t.Errorf("more than enough: %v", err)
	}
	if err := enough(199, 200, nil); err == nil || err.Error() != "a stream of 200 events ended after 199" {
		t.Errorf("one too few: %v", err)
	}
	if err := enough(0, 200, io.ErrClosedPipe); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a failure: %v, want it as it is", err)
	}
}
