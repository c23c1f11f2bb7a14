package simulator_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mavera-gateway/mavera-gateway/internal/contract/contracttest"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// script adds a fault that must be valid.
func (a *api) script(f simulator.Fault) {
	a.t.Helper()
	if _, err := a.sim.AddFault(f); err != nil {
		a.t.Fatal(err)
	}
}

// try sends a call and returns what came of it, with the error of the transport.
func (a *api) try(method, path string, body any) (status int, text string, err error) {
	a.t.Helper()
	res, err := a.server.Client().Do(a.request(method, path, body))
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

func TestScriptedAnswers(t *testing.T) {
	a := start(t, simulator.Options{})
	for _, tt := range []struct {
		name   string
		fault  simulator.Fault
		status int
		body   string
		header [2]string
	}{
		{"standard body", simulator.Fault{Status: 503}, 503, `{"error":{"code":"service_unavailable","message":"The service is unavailable for a moment.","param":null,"type":"server_error"}}`, [2]string{"Content-Type", "application/json"}},
		{"429", simulator.Fault{Status: 429, Headers: map[string]string{"Retry-After": "7"}}, 429, `{"error":{"code":"rate_limit_exceeded","message":"Too many requests.","param":null,"type":"rate_limit_error"}}`, [2]string{"Retry-After", "7"}},
		{"another status", simulator.Fault{Status: 413}, 413, `{"error":{"code":"http_413","message":"Request Entity Too Large.","param":null,"type":"invalid_request_error"}}`, [2]string{"X-Simulator-Fault", "1"}},
		{"HTML", simulator.Fault{Status: 502, Body: new("<html>"), Headers: map[string]string{"Content-Type": "text/html"}}, 502, "<html>", [2]string{"Content-Type", "text/html"}},
		{"empty", simulator.Fault{Status: 200, Body: new("")}, 200, "", [2]string{"Content-Length", "0"}},
		{"repeated", simulator.Fault{Body: new("abc"), Size: 8}, 200, "abcabcab", [2]string{"Content-Length", "8"}},
		{"header taken from the true answer", simulator.Fault{Headers: map[string]string{"X-RateLimit-Limit": ""}}, 200, "", [2]string{"X-RateLimit-Limit", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &api{t: t, sim: a.sim, server: a.server, key: a.key}
			tt.fault.Route = "GET /usage"
			a.script(tt.fault)
			status, header, body := a.send("GET", "/usage", nil)
			if tt.name == "header taken from the true answer" {
				body = ""
			}
			if status != tt.status || body != tt.body || header.Get(tt.header[0]) != tt.header[1] || header.Get(contracttest.FaultHeader) != "1" {
				t.Errorf("status %d, body %q, headers %v", status, body, header)
			}
			if header.Get("X-RateLimit-Remaining") == "" {
				t.Error("a faulted answer has no rate-limit headers")
			}
			status, header, _ = a.send("GET", "/usage", nil)
			if status != 200 || header.Get(contracttest.FaultHeader) != "" {
				t.Errorf("after the fault: status %d, headers %v", status, header)
			}
		})
	}
}

func TestFaultsMatch(t *testing.T) {
	a := start(t, simulator.Options{})
	a.script(simulator.Fault{Route: "GET /personas/{id}", Status: 500, Skip: 1, Times: 2})
	a.script(simulator.Fault{Route: "*", Status: 503, Times: -1, Skip: 3})
	var got []int
	for _, path := range []string{"/personas/clx1abc2d0001abcdef123456", "/personas/clx1abc2d0001abcdef123456", "/usage", "/personas/x", "/personas/x", "/personas", "/personas"} {
		status, _, _ := a.send("GET", path, nil)
		got = append(got, status)
	}
	// The first call is skipped by both, the second is the first fault's, the
	// third is skipped by the second fault, and so on.
	if diff := cmp.Diff([]int{200, 500, 200, 500, 404, 503, 503}, got); diff != "" {
		t.Error(diff)
	}
	want(t, "faults left", len(a.sim.Faults()), 1)
	a.sim.ClearFaults()
	want(t, "after clearing", a.ok("GET", "/usage", nil)["object"], any("usage"))
	for _, bad := range []struct {
		fault simulator.Fault
		want  string
	}{
		{simulator.Fault{Route: "GET /nothing"}, `route: "GET /nothing" is neither "*" nor a method and path template of the contract`},
		{simulator.Fault{Route: "*", Times: -2}, `times: -2 is below -1`},
		{simulator.Fault{Route: "*", Status: 99}, `status: 99 is not between 200 and 599`},
		{simulator.Fault{Route: "*", LineEnd: "\n\r"}, `line_end: "\n\r" does not end a line of an event stream`},
		{simulator.Fault{Route: "*", Inserts: []simulator.Insert{{AfterEvents: new(-1)}}}, `inserts: after_events is negative`},
		{simulator.Fault{Route: "*", Hang: true, CloseBefore: true}, `close_before and hang exclude each other`},
	} {
		if _, err := a.sim.AddFault(bad.fault); err == nil || err.Error() != bad.want {
			t.Errorf("got %v, want %s", err, bad.want)
		}
	}
}

func TestFaultsCount(t *testing.T) {
	a := start(t, simulator.Options{Settings: simulator.Settings{Limit: 3}})
	a.script(simulator.Fault{Route: "*", Status: 503, Times: 2})
	a.send("GET", "/usage", nil)
	_, header, _ := a.send("GET", "/usage", nil)
	want(t, "remaining after two faults", header.Get("X-RateLimit-Remaining"), "1")
	a.ok("GET", "/usage", nil)
	want(t, "window is full", a.refused("GET", "/usage", nil), `[429,"rate_limit_exceeded",null]`)
	a.script(simulator.Fault{Route: "*", Status: 500})
	status, _, _ := a.send("GET", "/usage", nil)
	want(t, "a fault wins over the window", status, 500)
}

func TestConnectionFaults(t *testing.T) {
	a := start(t, simulator.Options{})
	before := len(ids(a.ok("GET", "/folders?workspace_id=ws_abc123", nil)))
	folder := object{"name": "n", "workspace_id": "ws_abc123"}

	a.script(simulator.Fault{Route: "POST /folders", CloseBefore: true})
	if _, _, err := a.try("POST", "/folders", folder); !errors.Is(err, io.EOF) {
		t.Errorf("closed before the answer: %v", err)
	}
	want(t, "folders: the call had no effect", len(ids(a.ok("GET", "/folders?workspace_id=ws_abc123", nil))), before)

	a.script(simulator.Fault{Route: "POST /folders", CutAfterBytes: new(int64(10))})
	status, text, err := a.try("POST", "/folders", folder)
	if status != http.StatusCreated || len(text) != 10 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: status %d, %q, %v", status, text, err)
	}
	want(t, "folders: the call had its effect", len(ids(a.ok("GET", "/folders?workspace_id=ws_abc123", nil))), before+1)

	a.script(simulator.Fault{Route: "GET /usage", Status: 500, CutAfterBytes: new(int64(0))})
	if status, text, err := a.try("GET", "/usage", nil); status != 500 || text != "" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut at once: status %d, %q, %v", status, text, err)
	}

	a.script(simulator.Fault{Route: "GET /usage", Body: new("x"), Size: 8 << 20})
	status, text, err = a.try("GET", "/usage", nil)
	if status != 200 || len(text) != 8<<20 || err != nil {
		t.Errorf("huge: status %d, %d bytes, %v", status, len(text), err)
	}
}

