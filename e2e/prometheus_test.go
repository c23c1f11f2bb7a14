//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/metadata"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// A promServer is a running Prometheus that scrapes one gateway.
type promServer struct {
	*process
	addr string
}

// startPrometheus starts one with the alerts of deploy/.
func startPrometheus(t *testing.T, target string) *promServer {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Abs("../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf(`global: {scrape_interval: 100ms, evaluation_interval: 100ms}
rule_files: [%q]
scrape_configs: [{job_name: mavera-gateway, static_configs: [{targets: [%q]}]}]
`, rules, target)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &promServer{process: start(t, program, nil, "--log.format=json", "--web.listen-address=127.0.0.1:0",
		"--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"))}
	p.addr = p.awaitMessage("Listening on").text("address")
	p.awaitMessage("Server is ready to receive web requests.")
	return p
}

// A series is one result of a query at one time.
type series struct {
	Metric map[string]string
	Value  [2]any // seconds, number as text
}

// ask asks Prometheus's API for what is at a path.
func (p *promServer) ask(path string, parameters url.Values, into any) {
	p.t.Helper()
	response, err := http.Get("http://" + p.addr + "/api/v1/" + path + "?" + parameters.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	answer := struct{ Data any }{into}
	if err := json.Unmarshal(text, &answer); err != nil || response.StatusCode != http.StatusOK {
		p.t.Fatalf("%s %v: %s %s", path, parameters, response.Status, text)
	}
}

// query is what a query gives now.
func (p *promServer) query(expr string) []series {
	p.t.Helper()
	var data struct{ Result []series }
	p.ask("query", url.Values{"query": {expr}}, &data)
	return data.Result
}

// figures are the results of a query by one label: "ok 4, http_503 8".
func (p *promServer) figures(expr, label string) string {
	p.t.Helper()
	var all []string
	for _, s := range p.query(expr) {
		all = append(all, strings.TrimSpace(s.Metric[label]+" "+s.Value[1].(string)))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// TestPrometheus makes calls that leave a trace in every metric, and reads the figures
// back through Prometheus.
func TestPrometheus(t *testing.T) {
	m := startMavera(t)
	// A call pays for one retry, so that what is repeated can be counted on the fingers.
	g := launch(t, []string{"MAVERA_API_KEY=" + simulator.DemoKey, "MAVERA_BASE_URL=" + m.base.String(), "GOMEMLIMIT=200MiB", "OTEL_TRACES_EXPORTER=console"},
		"--retry-budget-stock=0", "--retry-budget-ratio=1", "--breaker-failures=7", "--breaker-cooldown=5m", "--recover-creates")
	p := startPrometheus(t, g.admin)
	eventually(t, "the first scrape", func() bool { return p.figures("up", "job") == "mavera-gateway 1" })

	get := func() { g.getPersona(within(t), personaID) }
	for range 3 {
		get() // three retries to spend
	}
	m.fault(getRoute, on(getRoute, 2, answer(503)))
	get() // pays for one, spends two
	m.fault(getRoute, on(getRoute, -1, answer(503)))
	get() // pays for one, spends three: four attempts are the most
	get() // pays for one, spends it, and finds no more
	get() // the seventh failure in a row: the breaker opens
	get() // is refused
	m.heal()
	m.fault("GET /projects/{id}", object{"status": 200, "body": `{"id": "p", "name": "P", "surprise": 1}`})
	if _, err := g.projects.GetProject(within(t), &maverav1.GetProjectRequest{Id: "p"}); err != nil {
		t.Error(err)
	}
	create := func() {
		if _, err := g.responses.CreateResponse(within(t), &maverav1.CreateResponseRequest{
			Model: "mavera-1", PersonaId: new(personaID), Input: &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: "Which?"}},
		}); err != nil {
			t.Error(err)
		}
	}
	create()

	want := map[string]string{
		`sum by (outcome) (mavera_gateway_upstream_attempts_total{family="personas"}) # outcome`:                "http_503 9, ok 4",
		`sum by (family) (mavera_gateway_upstream_attempts_total) # family`:                                     "personas 13, projects 1, responses 1",
		`sum by (reason) (mavera_gateway_retries_total) # reason`:                                               "http_503 6",
		`mavera_gateway_retry_budget_refusals_total # family`:                                                   "personas 1",
		`mavera_gateway_breaker_state > 0 # family`:                                                             "personas 2",
		`mavera_gateway_breaker_transitions_total # to`:                                                         "open 1",
		`sum by (family) (mavera_gateway_credits_used_total) # family`:                                          "responses 1",
		`mavera_gateway_unmodelled_fields_total # field`:                                                        "surprise 1",
		`sum by (class) (mavera_gateway_wait_seconds_count) # class`:                                            "interactive 15",
		`mavera_gateway_refusals_total # reason`:                                                                "CIRCUIT_OPEN 1",
		`mavera_gateway_panics_total # none`:                                                                    "0",
		`mavera_gateway_slots # family`:                                                                         "focus_groups 5, mave 10, video_analyses 3",
		`sum by (rpc_response_status_code) (rpc_server_call_duration_seconds_count) # rpc_response_status_code`: "OK 6, UNAVAILABLE 4",
		`mavera_gateway_window_used # none`:                                                                     "15",
		`go_gc_gomemlimit_bytes # none`:                                                                         strconv.Itoa(200 << 20),
		// The one alert on a first occurrence; the others want time.
		`ALERTS{alertstate="firing"} # alertname`: "MaveraUnmodelledFields 1",
	}
	got := map[string]string{}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(patience); !maps.Equal(want, got) && time.Now().Before(limit); <-tick.C {
		for query := range want {
			expr, label, _ := strings.Cut(query, " # ")
			got[query] = p.figures(expr, label)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	watchJob(t, m, g)
	m.fault("POST /responses", on("POST /responses", 1, answer(400)))
	if _, err := g.responses.CreateResponse(within(t), &maverav1.CreateResponseRequest{
		Model: "mavera-1", PersonaId: new(personaID), Input: &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: "Which?"}},
	}); err == nil {
		t.Error("a 400 went well")
	}
	unsure := func() { // a create that has its effect and answers 500, from a peer that claims to speak for another
		m.fault(voiceRoute, on(voiceRoute, 1, failAfterEffect()))
		ctx := metadata.AppendToOutgoingContext(within(t), "x-forwarded-client-cert", "URI=spiffe://example.org/somebody")
		if _, err := g.voices.CreateBrandVoice(ctx, &maverav1.CreateBrandVoiceRequest{
			Label: "Acme", UsageContext: "Texts of all kinds", Urls: []*maverav1.BrandVoiceUrlInput{{Url: new("https://acme.example.com")}},
		}); err != nil {
			t.Error(err)
		}
	}
	unsure()
	eventually(t, "the look-up to be scraped", func() bool { return len(p.query("mavera_gateway_create_lookups_total")) > 0 })
	t.Run("the exposition is sound", func(t *testing.T) { checkExposition(t, g) })
	eventually(t, "the job to be scraped", func() bool { return len(p.query("mavera_gateway_job_duration_seconds_count > 0")) > 0 })
	eventually(t, "the 400 to be scraped", func() bool { return len(p.query(`gen_ai_client_operation_duration_seconds_count{error_type!=""}`)) > 0 })
	t.Run("every metric is documented", func(t *testing.T) { checkDocumented(t, p) })
	unsure()
	create() // Prometheus sees a counter grow only from its second value on
	t.Run("every panel shows something", func(t *testing.T) { checkDashboard(t, p) })
}

