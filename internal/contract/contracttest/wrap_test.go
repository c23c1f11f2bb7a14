package contracttest_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mavera-gateway/mavera-gateway/internal/contract/contracttest"
)

// reports stands in for the test that Wrap would fail.
type reports struct {
	testing.TB
	lines []string
}

func (r *reports) Helper() {}

func (r *reports) Errorf(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func TestWrap(t *testing.T) {
	const refusal = `{"error":{"message":"m","type":"t","code":"c","param":null}}`
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for _, tt := range []struct {
		name, method, target, body string
		options                    []contracttest.Option
		next                       http.HandlerFunc
		want                       []string // A part of each report.
	}{
		{name: "valid", method: "GET", target: "/api/v1/usage", next: answer(200, `{"object":"usage"}`)},
		{name: "bad answer", method: "GET", target: "/api/v1/usage", next: answer(200, `{"object":"other"}`), want: []string{"answer to GET /api/v1/usage: getUsage: status 200: body"}},
		{name: "bad request", method: "POST", target: "/api/v1/workspaces", body: `{}`, next: answer(400, refusal), want: []string{"request POST /api/v1/workspaces: createWorkspace: body"}},
		{name: "bad request, refused and allowed", method: "POST", target: "/api/v1/workspaces", body: `{}`, options: []contracttest.Option{contracttest.AllowRefused()}, next: answer(400, refusal)},
		{name: "bad request, accepted and allowed", method: "POST", target: "/api/v1/workspaces", body: `{}`, options: []contracttest.Option{contracttest.AllowRefused()}, next: answer(201, `{}`), want: []string{"createWorkspace"}},
		{name: "unknown operation", method: "GET", target: "/api/v1/nothing", next: answer(404, refusal), want: []string{"no such operation", "no such operation"}},
		{name: "outside the API", method: "GET", target: "/_control/faults", next: answer(200, `nonsense`)},
		{name: "fault", method: "GET", target: "/api/v1/usage", next: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(contracttest.FaultHeader, "1")
			answer(200, `nonsense`)(w, r)
		}},
		{name: "gzip", method: "GET", target: "/api/v1/usage", next: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			zw := gzip.NewWriter(w)
			_, _ = io.WriteString(zw, `{"object":1}`)
			_ = zw.Close()
		}, want: []string{"/object"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := &reports{TB: t}
			r := httptest.NewRequest(tt.method, tt.target, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", "application/json")
			contracttest.Wrap(got, tt.next, tt.options...).ServeHTTP(httptest.NewRecorder(), r)
			if len(got.lines) != len(tt.want) {
				t.Fatalf("reports %q, want %q", got.lines, tt.want)
			}
			for i, part := range tt.want {
				if !strings.Contains(got.lines[i], part) {
					t.Errorf("report %q does not contain %q", got.lines[i], part)
				}
			}
		})
	}
}

func TestWrapPassesTheBodyAndFlushes(t *testing.T) {
	var got string
	h := contracttest.Wrap(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = string(b)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":"ws_1"}`)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	}))
	r := httptest.NewRequest("POST", "/api/v1/workspaces", strings.NewReader(`{"name":"n"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got != `{"name":"n"}` || w.Code != http.StatusCreated || w.Body.String() != `{"id":"ws_1"}` || !w.Flushed {
		t.Errorf("body %q, status %d, answer %q, flushed %v", got, w.Code, w.Body, w.Flushed)
	}
}

func TestWrapReportsTheRequestOfAnAbortedAnswer(t *testing.T) {
	got := &reports{TB: t}
	h := contracttest.Wrap(got, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the abort was swallowed")
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/api/v1/usage?odd=1", nil))
	}()
	if len(got.lines) != 1 || !strings.Contains(got.lines[0], `"odd" is not in the contract`) {
		t.Errorf("reports %q", got.lines)
	}
}