func TestHang(t *testing.T) {
	for _, tt := range []struct {
		name string
		free func(*simulator.Simulator, context.CancelFunc)
	}{
		{"client leaves", func(_ *simulator.Simulator, leave context.CancelFunc) { leave() }},
		{"reset", func(s *simulator.Simulator, _ context.CancelFunc) { s.Reset() }},
		{"faults cleared", func(s *simulator.Simulator, _ context.CancelFunc) { s.ClearFaults() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulator(t, simulator.Options{})
				if _, err := sim.AddFault(simulator.Fault{Route: "GET /usage", Hang: true, Delay: time.Second}); err != nil {
					t.Fatal(err)
				}
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				var ended any
				var calls sync.WaitGroup
				calls.Go(func() {
					defer func() { ended = recover() }()
					askCtx(ctx, sim, "GET", "/api/v1/usage", "")
				})
				time.Sleep(time.Hour)
				synctest.Wait()
				if ended != nil {
					t.Fatalf("did not hang: %v", ended)
				}
				tt.free(sim, leave)
				calls.Wait()
				want(t, "end", ended, any(http.ErrAbortHandler))
			})
		})
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Options{})
		if _, err := sim.AddFault(simulator.Fault{Route: "*", Delay: 90 * time.Second}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		want(t, "status", ask(sim, "GET", "/api/v1/usage", "").Code, 200)
		want(t, "pause", time.Since(begin), 90*time.Second)
	})
}

