package deploy

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// An alert is a rule of prometheus/alerts.yaml.
type alert struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	if err := yaml.Unmarshal(read(t, "prometheus/alerts.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	var all []alert
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// A panel is a panel of grafana/dashboard.json.
type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct{ Expr string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	var file struct{ Panels []panel }
	if err := json.Unmarshal(read(t, "grafana/dashboard.json"), &file); err != nil {
		t.Fatal(err)
	}
	return file.Panels
}

// A row is a row of the table of metrics in docs/operations.md.
type row struct {
	instrument
	labels []string
}

var metricRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (counter|gauge|histogram) \\| (.*) \\| (.*) \\|$")

func documented(t *testing.T) map[string]row {
	t.Helper()
	rows := map[string]row{}
	for _, match := range metricRow.FindAllStringSubmatch(string(read(t, "../docs/operations.md")), -1) {
		r := row{instrument: instrument{kind: match[2], help: match[4]}}
		if match[3] != "" {
			r.labels = strings.Split(match[3], ", ")
		}
		rows[match[1]] = r
	}
	return rows
}

// expressions are the queries of the alerts and of the dashboard, by who asks.
func expressions(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, a := range alerts(t) {
		all["alert "+a.Alert] = append(all["alert "+a.Alert], a.Expr)
	}
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			all["panel "+p.Title] = append(all["panel "+p.Title], target.Expr)
		}
	}
	return all
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
