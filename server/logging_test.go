package server

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
)

// TestLogLines compares whole lines; in the bubble even durations are exact.
func TestLogLines(t *testing.T) {
	for _, row := range []struct {
		name     string
		upstream http.HandlerFunc
		call     func(context.Context, *harness) error
		want     string
	}{
		{"success", func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(1500 * time.Millisecond)
			answers(200, `{"id": "p-1"}`)(w, r)
		}, func(ctx context.Context, h *harness) error {
			_, _, err := h.getPersona(ctx, "p-1")
			return err
		}, `{"level":"INFO","msg":"call","request_id":"r-1","rpc":"GetPersona","family":"personas","caller":"tester","attempts":1,"waited_ms":0,"http_status":200,"code":"OK","duration_ms":1500}`},
		{"success that cost credits", answers(200, `{"thread_id": "t-1", "content": "a secret answer", "usage": {"credits_used": 12.5}}`), func(ctx context.Context, h *harness) error {
			ctx = metadata.AppendToOutgoingContext(ctx, "x-request-id", "r-2", "x-caller-id", "tester")
			_, err := h.mave.SendMaveMessage(ctx, &maverav1.SendMaveMessageRequest{Message: "a secret question"})
			return err
		}, `{"level":"INFO","msg":"call","request_id":"r-2","rpc":"SendMaveMessage","family":"mave","caller":"tester","attempts":1,"waited_ms":0,"http_status":200,"credits":12.5,"code":"OK","duration_ms":0}`},
		{"failure of Mavera's", answers(404, `{"error":{"message":"None.","type":"invalid_request_error","code":"resource_not_found"}}`), func(ctx context.Context, h *harness) error {
			_, _, err := h.getPersona(ctx, "p-1")
			return err
		}, `{"level":"WARN","msg":"call","request_id":"r-1","rpc":"GetPersona","family":"personas","caller":"tester","attempts":1,"waited_ms":0,"http_status":404,"code":"NotFound","duration_ms":0,"reason":"RESOURCE_NOT_FOUND","error":"NotFound RESOURCE_NOT_FOUND: None.: answer: {\"error\":{\"message\":\"None.\",\"type\":\"invalid_request_error\",\"code\":\"resource_not_found\"}}"}`},
		{"failure that echoes the key", func(w http.ResponseWriter, r *http.Request) {
			answers(500, "no key "+r.Header.Get("Authorization"))(w, r)
		}, func(ctx context.Context, h *harness) error {
			_, _, err := h.getPersona(ctx, "p-1")
			return err
		}, `{"level":"ERROR","msg":"call","request_id":"r-1","rpc":"GetPersona","family":"personas","caller":"tester","attempts":1,"waited_ms":0,"http_status":500,"code":"Internal","duration_ms":0,"reason":"HTTP_500","error":"Internal HTTP_500: Mavera failed: answer: no key Bearer mvra_live_abcd..."}`},
		{"refusal", nil, func(ctx context.Context, h *harness) error {
			_, _, err := h.getPersona(ctx, "..")
			return err
		}, `{"level":"WARN","msg":"call","request_id":"r-1","rpc":"GetPersona","family":"personas","caller":"tester","attempts":0,"waited_ms":0,"code":"InvalidArgument","duration_ms":0,"reason":"INVALID_REQUEST","error":"InvalidArgument INVALID_REQUEST: the request message is invalid: id: must not be \".\" or \"..\""}`},
		{"a probe", nil, func(ctx context.Context, h *harness) error {
			_, err := grpc_health_v1.NewHealthClient(h.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			return err
		}, ``},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, row.upstream, attempts(1))
				err := row.call(t.Context(), h)
				synctest.Wait()
				if row.want != "" {
					row.want += "\n"
				}
				if diff := cmp.Diff(row.want, h.log.text()); diff != "" {
					t.Errorf("-want +got:\n%s\nthe caller got %v", diff, err)
				}
			})
		})
	}
}