func TestStreamFaults(t *testing.T) {
	a := start(t, simulator.Options{})
	body := sample(t, "responses.stream")
	names := func(text string) []string {
		var out []string
		for _, e := range contracttest.Events([]byte(text)) {
			out = append(out, e.Name)
		}
		return out
	}
	a.script(simulator.Fault{Route: "POST /responses", SSECutAfterEvents: new(2)})
	_, text, err := a.try("POST", "/responses", body)
	if diff := cmp.Diff([]string{"response.created", "response.output_item.added"}, names(text)); diff != "" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %v, %s", err, diff)
	}

	a.script(simulator.Fault{Route: "POST /responses", SSEFailAfterEvents: new(2)})
	_, text, err = a.try("POST", "/responses", body)
	if diff := cmp.Diff([]string{"response.created", "response.output_item.added", "response.failed"}, names(text)); diff != "" || err != nil {
		t.Errorf("failed: %v, %s", err, diff)
	}

	a.script(simulator.Fault{Route: "POST /mave/chat", DuplicateEvents: true})
	_, text, err = a.try("POST", "/mave/chat", object{"message": "m", "stream": true})
	got := names(text)
	if err != nil || len(got)%2 != 0 || got[0] != got[1] || got[len(got)-1] != "done" || got[len(got)-2] != "done" {
		t.Errorf("doubled: %v, %v", err, got)
	}

	a.script(simulator.Fault{Route: "POST /chat/completions", SSEStallAfterEvents: new(1)})
	res, err := a.server.Client().Do(a.request("POST", "/chat/completions", with(sample(t, "create-chat-completion"), object{"stream": true})))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	first := make([]byte, 6)
	if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "data: " {
		t.Errorf("first event %q, %v", first, err)
	}
	a.sim.ClearFaults() // The stalled stream ends.
	if rest, err := io.ReadAll(res.Body); !errors.Is(err, io.ErrUnexpectedEOF) || strings.Count(string(rest), "data: ") != 0 {
		t.Errorf("stalled: %q, %v", rest, err)
	}
}

