package statusz

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got:\n%s", name, diff)
	}
}

// read asks a board's page.
func read(board *Board, target string) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	NewPage(board).Register(mux)
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, target, nil))
	return recorder
}

// TestPage keeps the page of a gateway with a bit of everything, and of one that has
// just begun.
func TestPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gateway := busy()
		board := New(gateway.options())
		golden(t, "new.html", read(board, "/statusz").Body.String())
		for i, c := range calls() {
			c.At = time.Now()
			board.Add(c)
			time.Sleep(Interval)
			gateway.state.Window.Own += i
			board.look(time.Now())
		}
		gateway.ready = false
		page := read(board, "/statusz").Body.String()
		golden(t, "busy.html", page)
		part := read(board, "/statusz?part=main").Body.String()
		if part == "" || !strings.Contains(page, part) || strings.Contains(part, "<script") {
			t.Errorf("the part is no part of the page:\n%s", part)
		}
		golden(t, "busy.json", read(board, "/statusz.json").Body.String())
		golden(t, "support.json", read(board, "/supportz?request_id=r-2").Body.String())
	})
}

// TestHeaders has browsers run nothing but the page's own script.
func TestHeaders(t *testing.T) {
	board := New(busy().options())
	for target, contentType := range map[string]string{
		"/statusz": "text/html; charset=utf-8", "/statusz?part=main": "text/html; charset=utf-8",
		"/statusz/page.css": "text/css; charset=utf-8", "/statusz/page.js": "text/javascript; charset=utf-8",
		"/statusz.json": "application/json", "/supportz": "application/json",
	} {
		want := http.Header{
			"Content-Type": {contentType}, "X-Content-Type-Options": {"nosniff"}, "Cache-Control": {"no-store"}, "Content-Security-Policy": {policy},
		}
		got := read(board, target)
		if diff := cmp.Diff(want, got.Header()); diff != "" || got.Code != http.StatusOK || got.Body.Len() == 0 {
			t.Errorf("%s: %d, -want +got:\n%s", target, got.Code, diff)
		}
	}
	if got := read(board, "/statusz/page.html").Code; got != http.StatusNotFound {
		t.Errorf("the template is served: %d", got)
	}
}

// TestHostileTexts has callers and Mavera say what would be markup or a key.
func TestHostileTexts(t *testing.T) {
	const (
		markup = `"'></td><script>alert(1)</script><img src=x onerror=alert(1)>`
		key    = "mvra_live_abcdefghijklmnopqrstuvwxyz"
	)
	options := busy().options()
	options.Configuration = "base_url: " + markup + "\nforgotten: " + key + "\n"
	board := New(options)
	board.Add(Call{
		RequestID: `r-1"><script>/*` + key, RPC: "GetPersona", Family: "personas", Caller: markup + key, Code: codes.Internal,
		Reason: "HTTP_500", Message: markup + " Bearer " + key + "," + key, UpstreamCode: key, UpstreamType: key, Route: markup, Attempts: 1,
	})
	page := read(board, "/statusz").Body.String()
	for _, bad := range []string{"<script>", "<img", "onerror=alert(1)>", `"'>`} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s:\n%s", bad, page)
		}
	}
	for target, shown := range map[string]int{
		"/statusz":      7, // the request id (and in its link), caller, message twice, configuration, the gateway's own
		"/statusz.json": 8, // the codes of Mavera's, but no link
		"/supportz":     6, // neither caller nor configuration
	} {
		text := read(board, target).Body.String()
		if strings.Contains(text, "efgh") {
			t.Errorf("%s has a key:\n%s", target, text)
		}
		if got := strings.Count(text, "mvra_live_abcd..."); got != shown {
			t.Errorf("%s has %d keys in their redacted form, want %d:\n%s", target, got, shown, text)
		}
	}
	for _, target := range []string{"/statusz.json", "/supportz"} {
		if text := read(board, target).Body.Bytes(); !json.Valid(text) || bytes.Contains(text, []byte("<script")) {
			t.Errorf("%s is not sound:\n%s", target, text)
		}
	}
}

func TestSpan(t *testing.T) {
	for seconds, want := range map[int64]string{
		0: "0 s", 59: "59 s", 60: "1 min", 61: "1 min 1 s", 3599: "59 min 59 s", 3600: "1 h", 3661: "1 h 1 min",
		86400: "1 d", 86400 + 59*60: "1 d", 90000: "1 d 1 h", 100 * 86400: "100 d",
	} {
		if got := span(seconds); got != want {
			t.Errorf("%d: %q, want %q", seconds, got, want)
		}
	}
}
