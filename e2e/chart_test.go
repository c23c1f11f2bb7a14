//go:build e2e

package e2e

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

const chart = "../deploy/helm/mavera-gateway"

// render renders the chart; an error has what Helm says.
func render(t *testing.T, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(within(t), "helm", append([]string{"template", "test", chart}, args...)...)
	text, err := command.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", errors.New(string(exit.Stderr))
	}
	return string(text), err
}

// A pod is what of the rendered objects makes the gateway's process.
type pod struct {
	config string // of the ConfigMap
	grace  int    // seconds
	container
}

type container struct {
	Args []string
	Env  []struct{ Name, Value string }

	LivenessProbe  probe `yaml:"livenessProbe"`
	ReadinessProbe probe `yaml:"readinessProbe"`
}

type probe struct {
	GRPC    *struct{ Port int }
	HTTPGet *struct{ Path, Port string } `yaml:"httpGet"`
}

// podOf reads the pod of the chart with some values.
func podOf(t *testing.T, args ...string) pod {
	t.Helper()
	text, err := render(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	var p pod
	for objects := yaml.NewDecoder(strings.NewReader(text)); ; {
		var object struct {
			Kind string
			Data map[string]string
			Spec struct {
				Template struct {
					Spec struct {
						TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
						Containers                    []container
					}
				}
			}
		}
		err := objects.Decode(&object)
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatal(err)
		}
		switch spec := object.Spec.Template.Spec; object.Kind {
		case "ConfigMap":
			p.config = object.Data["gateway.yaml"]
		case "Deployment":
			p.grace, p.container = spec.TerminationGracePeriodSeconds, spec.Containers[0]
		}
	}
}

// setting is a setting of the pod's configuration, "" when it is not there.
func (p pod) setting(t *testing.T, name string) string {
	t.Helper()
	var settings map[string]any
	if err := yaml.Unmarshal([]byte(p.config), &settings); err != nil {
		t.Fatal(err)
	}
	switch value := settings[name].(type) {
	case nil:
		return ""
	case string:
		return value
	case int:
		return strconv.Itoa(value)
	case float64:
		return strconv.FormatFloat(value, 'g', 4, 64)
	default:
		t.Fatalf("%s is %v", name, value)
		return ""
	}
}

// TestChartStarts starts the gateway as the chart's container would, and asks what the
// kubelet asks. Ports, the key's place and Mavera are this test's.
func TestChartStarts(t *testing.T) {
	m := startMavera(t)
	for _, row := range []struct {
		name string
		args []string
	}{
		{"default values", nil},
		{"everything", []string{"--values=" + chart + "/ci/everything-values.yaml"}},
		{"behind Istio", []string{"--values=../deploy/mesh/istio-values.yaml"}},
		{"behind Linkerd", []string{"--values=../deploy/mesh/linkerd-values.yaml", "--set=replicas=2"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := podOf(t, row.args...)
			dir := t.TempDir()
			config, key := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "api-key")
			for path, text := range map[string]string{config: p.config, key: simulator.DemoKey + "\n"} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff([]string{"serve", "--config=/etc/mavera-gateway/gateway.yaml"}, p.Args); diff != "" {
				t.Errorf("arguments, -want +got:\n%s", diff)
			}
			environ := []string{"MAVERA_BASE_URL=" + m.base.String()}
			for _, variable := range p.Env {
				if variable.Name != "OTEL_EXPORTER_OTLP_ENDPOINT" { // nobody is there to send to
					environ = append(environ, variable.Name+"="+variable.Value)
				}
			}
			g := launch(t, environ, "--config="+config, "--api-key-file="+key, "--drain-notice=0s") // the test has nobody to tell
			if get := p.LivenessProbe.HTTPGet; get == nil || get.Port != "admin" {
				t.Errorf("liveness is asked of %v", get)
			} else if status, _ := g.page(get.Path); status != http.StatusOK {
				t.Errorf("%s is %d", get.Path, status)
			}
			g.probe(t, p.ReadinessProbe)
			if o := g.getPersona(within(t), personaID); o.err != nil {
				t.Error(o.err)
			}
		})
	}
}

// probe asks for readiness as a kubelet does.
func (g *gateway) probe(t *testing.T, p probe) {
	t.Helper()
	switch {
	case p.GRPC != nil:
		answer, err := g.health.Check(within(t), &grpc_health_v1.HealthCheckRequest{})
		if err != nil || p.GRPC.Port != 50051 || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("readiness at port %d: %v %v", p.GRPC.Port, answer.GetStatus(), err)
		}
	case p.HTTPGet != nil && p.HTTPGet.Port == "admin":
		if status, _ := g.page(p.HTTPGet.Path); status != http.StatusOK {
			t.Errorf("%s is %d", p.HTTPGet.Path, status)
		}
	default:
		t.Error("nobody asks for readiness")
	}
}