// watchJob runs a focus group to its end.
func watchJob(t *testing.T, m *mavera, g *gateway) {
	t.Helper()
	m.control("PATCH", "settings", object{"job_duration": object{"focus_groups": "100ms"}}, nil)
	group, err := g.groups.CreateFocusGroup(within(t), &maverav1.CreateFocusGroupRequest{
		WorkspaceId: new(workspaceID), Name: new("Bottle test"), PersonaIds: []string{personaID}, SampleSize: new(int32(10)),
		Questions: []*maverav1.FocusGroupQuestion{{Id: new("q1"), Type: new("NPS"), Question: new("Would you recommend it?")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the job", func() bool {
		got, err := g.groups.GetFocusGroup(within(t), &maverav1.GetFocusGroupRequest{Id: group.GetId()})
		if err != nil {
			t.Fatal(err)
		}
		return strings.EqualFold(got.GetStatus(), "completed")
	})
	stream, err := g.groups.WatchFocusGroup(within(t), &maverav1.WatchFocusGroupRequest{Id: group.GetId()})
	for err == nil {
		_, err = stream.Recv()
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

// checkExposition lets promtool judge names, units and help.
func checkExposition(t *testing.T, g *gateway) {
	t.Helper()
	_, page := g.page("/metrics")
	check := exec.CommandContext(within(t), "promtool", "check", "metrics")
	check.Stdin = strings.NewReader(page)
	if output, err := check.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("%v\n%s", err, output)
	}
}

// checkDocumented holds the gateway's series and their labels against the table of
// docs/operations.md.
func checkDocumented(t *testing.T, p *promServer) {
	t.Helper()
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (counter|gauge|histogram) \\| (.*) \\| .* \\|$").FindAllStringSubmatch(string(page), -1) {
		labels := slices.DeleteFunc(strings.Split(row[3], ", "), func(s string) bool { return s == "" })
		slices.Sort(labels)
		if row[2] == "histogram" {
			want[row[1]+"_sum"], want[row[1]+"_count"] = strings.Join(labels, " "), strings.Join(labels, " ")
			labels = append(labels, "le")
			row[1] += "_bucket"
			slices.Sort(labels)
		}
		want[row[1]] = strings.Join(labels, " ")
	}
	var exposed []map[string]string
	p.ask("series", url.Values{"match[]": {`{job="mavera-gateway", __name__!~"(go|process|promhttp)_.*|up|target_info|scrape_.*|ALERTS.*"}`}}, &exposed)
	seen := map[string]map[string]bool{}
	for _, s := range exposed {
		name := s["__name__"]
		if seen[name] == nil {
			seen[name] = map[string]bool{}
		}
		for label := range s {
			if label != "__name__" && label != "job" && label != "instance" {
				seen[name][label] = true // some series of a metric may lack it
			}
		}
	}
	got := map[string]string{}
	for name, labels := range seen {
		got[name] = strings.Join(slices.Sorted(maps.Keys(labels)), " ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels by metric, -docs/operations.md +exposed:\n%s", diff)
	}
}

// checkDashboard runs every query of the dashboard as Grafana would.
func checkDashboard(t *testing.T, p *promServer) {
	t.Helper()
	text, err := os.ReadFile("../deploy/grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$job", ".*", "$instance", ".*", "$__rate_interval", "1m")
	asked := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			asked++
			eventually(t, panel.Title+": "+target.Expr, func() bool { return len(p.query(variables.Replace(target.Expr))) > 0 })
		}
	}
	if asked < 30 {
		t.Errorf("the dashboard has %d queries", asked)
	}
}

// TestMetricsOff leaves the metrics of the runtime and the process.
func TestMetricsOff(t *testing.T) {
	g := launch(t, nil, "--simulator", "--metrics=false")
	if _, err := g.personas.ListPersonas(within(t), &maverav1.ListPersonasRequest{}); err != nil {
		t.Error(err)
	}
	_, metrics := g.page("/metrics")
	if !strings.Contains(metrics, "\ngo_goroutines ") || strings.Contains(metrics, "mavera_gateway_") || strings.Contains(metrics, "rpc_server_call") {
		t.Errorf("/metrics has\n%s", metrics)
	}
}
