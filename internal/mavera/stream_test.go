package mavera

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/contract"
)

// streamResponse is a call that is answered in events.
func streamResponse(t testing.TB) Call {
	t.Helper()
	return newCall(t, "StreamResponse", &maverav1.StreamResponseRequest{
		Model: "mavera-1", Input: &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: "Why?"}},
	})
}

// delta and completed are events of a whole stream.
const (
	delta     = "event: response.output_text.delta\ndata: {\"delta\":\"a\"}\n\n"
	completed = "event: response.completed\ndata: {\"response\":{\"usage\":{\"credits_used\":3}}}\n\n"
)

// sendsEvents is an upstream that streams text and then does what end says.
func sendsEvents(text string, end func(*http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, text)
		w.(http.Flusher).Flush()
		end(r)
	}
}

func ended(*http.Request)   {}
func broken(*http.Request)  { panic(http.ErrAbortHandler) }
func still(r *http.Request) { <-r.Context().Done() }

// drained reads a stream to its end.
func drained(s *Stream) (events int, err error) {
	for {
		if _, err = s.Next(); err != nil {
			return events, err
		}
		events++
	}
}

// TestStreamStatus has the rows of the table that only streams lead to, and what
// streams make of the others.
func TestStreamStatus(t *testing.T) {
	failed, err := contract.Examples.ReadFile("examples/responses.stream-failed.sse")
	if err != nil {
		t.Fatal(err)
	}
	met := make(map[string]bool)
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		events  int
	}{
		{"stream_cut", sendsEvents(delta, broken), 1},
		{"stream_cut_clean", sendsEvents(delta+delta, ended), 2},
		{"stream_stalled", sendsEvents(delta, still), 1},
		{"stream_failed", sendsEvents(string(failed), still), 5},
		{"stream_failed_error", sendsEvents(delta+"event: error\ndata: {\"type\":\"error\",\"code\":null,\"message\":\"at 10.0.0.1\"}\n\n", still), 2},
		{"stream_lost", sendsEvents(": hello\n\n", broken), 0},
		{"stream_without_events", sendsEvents("", ended), 0},
		{"stream_too_large", sendsEvents(delta+"data: "+strings.Repeat("x", 2<<10), ended), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := newClient(t, serve(t, test.handler), 0)
			client.idle, client.maxEvent = 20*time.Millisecond, 1<<10
			call := streamResponse(t)
			stream, report, err := client.Open(t.Context(), call)
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			events, err := drained(stream)
			if events != test.events {
				t.Errorf("%d events, want %d", events, test.events)
			}
			if _, again := stream.Next(); again != err { //nolint:errorlint // it is to be the very same
				t.Errorf("then %v", again)
			}
			golden(t, "status/"+test.name, string(indent(t, outcomeOf(t, call, report, err))))
			met[rowOf(err)] = true
		})
	}
	for _, cause := range streamCauses() {
		if !met[byCause(cause).key()] {
			t.Errorf("no case meets the row of %s", cause)
		}
	}
}

// streamCauses are those that only streams have.
func streamCauses() []Cause { return []Cause{StreamCut, StreamStalled, StreamFailed} }

// TestOpenFails: what fails before the first event fails as a unary call.
func TestOpenFails(t *testing.T) {
	unary := newCall(t, "CreateResponse", &maverav1.CreateResponseRequest{
		Model: "mavera-1", Input: &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: "Why?"}},
	})
	for _, group := range [][]statusCase{documented(t), undocumented(), retryAfters()} {
		for _, test := range group {
			stream, report, err := test.upstream(t, nil).Open(t.Context(), streamResponse(t))
			if stream != nil {
				t.Fatalf("%s: opened", test.name)
			}
			_, wantReport, want := test.upstream(t, nil).Attempt(t.Context(), unary)
			got := outcomeOf(t, unary, report, err)
			if wanted := outcomeOf(t, unary, wantReport, want); !bytes.Equal(indent(t, got), indent(t, wanted)) {
				t.Errorf("%s: got %s\nwant %s", test.name, indent(t, got), indent(t, wanted))
			}
		}
	}
}

// TestStreamEnds has the ways in which a caller's side ends an exchange.
func TestStreamEnds(t *testing.T) {
	for _, row := range []struct {
		name  string
		text  string
		cause error
		want  Cause
	}{
		{"the caller left", delta, context.Canceled, CallerLeft},
		{"its deadline", delta, context.DeadlineExceeded, CallerDeadline},
		{"the gateway stops", delta, ErrShuttingDown, Lost},
		{"the caller left before the first event", ": hello\n\n", context.Canceled, CallerLeft},
	} {
		t.Run(row.name, func(t *testing.T) {
			gone := make(chan struct{})
			client := newClient(t, serve(t, sendsEvents(row.text, func(r *http.Request) {
				<-r.Context().Done()
				close(gone)
			})), 0)
			ctx, end := context.WithCancelCause(t.Context())
			stream, _, err := client.Open(ctx, streamResponse(t))
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			end(row.cause)
			_, err = drained(stream)
			var failure *Failure
			if !errors.As(err, &failure) || !failure.By(row.want) || !failure.OutcomeUnknown {
				t.Errorf("got %v, want %s", err, row.want)
			}
			<-gone
		})
	}
}

