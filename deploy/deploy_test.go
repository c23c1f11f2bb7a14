package deploy

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDocumentedMetrics(t *testing.T) {
	got := map[string]instrument{}
	for name, row := range documented(t) {
		got[name] = row.instrument
	}
	if diff := cmp.Diff(instruments(t), got, cmp.AllowUnexported(instrument{})); diff != "" {
		t.Errorf("the table of docs/operations.md, -instruments +table:\n%s", diff)
	}
}

// usual are metrics that are not the gateway's own, with their labels: those of
// Prometheus, of Go and of the process.
var usual = map[string][]string{
	"up": nil, "process_start_time_seconds": nil, "process_resident_memory_bytes": nil, "process_cpu_seconds_total": nil, "process_open_fds": nil,
	"go_goroutines": nil, "go_gc_gomemlimit_bytes": nil, "go_build_info": {"checksum", "path", "version"},
}

// ofTarget are labels that Prometheus gives to every metric of a target.
var ofTarget = []string{"job", "instance", "namespace"}

var (
	// word is a name, of a metric or anything else; what is quoted is none.
	word     = regexp.MustCompile(`"[^"]*"|\$?[a-zA-Z_][a-zA-Z0-9_]*`)
	selector = regexp.MustCompile(`([a-z_]+)\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping = regexp.MustCompile(`\b(?:by|without|on) \(([^)]*)\)`)
)

// language are the words of PromQL that the expressions use.
var language = strings.Fields("absent and avg avg_over_time by changes count histogram_quantile increase max max_over_time min offset or rate sum topk unless vector $__rate_interval")

// TestExpressions looks for metrics and labels that do not exist: a query with one is
// empty for ever, and nobody is told.
func TestExpressions(t *testing.T) {
	known := maps.Clone(usual)
	for name, row := range documented(t) {
		known[name] = row.labels
		if row.kind == "histogram" {
			known[name+"_bucket"] = append(slices.Clone(row.labels), "le")
			known[name+"_count"], known[name+"_sum"] = row.labels, row.labels
			delete(known, name)
		}
	}
	used := map[string]bool{}
	for who, queries := range expressions(t) {
		for _, query := range queries {
			var labels []string // of the metrics in the query
			for _, name := range word.FindAllString(grouping.ReplaceAllString(selector.ReplaceAllString(query, "$1"), ""), -1) {
				if of, metric := known[name]; metric {
					used[name] = true
					labels = append(labels, of...)
				} else if name[0] != '"' && !slices.Contains(language, name) && !duration.MatchString(name) {
					t.Errorf("%s: %s is neither a metric nor a word of PromQL: %s", who, name, query)
				}
			}
			labels = append(labels, ofTarget...)
			for _, match := range selector.FindAllStringSubmatch(query, -1) {
				for _, label := range matcher.FindAllStringSubmatch(match[2], -1) {
					if !slices.Contains(append(slices.Clone(known[match[1]]), ofTarget...), label[1]) {
						t.Errorf("%s: %s has no label %s", who, match[1], label[1])
					}
				}
			}
			for _, match := range grouping.FindAllStringSubmatch(query, -1) {
				for label := range strings.SplitSeq(match[1], ",") {
					if !slices.Contains(labels, strings.TrimSpace(label)) {
						t.Errorf("%s: by a label that nothing has, %s: %s", who, label, query)
					}
				}
			}
		}
	}
	for name, row := range documented(t) {
		if !used[name] && !(row.kind == "histogram" && (used[name+"_bucket"] || used[name+"_sum"])) {
			t.Errorf("%s is neither on the dashboard nor in an alert", name)
		}
	}
}

// duration is what is left of 10m once the number is no part of a name.
var duration = regexp.MustCompile(`^(ms|[smhd]|e[0-9]+)$`)

func TestRunbook(t *testing.T) {
	const page = "https://github.com/mavera-gateway/mavera-gateway/blob/main/docs/operations.md#"
	var want, severities []string
	for _, a := range alerts(t) {
		want = append(want, a.Alert)
		if got := a.Annotations["runbook_url"]; got != page+strings.ToLower(a.Alert) {
			t.Errorf("%s: runbook_url is %q", a.Alert, got)
		}
		if a.Annotations["summary"] == "" {
			t.Errorf("%s has no summary", a.Alert)
		}
		if severity := a.Labels["severity"]; !slices.Contains(severities, severity) {
			severities = append(severities, severity)
		}
	}
	var got []string
	_, runbook, _ := strings.Cut(string(read(t, "../docs/operations.md")), "\n## Runbook\n")
	runbook, _, _ = strings.Cut(runbook, "\n## ")
	for _, heading := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(runbook, -1) {
		got = append(got, heading[1])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the entries of the runbook, -alerts +entries:\n%s", diff)
	}
	slices.Sort(severities)
	if diff := cmp.Diff([]string{"critical", "info", "warning"}, severities); diff != "" {
		t.Errorf("severities, -want +got:\n%s", diff)
	}
	for _, a := range want {
		if !strings.Contains(string(read(t, "prometheus/alerts_test.yaml")), "alertname: "+a+"\n") {
			t.Errorf("%s has no test", a)
		}
	}
}

// TestDashboard looks for what Grafana would show, but nobody could read.
func TestDashboard(t *testing.T) {
	ids := map[int]string{}
	taken := map[[2]int]string{}
	for _, p := range panels(t) {
		if other, twice := ids[p.ID]; twice {
			t.Errorf("%s and %s have one id", p.Title, other)
		}
		ids[p.ID] = p.Title
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" && other != p.Title {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s is too wide", p.Title)
		}
		if p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("%s has no description or no query", p.Title)
		}
	}
}
