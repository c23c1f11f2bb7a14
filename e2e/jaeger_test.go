//go:build e2e

package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// jaegerConfig is a Jaeger with nothing but OTLP in, memory, and its query API.
const jaegerConfig = `
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {receivers: [otlp], exporters: [jaeger_storage_exporter]}
  telemetry:
    metrics: {level: none}
    logs: {level: warn}
extensions:
  jaeger_query:
    storage: {traces: memory}
    grpc: {endpoint: %[2]q}
    http: {endpoint: %[3]q}
  jaeger_storage:
    backends:
      memory: {memory: {max_traces: 1000}}
receivers:
  otlp:
    protocols:
      grpc: {endpoint: %[1]q}
exporters:
  jaeger_storage_exporter: {trace_storage: memory}
`

// A jaeger is a running Jaeger.
type jaeger struct {
	*process
	otlp, query string // host:port
}

// startJaeger starts the Jaeger that tools/install has built.
func startJaeger(t *testing.T) *jaeger {
	t.Helper()
	program, err := exec.LookPath("jaeger")
	if err != nil {
		t.Fatalf("tools/install jaeger builds it, make e2e calls that: %v", err)
	}
	j := &jaeger{otlp: freePort(t), query: freePort(t)}
	config := filepath.Join(t.TempDir(), "jaeger.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, jaegerConfig, j.otlp, freePort(t), j.query), 0o600); err != nil {
		t.Fatal(err)
	}
	// It would trace itself to an address at which nobody listens.
	j.process = start(t, program, []string{"OTEL_TRACES_SAMPLER=always_off"}, "--config", config)
	eventually(t, "Jaeger", func() bool {
		_, err := j.get("services", nil)
		return err == nil
	})
	return j
}

// get asks the query API.
func (j *jaeger) get(path string, into any) (status int, err error) {
	response, err := http.Get("http://" + j.query + "/api/" + path)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if into == nil {
		return response.StatusCode, nil
	}
	return response.StatusCode, json.NewDecoder(response.Body).Decode(into)
}

// A jaegerSpan is a span as the query API shows it.
type jaegerSpan struct {
	TraceID, SpanID, OperationName string
	References                     []struct{ RefType, TraceID, SpanID string }
	StartTime, Duration            int64 // microseconds
	Tags                           []jaegerTag
	Logs                           []struct {
		Timestamp int64
		Fields    []jaegerTag
	}
}

type jaegerTag struct {
	Key   string
	Value any
}

// traces waits until a service has so many spans, and returns them by trace.
func (j *jaeger) traces(t *testing.T, service string, spans int) map[string][]*jaegerSpan {
	t.Helper()
	var found map[string][]*jaegerSpan
	got := 0
	eventually(t, fmt.Sprintf("%d spans of %s", spans, service), func() bool {
		var answer struct {
			Data []struct{ Spans []*jaegerSpan }
		}
		if _, err := j.get("traces?service="+service, &answer); err != nil {
			t.Fatal(err)
		}
		got, found = 0, map[string][]*jaegerSpan{}
		for _, trace := range answer.Data {
			for _, span := range trace.Spans {
				found[span.TraceID] = append(found[span.TraceID], span)
				got++
			}
		}
		return got >= spans
	})
	if got > spans {
		t.Errorf("%s has %d spans, want %d", service, got, spans)
	}
	return found
}

// varying are tags whose values change from run to run, and what is shown for them.
var varying = regexp.MustCompile(`(127\.0\.0\.1):\d+|(focus-groups/)\w+|^(server\.port)=\d+|^(mavera\.delay)=\S+|^(gen_ai\.response\.id)=\S+`)

// tree shows the spans of traces, each with its kind, status, tags and events, below
// its parent; what has a parent elsewhere says so.
func tree(spans []*jaegerSpan) string {
	known := map[string]string{} // names by ids
	for _, span := range spans {
		known[span.SpanID] = span.OperationName
	}
	children := map[string][]*jaegerSpan{}
	for _, span := range spans {
		parent := ""
		for _, reference := range span.References {
			if reference.RefType == "CHILD_OF" && known[reference.SpanID] != "" {
				parent = reference.SpanID
			}
		}
		children[parent] = append(children[parent], span)
	}
	var b strings.Builder
	var show func(parent, indent string)
	show = func(parent, indent string) {
		slices.SortFunc(children[parent], func(a, b *jaegerSpan) int {
			return cmp.Or(cmp.Compare(a.StartTime, b.StartTime), cmp.Compare(a.OperationName, b.OperationName))
		})
		for _, span := range children[parent] {
			b.WriteString(indent + span.OperationName + "\n")
			inside := indent + "    "
			for _, reference := range span.References {
				if reference.RefType != "CHILD_OF" {
					b.WriteString(inside + "links to " + known[reference.SpanID] + "\n")
				} else if known[reference.SpanID] == "" {
					b.WriteString(inside + "below the caller's span " + reference.SpanID + "\n")
				}
			}
			for _, tag := range tags(span.Tags) {
				b.WriteString(inside + tag + "\n")
			}
			for _, log := range span.Logs {
				b.WriteString(inside + "- " + strings.Join(tags(log.Fields), " ") + "\n")
			}
			show(span.SpanID, indent+"  ")
		}
	}
	show("", "")
	return b.String()
}

// tags are the tags as sorted lines.
func tags(list []jaegerTag) []string {
	lines := map[string]bool{}
	for _, tag := range list {
		if !strings.HasPrefix(tag.Key, "otel.scope.") && tag.Key != "internal.span.format" {
			lines[varying.ReplaceAllString(fmt.Sprintf("%s=%v", tag.Key, tag.Value), "$1$2$3$4$5*")] = true
		}
	}
	return slices.Sorted(maps.Keys(lines))
}