// TestStreamTimeout: the attempt's timeout ends at the first event.
func TestStreamTimeout(t *testing.T) {
	plan := *streamResponse(t).Plan
	plan.AttemptTimeout = 50 * time.Millisecond
	call := streamResponse(t)
	call.Plan = &plan
	for name, handler := range map[string]http.HandlerFunc{
		"no head": func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			still(r)
		},
		"no first event": sendsEvents(": hello\n\n", still),
	} {
		client := newClient(t, serve(t, handler), 0)
		stream, _, err := client.Open(t.Context(), call)
		if err == nil {
			_, err = drained(stream)
			stream.Close()
		}
		var failure *Failure
		if !errors.As(err, &failure) || !failure.By(AttemptTimedOut) {
			t.Errorf("%s: %v", name, err)
		}
	}
	late := make(chan struct{})
	client := newClient(t, serve(t, sendsEvents(delta, func(*http.Request) { <-late })), 0)
	stream, _, err := client.Open(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := stream.Next(); err != nil {
		t.Fatal(err)
	}
	if remaining := stream.timer.Stop(); remaining || stream.ctx.Err() != nil {
		t.Errorf("after the first event the timer runs: %t, %v", remaining, stream.ctx.Err())
	}
	close(late)
}

// TestStreamsKeepConnections: a stream that was read to its end leaves its connection
// for the next, whatever form the end has.
func TestStreamsKeepConnections(t *testing.T) {
	var connections atomic.Int32
	texts := []string{delta + completed, delta + completed + "data: [DONE]\n\n", delta + "data: [DONE]\n\n"}
	var calls atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sendsEvents(texts[int(calls.Add(1)-1)%len(texts)], ended)(w, r)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client := newClient(t, server.URL, 0)
	for range 2 * len(texts) {
		stream, _, err := client.Open(t.Context(), streamResponse(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := drained(stream); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		stream.Close()
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// TestJSONForAStream: an answer in one piece is passed on as the event it is.
func TestJSONForAStream(t *testing.T) {
	for _, row := range []struct {
		name, kind, body string
		want             Cause
	}{
		{"a whole answer", "application/json", `{"id":"r","usage":{"credits_used":3}}`, ""},
		{"of another JSON type", "application/problem+json; x=y", `{"id":"r","usage":{"credits_used":3}}`, ""},
		{"HTML", "text/html", "<html>", Malformed},
		{"half of it", "application/json", `{"id":`, Malformed},
		{"too much of it", "application/json", `{"id":"` + strings.Repeat("x", 2000) + `"}`, TooLarge},
	} {
		client := answers(200, row.body, "Content-Type", row.kind)(t, nil)
		stream, _, err := client.Open(t.Context(), streamResponse(t))
		if row.want != "" {
			var failure *Failure
			if !errors.As(err, &failure) || !failure.By(row.want) {
				t.Errorf("%s: %v, want %s", row.name, err, row.want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		answer, err := stream.Next()
		if err != nil || !answer.HasCredits || answer.Credits != 3 {
			t.Fatalf("%s: %v, %v", row.name, answer, err)
		}
		var got maverav1.ResponseStreamEvent
		if err := answer.Unmarshal(&got); err != nil {
			t.Fatal(err)
		}
		want := &maverav1.ResponseStreamEvent{Event: &maverav1.ResponseStreamEvent_Unknown{Unknown: &maverav1.UnknownEvent{Data: row.body}}}
		if !proto.Equal(&got, want) {
			t.Errorf("%s: %v", row.name, &got)
		}
		if _, err := stream.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: then %v", row.name, err)
		}
		stream.Close()
	}
}

// TestFailedEvents reads the errors of events in all their forms. What goes to the log
// is the error, never the answer that it broke off.
func TestFailedEvents(t *testing.T) {
	for _, row := range []struct{ data, code, param, log string }{
		{`{"type":"response.failed","response":{"output":["secret"],"error":{"code":"a_code","message":"m"}}}`, "a_code", "", `answer: {"code":"a_code","message":"m"}`},
		{`{"type":"response.failed","response":{"output":["secret"],"error":null}}`, "", "", "answer: null"},
		{`{"type":"response.failed","response":{"output":["secret"]}}`, "", "", "the answer has no body"},
		{`{"type":"error","code":"a_code","message":"m","param":"input"}`, "a_code", "input", `answer: {"type":"error","code":"a_code","message":"m","param":"input"}`},
		{`{"error":{"code":"a_code"}}`, "a_code", "", `answer: {"code":"a_code"}`},
		{`{"error":"a text","code":"a_code"}`, "a_code", "", `answer: {"error":"a text","code":"a_code"}`},
		{`{"code":null}`, "", "", `answer: {"code":null}`},
		{`nonsense`, "", "", "the answer has no body"},
		{`{"response":7}`, "", "", "the answer has no body"},
	} {
		got := newScreen().event([]byte(row.data))
		if got.Code != row.code || got.Param != row.param || got.cause().Error() != row.log {
			t.Errorf("%s: code %q, param %q, %s", row.data, got.Code, got.Param, got.cause())
		}
	}
}
