//go:build e2e

package e2e

import (
	"encoding/json"
	"image/png"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// TestStatusPage looks at /statusz with a real browser, on a desk and on a phone, while
// calls are made. The screenshots are in SCREENSHOTS, if that is set.
func TestStatusPage(t *testing.T) {
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v (make e2e installs it)", err)
	}
	protos, err := filepath.Abs("../proto")
	if err != nil {
		t.Fatal(err)
	}
	pictures := t.TempDir()
	if kept := os.Getenv("SCREENSHOTS"); kept != "" {
		pictures = kept
	}
	m, g := pair(t, "--retry-attempts=1", "--breaker-failures=1")
	m.lasting(time.Hour)
	group := g.createStudy(t)
	m.fault("GET /news/stories/trending", object{"status": 500, "body": `{"error":{"message":"no key ` + simulator.DemoKey + `"}}`, "times": -1})

	out := nodeFor(t, 2*time.Minute, "statusz.mjs", program, g.admin, g.addr, protos, group, pictures)
	configuration, _ := out["configuration"].(string)
	if !strings.Contains(configuration, "breaker_failures: 1 ") || !strings.Contains(configuration, "mvra_live_") || strings.Contains(configuration, simulator.DemoKey) {
		t.Errorf("the configuration:\n%s", configuration)
	}
	delete(out, "configuration")
	want := object{
		"title": "mavera-gateway", "plain": "mavera-gateway", "complaints": []any{}, "loads": 1.0, "leftAlone": true,
		"before":   object{"failures": "None.", "breaker": "closed", "calls": "0"},
		"calls":    []any{"OK", "NOT_FOUND", "INTERNAL", "UNAVAILABLE"},
		"after":    object{"breaker": "open", "calls": "2", "failed": "2", "refused": "1"},
		"requests": []any{"seen-refused", "seen-failed", "seen-missing"},
		"callers":  []any{"mvra_live_abcd...", "storefront", "<script>document.title='run'</script>"},
		"overflow": object{"desk": 0.0, "tablet": 0.0, "phone": 0.0, "configuration": 0.0},
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, device := range []struct {
		name  string
		width int
	}{{"desk", 1280}, {"tablet", 800}, {"phone", 390}} {
		for _, scheme := range []string{"light", "dark"} {
			if got := widthOf(t, filepath.Join(pictures, device.name+"-"+scheme+".png")); got != device.width {
				t.Errorf("%s, %s: the picture is %d pixels wide", device.name, scheme, got)
			}
		}
	}
	t.Run("for support", func(t *testing.T) { checkSupport(t, g) })
}

// widthOf is how wide a picture is that was taken of the whole page: where something
// sticks out, wider than the screen.
func widthOf(t *testing.T, path string) int {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	picture, err := png.DecodeConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	return picture.Width
}

// checkSupport reads what is given to Mavera's support: the calls that it has seen.
func checkSupport(t *testing.T, g *gateway) {
	t.Helper()
	code, text := g.page("/supportz?request_id=seen-failed")
	var bundle struct {
		Key      string
		Failures []object
	}
	if err := json.Unmarshal([]byte(text), &bundle); err != nil || code != http.StatusOK || len(bundle.Failures) != 1 {
		t.Fatalf("%d %v\n%s", code, err, text)
	}
	call := bundle.Failures[0]
	for _, varying := range []string{"at", "duration_ms"} {
		if call[varying] == nil {
			t.Errorf("there is no %s:\n%s", varying, text)
		}
		delete(call, varying)
	}
	want := object{
		"request_id": "seen-failed", "rpc": "ListTrendingNewsStories", "route": "GET /news/stories/trending", "family": "news",
		"code": "Internal", "reason": "HTTP_500", "message": "ListTrendingNewsStories: Mavera failed (HTTP 500)",
		"http_status": 500.0, "attempts": 1.0, "waited_ms": 0.0,
	}
	if diff := cmp.Diff(want, call); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, all := g.page("/supportz"); strings.Contains(all, "seen-refused") || !strings.Contains(all, "seen-missing") {
		t.Errorf("all that Mavera has seen:\n%s", all)
	}
	const shown = len("mvra_live_abcd")
	if want := simulator.DemoKey[:shown] + "..."; bundle.Key != want || strings.Contains(text, simulator.DemoKey) {
		t.Errorf("the key is %q, want %q", bundle.Key, want)
	}
}

// TestLogLevel has a gateway that runs log what it did not, and less than it did.
func TestLogLevel(t *testing.T) {
	_, g := pair(t)
	set := func(level string) {
		t.Helper()
		request, err := http.NewRequestWithContext(within(t), http.MethodPut, "http://"+g.admin+"/loglevel", strings.NewReader(level))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if _, page := g.page("/statusz.json"); response.StatusCode != http.StatusOK || !strings.Contains(page, `"log_level": "`+level+`"`) {
			t.Errorf("%s: %s\n%s", level, response.Status, page)
		}
	}
	probe := func(id string) {
		t.Helper()
		ctx := metadata.AppendToOutgoingContext(within(t), "x-request-id", id)
		if _, err := g.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	probe("before")
	set("debug")
	probe("during")
	g.await("the probe", func(l logLine) bool { return l.text("request_id") == "during" && l.text("level") == "DEBUG" })
	set("error")
	probe("after")
	g.stop()
	if log := g.log(); strings.Contains(log, `"before"`) || strings.Contains(log, `"after"`) || strings.Contains(log, `"stopped"`) {
		t.Errorf("the log has more than its level:\n%s", log)
	}
}
