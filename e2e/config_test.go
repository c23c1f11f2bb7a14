//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mavera-gateway/mavera-gateway/internal/config"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// execute runs the gateway to its end.
func execute(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(within(t), filepath.Join(programs, "mavera-gateway"), args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, environ...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
}

// TestRefusedStart starts with settings that cannot be used.
func TestRefusedStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	if err := os.WriteFile(file, []byte("grpc_addr: 127.0.0.1:0\nshare: 7\nretries: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := "MAVERA_API_KEY=" + simulator.DemoKey
	free := []string{"--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"}

	for _, row := range []struct {
		name    string
		environ []string
		args    []string
		want    string // one line per fault
	}{
		{"no key", nil, nil, `api_key: there is no Mavera key; set MAVERA_API_KEY or MAVERA_API_KEY_FILE, or run against the embedded simulator with --simulator`},
		{"several faults", []string{key, "GATEWAY_SHARES=1"}, []string{"--share=2", "--drain-timeout=never"}, `` +
			"GATEWAY_SHARES (environment): unknown variable; did you mean GATEWAY_SHARE?\n" +
			`share = "2" (flag --share): want a number above 0 and at most 1` + "\n" +
			`drain_timeout = "never" (flag --drain-timeout): want a duration with its unit, such as 90s or 1m30s`},
		{"an unknown flag", []string{key}, []string{"--grpc-adr=:1"}, `--grpc-adr (command line): unknown flag; did you mean --grpc-addr?`},
		{"a file", []string{key, "GATEWAY_CONFIG=" + file}, nil, `` +
			"retries (gateway.yaml:3): unknown setting\n" +
			`share = "7" (gateway.yaml:2): want a number above 0 and at most 1`},
		{"a missing file", []string{key, "GATEWAY_CONFIG=" + dir + "/none.yaml"}, nil, `config = "` + dir + `/none.yaml": open ` + dir + `/none.yaml: no such file or directory`},
		{"plain http", []string{key, "MAVERA_BASE_URL=http://mavera.example.com/api/v1"}, nil, `base_url = "http://mavera.example.com/api/v1" (environment MAVERA_BASE_URL): the key would travel unencrypted; use https, or set allow_insecure_upstream`},
		{"no key in the key file", []string{"MAVERA_API_KEY_FILE=" + os.DevNull}, nil, `api_key_file = "/dev/null" (environment MAVERA_API_KEY_FILE): read key file: /dev/null is not a regular file`},
		{"two keys", []string{key, "MAVERA_API_KEY_FILE=" + file}, nil, `api_key (environment MAVERA_API_KEY): api_key_file (environment MAVERA_API_KEY_FILE) is set as well; keep one of the two`},
		{"port in use", []string{key}, []string{"--grpc-addr=" + taken.Addr().String(), "--admin-addr=127.0.0.1:0"}, `grpc_addr = "` + taken.Addr().String() + `" (flag --grpc-addr): listen tcp ` + taken.Addr().String() + `: bind: address already in use`},
		{"admin port in use", []string{key}, []string{"--admin-addr=" + taken.Addr().String()}, `admin_addr = "` + taken.Addr().String() + `" (flag --admin-addr): listen tcp ` + taken.Addr().String() + `: bind: address already in use`},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, stdout, stderr := execute(t, row.environ, append(append([]string{"serve"}, free...), row.args...)...)
			if code != 2 || stdout != "" {
				t.Errorf("exit code %d, stdout %q", code, stdout)
			}
			if diff := cmp.Diff(row.want+"\nmavera-gateway serve --help explains all settings.\n", stderr); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	t.Run("an unknown command", func(t *testing.T) {
		code, _, stderr := execute(t, nil, "server")
		if code != 2 || !strings.HasPrefix(stderr, "unknown command \"server\"\n\nmavera-gateway serves") {
			t.Errorf("exit code %d, stderr:\n%s", code, stderr)
		}
	})
}

// TestHelp looks for every setting, under all of its names.
func TestHelp(t *testing.T) {
	code, stdout, stderr := execute(t, nil, "serve", "--help")
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	for _, setting := range config.Settings() {
		if flag := "--" + strings.ReplaceAll(setting.Name, "_", "-"); !strings.Contains(stdout, flag) && setting.Name != "api_key" {
			t.Errorf("nothing of %s", flag)
		}
		if !strings.Contains(strings.Join(strings.Fields(stdout), " "), setting.Help) {
			t.Errorf("nothing of what %s is for", setting.Name)
		}
	}
	code, stdout, _ = execute(t, nil, "help")
	if code != 0 || !strings.Contains(stdout, "mavera-gateway serve [flags]") {
		t.Errorf("exit code %d, stdout %q", code, stdout)
	}
}

// TestPrintConfig prints what would be used, and starts nothing.
func TestPrintConfig(t *testing.T) {
	code, stdout, stderr := execute(t, []string{"MAVERA_API_KEY=" + simulator.DemoKey, "GATEWAY_SHARE=0.5"}, "serve", "--print-config", "--drain-timeout=90s")
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	for _, want := range []string{"mvra_live_simu...", "share: 0.5", "environment GATEWAY_SHARE", "drain_timeout: 1m30s", "flag --drain-timeout"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, simulator.DemoKey) {
		t.Error("the key is printed")
	}
}
