package server

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAdmin reads the pages over a loopback port before, while and after calls
// are taken.
func TestAdmin(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") })
	status := func(mux *http.ServeMux) {
		mux.HandleFunc("GET /statusz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine\n") })
	}
	var log strings.Builder
	level := new(slog.LevelVar)
	gateway := &Server{options: Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))}}
	admin := NewAdmin(gateway, AdminOptions{Metrics: metrics, Status: status, Level: level})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- admin.Serve(listener) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	send := func(method, path, body string) string {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+listener.Addr().String()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.Status + " " + string(text)
	}
	get := func(path string) string { return send(http.MethodGet, path, "") }
	pages := func() map[string]string {
		return map[string]string{
			"/livez": get("/livez"), "/readyz": get("/readyz"), "/metrics": get("/metrics"),
			"/statusz": get("/statusz"), "/loglevel": get("/loglevel"),
		}
	}
	want := map[string]string{
		"/livez": "200 OK ok\n", "/readyz": "503 Service Unavailable not taking calls\n", "/metrics": "200 OK up 1\n",
		"/statusz": "200 OK fine\n", "/loglevel": "200 OK info\n",
	}
	if diff := cmp.Diff(want, pages()); diff != "" {
		t.Errorf("before, -want +got:\n%s", diff)
	}
	gateway.ready.Store(true)
	want["/readyz"] = "200 OK ok\n"
	if diff := cmp.Diff(want, pages()); diff != "" {
		t.Errorf("serving, -want +got:\n%s", diff)
	}
	if got := get("/debug/pprof/cmdline"); got[:3] != "200" {
		t.Errorf("pprof on loopback: %s", got)
	}
	for _, row := range []struct{ body, want string }{
		{"loud", "400 Bad Request want debug, info, warn or error\n"},
		{"", "400 Bad Request want debug, info, warn or error\n"},
		{strings.Repeat(" ", maxLevel) + "warn", "400 Bad Request want debug, info, warn or error\n"},
		{"error\n", "200 OK error\n"},
		{"debug", "200 OK debug\n"},
	} {
		if got := send(http.MethodPut, "/loglevel", row.body); got != row.want {
			t.Errorf("level %q: %q, want %q", row.body, got, row.want)
		}
	}
	if level.Level() != slog.LevelDebug || strings.Count(log.String(), "the log level was changed") != 1 {
		t.Errorf("level %s, log\n%s", level, log.String()) // to error alone says nothing
	}
	if err := admin.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestAdminDebug keeps profiles off addresses that others can reach.
func TestAdminDebug(t *testing.T) {
	for _, row := range []struct {
		debug        bool
		want, change int
	}{{false, 404, 405}, {true, 200, 400}} {
		admin := NewAdmin(&Server{}, AdminOptions{Metrics: http.NotFoundHandler(), Status: func(*http.ServeMux) {}, Level: new(slog.LevelVar), Debug: row.debug})
		pipes := newPipes() // its address is no loopback one
		if err := pipes.Close(); err != nil {
			t.Fatal(err)
		}
		if err := admin.Serve(pipes); err == nil {
			t.Error("a closed listener was served")
		}
		recorder := httptest.NewRecorder()
		admin.http.Handler.ServeHTTP(recorder, httptest.NewRequest("GET", "/debug/pprof/cmdline", nil))
		if recorder.Code != row.want {
			t.Errorf("debug %v: %d, want %d", row.debug, recorder.Code, row.want)
		}
		recorder = httptest.NewRecorder()
		admin.http.Handler.ServeHTTP(recorder, httptest.NewRequest("PUT", "/loglevel", strings.NewReader("loud")))
		if recorder.Code != row.change {
			t.Errorf("debug %v: a change of level is %d, want %d", row.debug, recorder.Code, row.change)
		}
	}
}
