package simulator_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

func TestControl(t *testing.T) {
	a := start(t, simulator.Options{})
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		want                     string // A part of the answer.
	}{
		{"fault", "POST", "/_control/faults", `{"route":"GET /usage","status":503,"delay":"1ms","headers":{"Retry-After":"1"},"body":"x","cut_after_bytes":5,"sse_cut_after_events":1}`, 200, `{"id":1}`},
		{"stream fault", "POST", "/_control/faults", `{"route":"POST /responses","sse_error_after_events":3,"sse_end_after_events":9,"omit_done":true,"line_end":"\r\n","inserts":[{"text":": keep-alive\n\n"},{"after_events":2,"text":"event: new\ndata: {}\n\n"}]}`, 200, `{"id":2}`},
		{"list of faults", "GET", "/_control/faults", "", 200, `"delay":"1ms"`},
		{"unknown field", "POST", "/_control/faults", `{"route":"*","statsu":503}`, 400, `unknown field \"statsu\"`},
		{"unknown route", "POST", "/_control/faults", `{"route":"GET /x"}`, 400, `route: \"GET /x\"`},
		{"bad delay", "POST", "/_control/faults", `{"route":"*","delay":"soon"}`, 400, `delay: time: invalid duration`},
		{"not JSON", "POST", "/_control/faults", `nonsense`, 400, `invalid character`},
		{"two values", "POST", "/_control/faults", `{"route":"*"}{}`, 400, `text after the JSON value`},
		{"remove", "DELETE", "/_control/faults/1", "", 200, `{"ok":true}`},
		{"remove again", "DELETE", "/_control/faults/1", "", 404, `no such command`},
		{"remove all", "DELETE", "/_control/faults", "", 200, `{"ok":true}`},
		{"settings", "PATCH", "/_control/settings", `{"limit":7,"reset":"empty","token_delay":"5ms","latency":{"mave":"1ms"},"job_duration":{"meetings":"9s"},"clock_skew":"-2s","speed":4,"unique_personas":true}`, 200, `"job_duration":{"brand_voices":"1m0s","focus_groups":"1m15s","meetings":"9s","video_analyses":"4m0s"}`},
		{"settings read", "GET", "/_control/settings", "", 200, `"clock_skew":"-2s"`},
		{"bad setting", "PATCH", "/_control/settings", `{"reset":"never"}`, 400, `reset: \"never\"`},
		{"bad duration", "PATCH", "/_control/settings", `{"clock_skew":"1"}`, 400, `clock_skew: time: missing unit`},
		{"jobs", "POST", "/_control/jobs", `{"family":"focus_groups","outcome":"failed","times":2}`, 200, `{"ok":true}`},
		{"jobs of no family", "POST", "/_control/jobs", `{"family":"mave","outcome":"failed"}`, 400, `\"mave\" has no jobs`},
		{"no outcome", "POST", "/_control/jobs", `{"family":"focus_groups","outcome":"odd"}`, 400, `\"odd\" is not an outcome`},
		{"window", "POST", "/_control/window", `{"requests":9}`, 200, `{"counted":7}`},
		{"requests", "GET", "/_control/requests", "", 200, `{"requests":[]}`},
		{"requests forgotten", "DELETE", "/_control/requests", "", 200, `{"ok":true}`},
		{"reset", "POST", "/_control/reset", "", 200, `{"ok":true}`},
		{"settings after the reset", "GET", "/_control/settings", "", 200, `"limit":100000`},
		{"unknown command", "GET", "/_control/secrets", "", 404, `no such command`},
	} {
		var body any
		if tt.body != "" {
			body = tt.body
		}
		status, _, text := a.send(tt.method, tt.path, body)
		if status != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("%s: status %d, %s; want %d and %s", tt.name, status, text, tt.status, tt.want)
		}
	}
}

func TestJournal(t *testing.T) {
	a := start(t, simulator.Options{})
	a.ok("POST", "/folders", object{"name": "n", "workspace_id": "ws_abc123"})
	a.refused("GET", "/personas/a%2Fb", nil)
	a.ok("GET", "/folders?workspace_id=ws_abc123", nil)
	got := a.sim.Requests()
	for i := range got {
		want(t, "key", got[i].Header.Get("Authorization"), "Bearer mvra_live_simu...")
		got[i].Header, got[i].Time = nil, got[0].Time
	}
	if diff := cmp.Diff([]simulator.Request{
		{Time: got[0].Time, OperationID: "createFolder", Method: "POST", Path: "/api/v1/folders", Body: `{"name":"n","workspace_id":"ws_abc123"}`, Status: 201},
		{Time: got[0].Time, OperationID: "getPersona", Method: "GET", Path: "/api/v1/personas/a%2Fb", Status: 404},
		{Time: got[0].Time, OperationID: "listFolders", Method: "GET", Path: "/api/v1/folders", Query: "workspace_id=ws_abc123", Status: 200},
	}, got); diff != "" {
		t.Error(diff)
	}
	sim := newSimulator(t, simulator.Options{Settings: simulator.Settings{Limit: -1}})
	for range 1005 {
		ask(sim, "GET", "/api/v1/usage", "")
	}
	want(t, "length of the journal", len(sim.Requests()), 1000)
}