// TestChartShares computes the share of a pod and has the gateway judge it.
func TestChartShares(t *testing.T) {
	for _, row := range []struct{ set, want string }{
		{"replicas=1", "1"},
		{"replicas=2", "0.5"},
		{"replicas=3", "0.3333"},
		{"replicas=1,rollingUpdate.maxSurge=1", "0.5"}, // the surge is a pod
		{"replicas=2,autoscaling.enabled=true", "0.3333"},
		{"replicas=2,autoscaling.maxReplicas=9", "0.5"}, // not enabled
		{"replicas=3,share=0.334", "0.334"},             // as the README has it
		{"replicas=2,share=0.4", "0.4"},                 // others use the key as well
		{"replicas=4,config.video_analysis_slots=4", "0.25"},
	} {
		t.Run(row.set, func(t *testing.T) {
			p := podOf(t, "--set", row.set)
			if got := p.setting(t, "share"); got != row.want {
				t.Errorf("share is %s, want %s", got, row.want)
			}
			config := filepath.Join(t.TempDir(), "gateway.yaml")
			if err := os.WriteFile(config, []byte(p.config), 0o600); err != nil {
				t.Fatal(err)
			}
			if code, _, stderr := execute(t, nil, "serve", "--print-config", "--config="+config); code != 0 {
				t.Errorf("the gateway refuses it: %s", stderr)
			}
		})
	}
}

// TestChartGrace has a pod outlive its drain, whatever that is.
func TestChartGrace(t *testing.T) {
	for _, set := range []string{"drainSeconds=200", "drainSeconds=0", "drainSeconds=3600,noticeSeconds=30"} {
		p := podOf(t, "--set", set)
		drain, err := time.ParseDuration(p.setting(t, "drain_timeout"))
		if err != nil {
			t.Fatal(err)
		}
		notice, err := time.ParseDuration(p.setting(t, "drain_notice"))
		if err != nil {
			t.Fatal(err)
		}
		grace := time.Duration(p.grace) * time.Second
		const end = 2*time.Second + 5*time.Second // cut calls send their statuses, telemetry is flushed
		if notice <= 0 || grace < notice+drain+end {
			t.Errorf("%s: notice %v and drain %v in %v", set, notice, drain, grace)
		}
	}
}

// TestChartRefuses has values under which the gateway would not start, or would take more
// than there is.
func TestChartRefuses(t *testing.T) {
	for _, row := range []struct{ set, want string }{
		{"replicas=2,share=0.6", "share 0.6 of 2 pods (replicas or autoscaling.maxReplicas, and rollingUpdate.maxSurge) is more than all of Mavera's limits: leave share out, or set at most 0.5"},
		{"share=1,rollingUpdate.maxSurge=1", "share 1 of 2 pods"},
		{"share=0.5,autoscaling.enabled=true", "share 0.5 of 3 pods"},
		{"replicas=4", "share 0.25 leaves less than one of 3 config.video_analysis_slots, which the gateway would refuse: run fewer pods, or raise config.video_analysis_slots"},
		{"share=0.05,config.video_analysis_slots=100,config.focus_group_slots=100", "share 0.05 leaves less than one of 10 config.mave_slots"},
		{"share=1.5", "at '/share': '1.5' does not match pattern"},
		{"share=2", "at '/share': maximum: got 2, want 1"},
		{"rollingUpdate.maxUnavailable=0", "one of maxSurge and maxUnavailable must be above 0"},
		{"config.share=1", "config.share: the chart sets it, from share"},
		{"config.tls_key_file=k", "config.tls_key_file: the chart sets it, from tls"},
		{"tls.clientAuth=require", "tls.clientAuth asks callers for certificates, which needs tls.secretName"},
		{"config.api_key=mvra_live_x", "config.api_key: the chart sets it, from apiKey"},
		{"sharre=1", "additional properties 'sharre' not allowed"},
		{"rollingUpdate.maxSurge=25%", "at '/rollingUpdate/maxSurge': got string, want integer"},
	} {
		t.Run(row.set, func(t *testing.T) {
			_, err := render(t, "--set", row.set)
			if err == nil || !strings.Contains(strings.Join(strings.Fields(err.Error()), " "), row.want) {
				t.Errorf("got %v, want %s", err, row.want)
			}
		})
	}
}