// Each script is held against the same stream without a fault: two texts of Mave,
// its sources, validation and done.
func TestStreamsInOtherForms(t *testing.T) {
	a := start(t, simulator.Options{})
	mave := object{"message": "m", "stream": true}
	plain := func(path string, body object) string {
		status, _, text := a.send("POST", path, body)
		want(t, "status", status, 200)
		return text
	}
	whole := plain("/mave/chat", mave)
	events := strings.SplitAfter(whole, "\n\n")
	events = events[:len(events)-1]
	thread := regexp.MustCompile(`mave_thread_[a-z0-9]+`)
	for _, tt := range []struct {
		name  string
		fault simulator.Fault
		want  string
	}{
		{"CRLF", simulator.Fault{LineEnd: "\r\n"}, strings.ReplaceAll(whole, "\n", "\r\n")},
		{"CR", simulator.Fault{LineEnd: "\r"}, strings.ReplaceAll(whole, "\n", "\r")},
		{"a comment in a place", simulator.Fault{Inserts: []simulator.Insert{{AfterEvents: new(1), Text: ": hi\n\n"}}}, events[0] + ": hi\n\n" + strings.Join(events[1:], "")},
		{"keep-alives everywhere", simulator.Fault{Inserts: []simulator.Insert{{Text: ":\n"}}}, ":\n" + strings.Join(events, ":\n") + ":\n"},
		{"two inserts", simulator.Fault{Inserts: []simulator.Insert{{AfterEvents: new(0), Text: "\ufeff"}, {AfterEvents: new(0), Text: "event: new\ndata: {}\n\n"}}}, "\ufeffevent: new\ndata: {}\n\n" + whole},
		{"an insert at the end", simulator.Fault{Inserts: []simulator.Insert{{AfterEvents: new(len(events)), Text: "data: cu"}}}, whole + "data: cu"},
		{"a huge event", simulator.Fault{Inserts: []simulator.Insert{{AfterEvents: new(0), Text: "data: " + strings.Repeat("x", 5<<20) + "\n\n"}}}, "data: " + strings.Repeat("x", 5<<20) + "\n\n" + whole},
		{"an early end", simulator.Fault{SSEEndAfterEvents: new(2)}, events[0] + events[1]},
		{"an error", simulator.Fault{SSEErrorAfterEvents: new(1)}, events[0] + "event: error\n" + `data: {"error":{"code":"internal_error","message":"Something failed on the server.","param":null,"type":"server_error"},"type":"error"}` + "\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.fault.Route = "POST /mave/chat"
			a.script(tt.fault)
			status, got, err := a.try("POST", "/mave/chat", mave)
			same := func(s string) string { return thread.ReplaceAllString(s, "mave_thread_x") }
			if status != 200 || err != nil || same(got) != same(tt.want) {
				t.Errorf("status %d, %v, got %.2000q, want %.2000q", status, err, got, tt.want)
			}
		})
	}
	for _, tt := range []struct {
		name, path string
		body       object
		fault      simulator.Fault
		want       string // The last event.
	}{
		{
			"error in responses", "/responses", sample(t, "responses.stream"),
			simulator.Fault{SSEErrorAfterEvents: new(3)},
			"event: error\n" + `data: {"code":"internal_error","message":"Something failed on the server.","param":null,"sequence_number":3,"type":"error"}`,
		},
		{
			"error in chat", "/chat/completions", with(sample(t, "create-chat-completion"), object{"stream": true}),
			simulator.Fault{SSEErrorAfterEvents: new(3)},
			`data: {"error":{"code":"internal_error","message":"Something failed on the server.","param":null,"type":"server_error"}}`,
		},
		{
			"error at once", "/chat/completions", with(sample(t, "create-chat-completion"), object{"stream": true}),
			simulator.Fault{SSEErrorAfterEvents: new(0)},
			`data: {"error":{"code":"internal_error","message":"Something failed on the server.","param":null,"type":"server_error"}}`,
		},
		{
			"error in a generation", "/generations", with(sample(t, "create-generation"), object{"stream": true}),
			simulator.Fault{SSEErrorAfterEvents: new(1)},
			"event: error\n" + `data: {"error":{"code":"internal_error","message":"Something failed on the server.","param":null,"type":"server_error"},"type":"error"}`,
		},
	} {
		tt.fault.Route = "POST " + tt.path
		a.script(tt.fault)
		got := strings.Split(strings.TrimSuffix(plain(tt.path, tt.body), "\n\n"), "\n\n")
		if n := *tt.fault.SSEErrorAfterEvents + 1; len(got) != n || got[len(got)-1] != tt.want {
			t.Errorf("%s: %d events, want %d; the last is %q, want %q", tt.name, len(got), n, got[len(got)-1], tt.want)
		}
	}
	a.script(simulator.Fault{Route: "POST /responses", OmitDone: true})
	if diff := cmp.Diff("response.completed", last(outline(t, plain("/responses", sample(t, "responses.stream"))))); diff != "" {
		t.Errorf("without [DONE]: %s", diff)
	}
	a.script(simulator.Fault{Route: "POST /mave/chat", OmitDone: true})
	want(t, "a stream without [DONE] is the same", thread.ReplaceAllString(plain("/mave/chat", mave), "x"), thread.ReplaceAllString(whole, "x"))
	a.script(simulator.Fault{Route: "POST /mave/chat", SSECutAfterEvents: new(len(events))})
	if _, text, err := a.try("POST", "/mave/chat", mave); len(text) != len(whole) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut after the last event: %d bytes, want %d; %v", len(text), len(whole), err)
	}
	a.script(simulator.Fault{Route: "POST /mave/chat", SSECutAfterEvents: new(0)})
	if status, text, err := a.try("POST", "/mave/chat", mave); status != 200 || text != "" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut before the first event: status %d, %q, %v", status, text, err)
	}
}

func last(list []string) string { return list[len(list)-1] }