func TestResetBringsTheSeedBack(t *testing.T) {
	a := start(t, simulator.Options{Settings: simulator.Settings{Limit: 5}})
	a.ok("DELETE", "/brand-voices/bv_abc123", nil)
	a.script(simulator.Fault{Route: "*", Status: 500})
	a.sim.Reset()
	want(t, "voices", len(ids(a.ok("GET", "/brand-voices", nil))), 1)
	want(t, "window", a.sim.UseWindow(simulator.DemoKey, 9), 4)
	want(t, "journal", len(a.sim.Requests()), 1)
}

func TestGzip(t *testing.T) {
	sim := newSimulator(t, simulator.Options{})
	get := func(path string) (*httptest.ResponseRecorder, string) {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+simulator.DemoKey)
		r.Header.Set("Accept-Encoding", "br, gzip")
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, r)
		if w.Header().Get("Content-Encoding") != "gzip" {
			return w, w.Body.String()
		}
		zr, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(zr)
		if err != nil {
			t.Fatal(err)
		}
		return w, string(text)
	}
	w, text := get("/api/v1/personas")
	want(t, "large answer", w.Header().Get("Content-Encoding"), "gzip")
	want(t, "text", text, ask(sim, "GET", "/api/v1/personas", "").Body.String())
	w, _ = get("/api/v1/personas/clx1abc2d0001abcdef123456")
	want(t, "small answer", w.Header().Get("Content-Encoding"), "")
}

func TestManyAtOnce(t *testing.T) {
	a := start(t, simulator.Options{Settings: simulator.Settings{Credits: 1e9}})
	folder := `{"name":"n","workspace_id":"ws_abc123"}`
	var callers sync.WaitGroup
	for range 100 {
		callers.Go(func() {
			for _, c := range []struct{ method, path, body string }{
				{"POST", "/folders", folder},
				{"GET", "/folders?workspace_id=ws_abc123&limit=100", ""},
				{"POST", "/responses", `{"model":"mavera-1","persona_id":"clx1abc2d0001abcdef123456","input":"hi","stream":true}`},
				{"PATCH", "/mave/threads/mave_thread_abc123", `{"title":"t"}`},
				{"GET", "/mave/threads/mave_thread_abc123", ""},
				{"GET", "/usage", ""},
			} {
				w := ask(a.sim, c.method, simulator.BasePath+c.path, c.body)
				if w.Code/100 != 2 {
					t.Errorf("%s %s: status %d: %s", c.method, c.path, w.Code, w.Body)
				}
			}
		})
	}
	callers.Wait()
	want(t, "folders", len(ids(a.ok("GET", "/folders?workspace_id=ws_abc123&limit=100", nil))), 100)
	want(t, "requests", a.ok("GET", "/usage", nil)["api_requests"].(object)["total_requests"], any(601.0))
}

func TestWindowNeverLetsMoreThrough(t *testing.T) {
	sim := newSimulator(t, simulator.Options{Settings: simulator.Settings{Limit: 40}})
	var mu sync.Mutex
	var passed int
	var callers sync.WaitGroup
	for range 120 {
		callers.Go(func() {
			if ask(sim, "GET", "/api/v1/usage", "").Code == http.StatusOK {
				mu.Lock()
				defer mu.Unlock()
				passed++
			}
		})
	}
	callers.Wait()
	want(t, "passed", passed, 40)
}

func TestSeedIsSmall(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	sims := make([]*simulator.Simulator, 20)
	for i := range sims {
		sims[i] = newSimulator(t, simulator.Options{})
	}
	if each := int64(heap()-before) / int64(len(sims)); each > 1<<20 {
		t.Errorf("an idle simulator holds %d bytes, want below 1 MiB", each)
	} else {
		t.Logf("an idle simulator holds %d bytes", each)
	}
	runtime.KeepAlive(sims)
}