// TestLosses counts every loss and logs each kind of it once.
func TestLosses(t *testing.T) {
	h := newHarness(t, answers(200, `{"id": "p-1", "mood": "good", "is_custom": "yes"}`))
	for range 3 {
		persona, _, err := h.getPersona(t.Context(), "p-1")
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"mood": "good", "is_custom": "yes"}
		if diff := cmp.Diff(want, persona.GetAdditionalFields().AsMap()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	const rpc = "mavera.v1.PersonasService/GetPersona"
	want := map[string]int{rpc + " mood unknown_field": 3, rpc + " is_custom wrong_type": 3}
	if diff := cmp.Diff(want, h.tally.fields); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	lines := map[string]int{}
	for _, l := range h.log.lines(t) {
		if l["msg"] != "call" {
			delete(l, "msg")
			lines[l.String()]++
		}
	}
	wantLines := map[string]int{
		`{"field":"mood","kind":"unknown_field","level":"WARN","request_id":"r-1","rpc":"GetPersona"}`:   1,
		`{"field":"is_custom","kind":"wrong_type","level":"WARN","request_id":"r-1","rpc":"GetPersona"}`: 1,
	}
	if diff := cmp.Diff(wantLines, lines); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestPanic shows what a mistake of ours looks like from outside, and that its
// stack stays inside.
func TestPanic(t *testing.T) {
	h := newHarness(t, answers(200, "{}"), func(o *Options) {
		o.Key = func() secret.Key { panic("out of keys: " + testKey) }
	})
	_, trailer, err := h.getPersona(t.Context(), "p-1")
	st := status.Convert(err)
	if st.Code() != codes.Internal || st.Message() != "GetPersona: the gateway failed; the request id leads support to the cause" {
		t.Errorf("got %v", err)
	}
	want := metadata.MD{requestIDKey: {"r-1"}, attemptsKey: {"0"}, pushbackKey: {"-1"}}
	delete(trailer, "content-type")
	delete(trailer, "grpc-status-details-bin")
	if diff := cmp.Diff(want, trailer); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	lines := h.log.lines(t)
	if len(lines) != 2 {
		t.Fatalf("the log has %d lines:\n%s", len(lines), h.log.text())
	}
	stack, _ := lines[0]["stack"].(string)
	if lines[0]["msg"] != "panic" || lines[0]["panic"] != "out of keys: mvra_live_abcd..." || lines[0]["request_id"] != "r-1" || stack == "" {
		t.Errorf("got %v", lines[0])
	}
	if lines[1]["reason"] != "PANIC" || lines[1]["stack"] != nil {
		t.Errorf("got %v", lines[1])
	}
	if _, _, err := h.getPersona(t.Context(), "p-1"); status.Code(err) != codes.Internal {
		t.Errorf("the next call: %v", err)
	}
	if n := h.tally.count("panic"); n != 2 {
		t.Errorf("counted %d panics, want 2", n)
	}
}

func TestLevelOf(t *testing.T) {
	want := map[codes.Code]string{
		codes.OK: "INFO", codes.Canceled: "INFO", codes.Unknown: "ERROR", codes.InvalidArgument: "WARN", codes.DeadlineExceeded: "WARN",
		codes.NotFound: "WARN", codes.PermissionDenied: "WARN", codes.ResourceExhausted: "WARN", codes.FailedPrecondition: "WARN",
		codes.Aborted: "WARN", codes.Unimplemented: "WARN", codes.Internal: "ERROR", codes.Unavailable: "WARN", codes.Unauthenticated: "ERROR",
	}
	got := map[codes.Code]string{}
	for code := range want {
		got[code] = levelOf(code).String()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestStatusError keeps both halves of a failure.
func TestStatusError(t *testing.T) {
	err := (&call{rpc: "GetPersona", requestID: "r-1"}).end(&trailer{md: make(metadata.MD)}, invalidMetadata("x-a", "is wrong"))
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
	if failure := errors.Unwrap(err); failure == nil || failure.Error() != err.Error() {
		t.Errorf("got %v", failure)
	}
}
