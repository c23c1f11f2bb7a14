//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// An object is a JSON object.
type object = map[string]any

// A mavera is a running simulator and its control interface.
type mavera struct {
	*process
	base *url.URL // of the API
}

// startMavera starts a simulator without limits, whose jobs are done at once.
func startMavera(t *testing.T) *mavera {
	t.Helper()
	p := start(t, "mavera-simulator", nil, "-addr", "127.0.0.1:0", "-limit", "-1", "-credits", "1000000", "-token-delay", "0")
	base, err := url.Parse(p.awaitMessage("serving").text("base_url"))
	if err != nil {
		t.Fatal(err)
	}
	m := &mavera{process: p, base: base}
	m.control("PATCH", "settings", object{"job_duration": object{
		"focus_groups": "0s", "video_analyses": "0s", "brand_voices": "0s", "meetings": "0s",
	}}, nil)
	return m
}

// control gives the simulator a command.
func (m *mavera) control(method, command string, body, into any) {
	m.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		m.t.Fatal(err)
	}
	request, err := http.NewRequest(method, "http://"+m.base.Host+"/_control/"+command, bytes.NewReader(text))
	if err != nil {
		m.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		m.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		m.t.Fatalf("%s %s: %s %s %v", method, command, response.Status, answer, err)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			m.t.Fatalf("%s %s: %v", method, command, err)
		}
	}
}

// fault scripts what happens to the next call of a route.
func (m *mavera) fault(route string, script object) {
	m.t.Helper()
	body := object{"route": route}
	maps.Copy(body, script)
	m.control("POST", "faults", body, nil)
}

// heal forgets all faults.
func (m *mavera) heal() {
	m.t.Helper()
	m.control("DELETE", "faults", nil, nil)
}

// requests are those that came since the last forget.
func (m *mavera) requests() []simulator.Request {
	m.t.Helper()
	var journal struct{ Requests []simulator.Request }
	m.control("GET", "requests", nil, &journal)
	return journal.Requests
}

// forget empties the journal.
func (m *mavera) forget() {
	m.t.Helper()
	m.control("DELETE", "requests", nil, nil)
}

// awaitRequest waits until a request of an operation has come.
func (m *mavera) awaitRequest(operation string) {
	m.t.Helper()
	eventually(m.t, "a request of "+operation, func() bool {
		for _, r := range m.requests() {
			if r.OperationID == operation {
				return true
			}
		}
		return false
	})
}

// lastTarget is path and query, below the base path, of the last request.
func (m *mavera) lastTarget() string {
	m.t.Helper()
	requests := m.requests()
	if len(requests) == 0 {
		return ""
	}
	last := requests[len(requests)-1]
	target := strings.TrimPrefix(last.Path, simulator.BasePath)
	if last.Query != "" {
		target += "?" + last.Query
	}
	return target
}
