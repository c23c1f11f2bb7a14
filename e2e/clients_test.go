//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// shell runs a command as it would be pasted.
func shell(t *testing.T, line string) (string, error) {
	t.Helper()
	text, err := exec.CommandContext(within(t), "sh", "-c", line).CombinedOutput()
	return string(text), err
}

// TestGreeting pastes the lines that serve --simulator prints.
func TestGreeting(t *testing.T) {
	g := launch(t, nil, "--simulator")
	var lines []string
	for line := range strings.Lines(g.log()) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "grpcurl ") {
			lines = append(lines, line)
		}
	}
	want := []struct {
		output string // a part of it
		failed bool
	}{
		{"mavera.v1.PersonasService\n", false},
		{`"nextPageToken":`, false},
		{`"status": "RESPONSE_STATUS_COMPLETED"`, false},
		{`"delta": "Speaking as "`, false},
		{"Code: NotFound\n  Message: GetPersona: ", true},
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines are printed, want %d:\n%s", len(lines), len(want), strings.Join(lines, "\n"))
	}
	for i, line := range lines {
		output, err := shell(t, line)
		if (err != nil) != want[i].failed || !strings.Contains(output, want[i].output) {
			t.Errorf("%s\n%v\n%s\nwant: %s", line, err, output, want[i].output)
		}
	}
}

// TestGrpcurl shows what reflection is good for, and error details as people see them.
func TestGrpcurl(t *testing.T) {
	g := launch(t, nil, "--simulator")
	for _, row := range []struct {
		args   string
		want   string
		failed bool
	}{
		{`describe mavera.v1.UsageService.GetUsage`, "rpc GetUsage ( .mavera.v1.GetUsageRequest ) returns ( .mavera.v1.UsageReport )", false},
		{`mavera.v1.UsageService/GetUsage`, `"object": "usage"`, false},
		{`-d '{"id": "proj_abc123", "update_mask": {"paths": ["name"]}, "name": "Curled"}' ADDR mavera.v1.ProjectsService/UpdateProject`, `"name": "Curled"`, false},
		{`-d '{"id": "a/b"}' ADDR mavera.v1.PersonasService/GetPersona`, `"description": "must not hold a slash, a backslash or their escaped forms"`, true},
		{`-d '{"id": "none"}' ADDR mavera.v1.PersonasService/GetPersona`, `"reason": "RESOURCE_NOT_FOUND"`, true},
	} {
		args := row.args
		if !strings.Contains(args, "ADDR") {
			args = "ADDR " + args
		}
		line := "grpcurl -plaintext -format-error " + strings.Replace(args, "ADDR", g.addr, 1)
		output, err := shell(t, line)
		if (err != nil) != row.failed || !strings.Contains(strings.Join(strings.Fields(output), " "), row.want) {
			t.Errorf("%s\n%v\n%s\nwant: %s", line, err, output, row.want)
		}
	}
}

// TestHealthProbe is what Kubernetes without gRPC probes, and others, use.
func TestHealthProbe(t *testing.T) {
	g := launch(t, nil, "--simulator")
	for _, service := range []string{"", "mavera.v1.MaveService"} {
		if output, err := shell(t, "grpc-health-probe -addr="+g.addr+" -service="+service); err != nil || output != "status: SERVING\n" {
			t.Errorf("%q: %v: %s", service, err, output)
		}
	}
	if output, err := shell(t, "grpc-health-probe -addr="+g.addr+" -service=none"); err == nil {
		t.Errorf("none: %s", output)
	}
	g.stop()
	if output, err := shell(t, "grpc-health-probe -connect-timeout=2s -addr="+g.addr); err == nil {
		t.Errorf("after the stop: %s", output)
	}
}

// node runs a script of e2e/node and returns the JSON object that it prints.
func node(t *testing.T, script string, args ...string) object {
	t.Helper()
	return nodeFor(t, patience, script, args...)
}

// nodeFor is node for a script that may take longer than others.
func nodeFor(t *testing.T, limit time.Duration, script string, args ...string) object {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{script}, args...)...)
	cmd.Dir = "node"
	var stderr strings.Builder
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v (make e2e installs what it needs)\n%s", script, err, stderr.String())
	}
	var out object
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("node %s printed %s: %v", script, text, err)
	}
	return out
}

// TestNode calls with @grpc/grpc-js.
func TestNode(t *testing.T) {
	m, g := pair(t)
	protos, err := filepath.Abs("../proto")
	if err != nil {
		t.Fatal(err)
	}
	m.fault("GET /projects/{id}", object{"status": 200, "body": `{"id":"proj_abc123","mood":{"now":"good","was":[null,1.5]}}`})
	out := node(t, "grpc.mjs", g.addr, protos)

	failed, _ := out["error"].(object)
	id, _ := failed["requestId"].(string)
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
		t.Errorf("request id %q", id)
	}
	want := object{
		"credits":    "300",
		"persona":    object{"same": true, "name": "Node buyer", "type": "PERSONA_AUDIENCE_TYPE_B2C"},
		"pages":      []any{10.0, 10.0, 7.0},
		"additional": object{"mood": object{"now": "good", "was": []any{nil, 1.5}}},
		"error": object{
			"code": "NOT_FOUND", "message": "GetPersona: No resource has this id. (HTTP 404 resource_not_found)",
			"pushback": []any{"-1"}, "requestId": id,
			"details": []any{
				object{"type": "google.rpc.ErrorInfo", "reason": "RESOURCE_NOT_FOUND", "domain": "mavera.io", "metadata": object{
					"rpc": "GetPersona", "family": "personas", "attempts": "1", "waited_ms": "0", "retryable": "false",
					"http_status": "404", "upstream_code": "resource_not_found", "upstream_type": "not_found_error",
				}},
				object{"type": "google.rpc.RequestInfo", "request_id": id},
				object{"type": "google.rpc.LocalizedMessage", "locale": "en", "message": "This does not exist, or no longer."},
				object{"type": "google.rpc.ResourceInfo", "resource_type": "personas", "resource_name": "no-such-persona", "description": "No resource has this id."},
				object{"type": "google.rpc.Help", "links": []any{object{
					"description": "What the error means and how to handle it.", "url": "https://docs.mavera.io/guides/errors",
				}}},
			},
		},
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestOpenAI has the official client talk to the simulator itself: what it
// understands is no private fiction.
func TestOpenAI(t *testing.T) {
	m := startMavera(t)
	out := node(t, "openai.mjs", m.base.String(), simulator.DemoKey)
	text, _ := out["response"].(object)["text"].(string)
	streamed, _ := out["stream"].(object)["text"].(string)
	said, _ := out["chat"].(object)["text"].(string)
	if text == "" || streamed == "" || said == "" {
		t.Errorf("a text is empty: %q, %q, %q", text, streamed, said)
	}
	want := object{
		"response": object{"object": "response", "status": "completed", "text": text},
		"stream": object{"equal": true, "text": streamed, "events": []any{
			"response.created", "response.output_item.added", "response.content_part.added", "response.output_text.delta",
			"response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
		}},
		"helper":     object{"status": "completed", "text": streamed},
		"chat":       object{"object": "chat.completion", "role": "assistant", "text": said},
		"chatStream": object{"finish": "stop", "text": said},
		"refusal":    object{"name": "BadRequestError", "status": 400.0, "code": "missing_field", "param": "input"},
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
