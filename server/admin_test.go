package server

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAdmin reads the pages over a loopback port before, while and after calls
// are taken.
func TestAdmin(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") })
	gateway := &Server{}
	admin := NewAdmin(gateway, metrics, false)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- admin.Serve(listener) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(path string) string {
		t.Helper()
		response, err := client.Get("http://" + listener.Addr().String() + path)
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
	pages := func() map[string]string {
		return map[string]string{"/livez": get("/livez"), "/readyz": get("/readyz"), "/metrics": get("/metrics")}
	}
	want := map[string]string{"/livez": "200 OK ok\n", "/readyz": "503 Service Unavailable not taking calls\n", "/metrics": "200 OK up 1\n"}
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
		debug bool
		want  int
	}{{false, 404}, {true, 200}} {
		admin := NewAdmin(&Server{}, http.NotFoundHandler(), row.debug)
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
	}
}
