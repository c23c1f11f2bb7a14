package simulator_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/mavera-gateway/mavera-gateway/internal/contract"
	"github.com/mavera-gateway/mavera-gateway/internal/contract/contracttest"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type object = map[string]any

// api is a client of a simulator whose every exchange is held against the contract.
type api struct {
	t      *testing.T
	sim    *simulator.Simulator
	server *httptest.Server
	key    string
}

func newSimulator(t *testing.T, o simulator.Options) *simulator.Simulator {
	t.Helper()
	sim, err := simulator.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

// start serves a simulator over TCP. Without a limit of its own it has none.
func start(t *testing.T, o simulator.Options) *api {
	t.Helper()
	if o.Settings.Limit == 0 {
		o.Settings.Limit = 100000
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	sim := newSimulator(t, o)
	server := httptest.NewServer(contracttest.Wrap(t, sim, contracttest.AllowRefused()))
	t.Cleanup(func() {
		server.Client().CloseIdleConnections()
		server.Close()
	})
	return &api{t: t, sim: sim, server: server, key: simulator.DemoKey}
}

func (a *api) request(method, path string, body any) *http.Request {
	a.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	case []byte:
		reader = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			a.t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	if !strings.HasPrefix(path, "/_") {
		path = simulator.BasePath + path
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.server.URL+path, reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if reader != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if a.key != "" {
		r.Header.Set("Authorization", "Bearer "+a.key)
	}
	return r
}

// send returns status, headers and text of the answer.
func (a *api) send(method, path string, body any) (int, http.Header, string) {
	a.t.Helper()
	res, err := a.server.Client().Do(a.request(method, path, body))
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res.StatusCode, res.Header, string(text)
}

// ok sends a call that must succeed and returns its object.
func (a *api) ok(method, path string, body any) object {
	a.t.Helper()
	status, header, text := a.send(method, path, body)
	if status/100 != 2 {
		a.t.Fatalf("%s %s: status %d: %s", method, path, status, text)
	}
	for _, name := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Date"} {
		if header.Get(name) == "" && !strings.HasPrefix(path, "/_") {
			a.t.Errorf("%s %s: no header %s", method, path, name)
		}
	}
	return parse(a.t, text)
}

// refused sends a call that must fail and returns "status code param".
func (a *api) refused(method, path string, body any) string {
	a.t.Helper()
	status, _, text := a.send(method, path, body)
	e, _ := parse(a.t, text)["error"].(object)
	out, err := json.Marshal([]any{status, e["code"], e["param"]})
	if err != nil {
		a.t.Fatal(err)
	}
	return string(out)
}

func parse(t *testing.T, text string) object {
	t.Helper()
	var out object
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return out
}

// sample is an example request of the contract.
func sample(t *testing.T, name string) object {
	t.Helper()
	text, err := contract.Examples.ReadFile("examples/" + name + ".request.json")
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(text))
}

// with returns a copy of o with other fields; nil removes one.
func with(o object, change object) object {
	out := maps.Clone(o)
	for k, v := range change {
		out[k] = v
		if v == nil {
			delete(out, k)
		}
	}
	return out
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
