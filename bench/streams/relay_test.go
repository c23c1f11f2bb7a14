package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

func TestMessages(t *testing.T) {
	unknown := func(name, data string) proto.Message {
		return &maverav1.ResponseStreamEvent{Event: &maverav1.ResponseStreamEvent_Unknown{Unknown: &maverav1.UnknownEvent{Name: name, Data: data}}}
	}
	for _, tt := range []struct {
		name, lines string
		want        proto.Message
	}{
		{"created", "event: response.created\ndata: {}\n\n", unknown("response.created", "data: {}\n\n")},
		{"delta", rig.DeltaEvent, &maverav1.ResponseStreamEvent{Event: &maverav1.ResponseStreamEvent_OutputTextDelta{OutputTextDelta: &maverav1.ResponseOutputTextDeltaEvent{
			SequenceNumber: new(int32(3)), ItemId: new("msg_abc123def456"), OutputIndex: new(int32(0)), ContentIndex: new(int32(0)), Delta: new(" a lid that"),
		}}}},
		{"done", rig.DoneEvent, unknown("data: [DONE]", "\n")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parsed([]byte(tt.lines))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := parsed([]byte("event: response.output_text.delta\ndata: {\n\n")); err == nil {
		t.Error("what is no JSON is read without an error")
	}
}

// Callers read bursts, held streams and first events through both relays.
func TestRelays(t *testing.T) {
	upstream := httptest.NewServer(upstream())
	defer upstream.Close()
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	for _, tt := range []struct {
		name    string
		message func([]byte) (proto.Message, error)
	}{
		{relayCommand, rig.Unparsed},
		{protojsonCommand, parsed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &rig.Relay{Upstream: rig.ReplyClient{HTTP: &http.Client{Transport: transport}, Base: upstream.URL + basePath, Key: "k"}, Message: tt.message}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := grpc.NewServer()
			r.Register(server)
			go func() { _ = server.Serve(listener) }()
			defer server.Stop()
			c, err := newCallers(listener.Addr().String(), 2)
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()

			if _, err := c.burst(t.Context(), 3, 5); err != nil {
				t.Error(err)
			}
			if err := c.hold(t.Context(), 3); err != nil {
				t.Error(err)
			}
			if took, err := (&system{callers: c}).first(t.Context()); took <= 0 || took > time.Minute || err != nil {
				t.Errorf("first event took %v, %v", took, err)
			}
			if took, err := firstDirect(t.Context(), r.Upstream); took <= 0 || took > time.Minute || err != nil {
				t.Errorf("first event, read directly, took %v, %v", took, err)
			}
		})
	}
}

func TestEachStopsAtAFailure(t *testing.T) {
	lost := http.ErrServerClosed
	calls := 0
	err := each(100, 1, func(i int) error {
		calls++
		if i == 2 {
			return lost
		}
		return nil
	})
	if err != lost || calls != 3 { //nolint:errorlint // it is passed on as it is
		t.Errorf("%d calls, error %v, want 3 and %v", calls, err, lost)
	}
	if err := each(10, 20, func(int) error { return nil }); err != nil {
		t.Error(err)
	}
}
