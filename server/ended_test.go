package server

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// A chronicle remembers the calls that ended.
type chronicle struct {
	mu    sync.Mutex
	ended []Ended // Guarded by mu.
}

func (c *chronicle) add(e Ended) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, e)
}

func (c *chronicle) take() []Ended {
	c.mu.Lock()
	defer c.mu.Unlock()
	ended := c.ended
	c.ended = nil
	return ended
}

func (c *chronicle) option(o *Options) { o.Ended = c.add }

// TestEnded is told of every call once, whatever became of it.
func TestEnded(t *testing.T) {
	persona := Ended{RequestID: "r-1", RPC: "GetPersona", Route: "GET /personas/{id}", Family: "personas", Caller: "tester"}
	chat := Ended{RequestID: "r-1", RPC: "StreamMaveChat", Route: "POST /mave/chat", Family: "mave", Caller: "tester"}
	get := func(id string) func(context.Context, *harness) {
		return func(ctx context.Context, h *harness) { _, _, _ = h.getPersona(ctx, id) }
	}
	stream := func(ctx context.Context, h *harness) { _ = h.streamMave(ctx) }
	slow := func(then http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(1500 * time.Millisecond)
			then(w, r)
		}
	}
	for _, row := range []struct {
		name     string
		upstream http.HandlerFunc
		call     func(context.Context, *harness)
		want     Ended
		change   func(*Ended)
	}{
		{"OK", slow(answers(200, `{"id": "p-1"}`)), get("p-1"), persona, func(e *Ended) {
			e.Duration, e.HTTPStatus, e.Attempts = 1500*time.Millisecond, 200, 1
		}},
		{"refused", nil, get(".."), persona, func(e *Ended) {
			e.Code, e.Reason, e.Message = codes.InvalidArgument, "INVALID_REQUEST", `GetPersona: the request message is invalid: id: must not be "." or ".."`
		}},
		{"failed", slow(answers(404, `{"error":{"message":"None.","type":"not_found_error","code":"resource_not_found"}}`)), get("p-1"), persona, func(e *Ended) {
			e.Duration, e.HTTPStatus, e.Attempts = 1500*time.Millisecond, 404, 1
			e.Code, e.Reason, e.Message = codes.NotFound, "RESOURCE_NOT_FOUND", "GetPersona: None. (HTTP 404 resource_not_found)"
			e.UpstreamCode, e.UpstreamType = "resource_not_found", "not_found_error"
		}},
		{"a stream", streams(content, content, 2*time.Second, done), stream, chat, func(e *Ended) {
			e.Duration, e.HTTPStatus, e.Attempts, e.Credits = 2*time.Second, 200, 1, 12
		}},
		{"a stream that breaks off", streams(content, time.Second, cut), stream, chat, func(e *Ended) {
			e.Duration, e.HTTPStatus, e.Attempts = time.Second, 200, 1
			e.Code, e.Reason = codes.Unavailable, "STREAM_CUT"
			e.Message = "StreamMaveChat: the stream from Mavera broke off before its last event; what came may have been billed, and a repeat would give another answer (HTTP 200)"
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told := &chronicle{}
				h := newHarness(t, row.upstream, attempts(1), told.option)
				begin := time.Now()
				row.call(t.Context(), h)
				synctest.Wait()
				want := row.want
				row.change(&want)
				want.At = begin.Add(want.Duration)
				if diff := cmp.Diff([]Ended{want}, told.take()); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		})
	}
}

// TestEndedWaited is told how long a call waited between its attempts.
func TestEndedWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &chronicle{}
		h := newHarness(t, inTurn(http.StatusServiceUnavailable, http.StatusServiceUnavailable), told.option)
		if _, _, err := h.getPersona(t.Context(), "p-1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		got := told.take()
		if len(got) != 1 || got[0].Attempts != 3 || got[0].Waited <= 0 || got[0].Waited != got[0].Duration {
			t.Errorf("got %+v", got)
		}
	})
}

// TestEndedOfWatch is told of a watch when it ends, and not of its polls.
func TestEndedOfWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &chronicle{}
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP, told.option)
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "r-1", "x-caller-id", "tester")
		id := mustCreateGroup(ctx, t, h)
		synctest.Wait()
		created := told.take()
		if len(created) != 1 || created[0].RPC != "CreateFocusGroup" || created[0].Credits <= 0 {
			t.Errorf("the creation: %+v", created)
		}
		begin := time.Now()
		if w := watchGroup(ctx, h, id); w.err != nil {
			t.Fatal(w.err)
		}
		synctest.Wait()
		want := Ended{
			At: time.Now(), Duration: time.Since(begin), RequestID: "r-1", RPC: "WatchFocusGroup", Route: "GET /focus-groups/{id}",
			Family: "focus_groups", Caller: "tester", Attempts: upstream.count("GET /focus-groups/" + id),
		}
		if diff := cmp.Diff([]Ended{want}, told.take()); diff != "" || want.Attempts < 2 {
			t.Errorf("%d polls, -want +got:\n%s", want.Attempts, diff)
		}

		if _, err := upstream.sim.AddFault(simulator.Fault{Route: "GET /focus-groups/{id}", Times: -1, Status: http.StatusNotFound, Body: new("{}")}); err != nil {
			t.Fatal(err)
		}
		_ = watchGroup(ctx, h, id)
		synctest.Wait()
		want.At, want.Duration, want.Attempts, want.HTTPStatus = time.Now(), 0, 1, http.StatusNotFound
		want.Code, want.Reason, want.Message = codes.NotFound, "HTTP_404", "WatchFocusGroup: Mavera refused the call and did not say why (HTTP 404)"
		if diff := cmp.Diff([]Ended{want}, told.take()); diff != "" {
			t.Errorf("of none, -want +got:\n%s", diff)
		}
	})
}

// TestEndedOfUpload is told of an upload as one call, with what the storage said.
func TestEndedOfUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &chronicle{}
		d := &depot{put: answering(http.StatusForbidden)}
		_, files := newDepot(t, d, told.option, attempts(1))
		send := func() {
			stream, err := files.UploadFile(metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "r-1", "x-caller-id", "tester"))
			if err != nil {
				t.Fatal(err)
			}
			sendParts(stream, hello())
			_, _ = stream.CloseAndRecv()
			synctest.Wait()
		}
		send()
		want := Ended{
			At: time.Now(), RequestID: "r-1", RPC: "UploadFile", Route: "POST /files", Family: "files", Caller: "tester",
			Code: codes.Unavailable, Reason: "STORAGE_FAILED", Message: "UploadFile: the storage behind Mavera did not take the file; nothing was registered (HTTP 403)",
			HTTPStatus: http.StatusOK, StorageStatus: http.StatusForbidden, Attempts: 1,
		}
		if diff := cmp.Diff([]Ended{want}, told.take()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		d.put = stores
		send()
		want.Code, want.Reason, want.Message, want.HTTPStatus, want.StorageStatus, want.Attempts = codes.OK, "", "", http.StatusCreated, 0, 2
		if diff := cmp.Diff([]Ended{want}, told.take()); diff != "" {
			t.Errorf("of one that went well, -want +got:\n%s", diff)
		}
	})
}

// TestEndedOfProbes: what is not Mavera's is nobody's business.
func TestEndedOfProbes(t *testing.T) {
	told := &chronicle{}
	h := newHarness(t, nil, told.option)
	if _, err := grpc_health_v1.NewHealthClient(h.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	if got := told.take(); got != nil {
		t.Errorf("got %+v", got)
	}
}
