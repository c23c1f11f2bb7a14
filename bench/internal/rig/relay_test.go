package rig

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// startRelay starts a relay in front of an upstream, and dials it.
func startRelay(t *testing.T, message func([]byte) (proto.Message, error)) (ReplyClient, *grpc.ClientConn) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /base"+ReplyPath, Reply)
	upstream := httptest.NewServer(mux)
	t.Cleanup(upstream.Close)
	client := ReplyClient{HTTP: upstream.Client(), Base: upstream.URL + "/base", Key: "k"}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	(&Relay{Upstream: client, Message: message}).Register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := Dial(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return client, conn
}

// Every input does at the upstream what it says, and the relay sends a message an event.
func TestReplies(t *testing.T) {
	client, conn := startRelay(t, Unparsed)
	for _, tc := range []struct {
		input string
		want  string
		count int
	}{
		{Burst(2), createdEvent + DeltaEvent + DeltaEvent + completedEvent + DoneEvent, 5},
		{Pause, createdEvent + DeltaEvent + completedEvent + DoneEvent, 4},
	} {
		body, err := client.Open(t.Context(), tc.input)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if string(got) != tc.want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", tc.input, got, err, tc.want)
		}
		body.Close()
		stream, err := OpenStream(t.Context(), conn, tc.input)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Count(stream); got != tc.count || err != nil {
			t.Errorf("%s: %d messages, %v, want %d", tc.input, got, err, tc.count)
		}
	}

	stream, err := OpenStream(t.Context(), conn, Hold)
	if err != nil {
		t.Fatal(err)
	}
	if more, err := Next(stream); !more || err != nil {
		t.Errorf("a stream that is held has no first message: %v", err)
	}
}

func TestUnparsed(t *testing.T) {
	got, err := Unparsed([]byte(DeltaEvent))
	if err != nil {
		t.Fatal(err)
	}
	if want := wrapperspb.Bytes([]byte(DeltaEvent)); !proto.Equal(got, want) {
		t.Errorf("message is %v, want %v", got, want)
	}
}

func TestReplyFails(t *testing.T) {
	client, conn := startRelay(t, func([]byte) (proto.Message, error) { return nil, errors.New("unreadable") })
	stream, err := OpenStream(t.Context(), conn, Pause)
	if err != nil {
		t.Fatal(err)
	}
	const want = "read stream: rpc error: code = Internal desc = unreadable"
	if n, err := Count(stream); n != 0 || err == nil || err.Error() != want {
		t.Errorf("%d messages, %v, want %s", n, err, want)
	}
	client.Base += "/elsewhere"
	if _, err := client.Open(t.Context(), Pause); err == nil || err.Error() != "404 Not Found" {
		t.Errorf("an upstream that refuses: %v, want 404 Not Found", err)
	}
}
