//go:build e2e

package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
)

// nginxConfig is one process with its files in %dir. %sites is what it serves.
const nginxConfig = `
daemon off;
master_process off;
pid %dir/nginx.pid;
error_log stderr error;
events {}
http {
	access_log off;
	client_body_temp_path %dir/body;
	proxy_temp_path %dir/proxy;
	fastcgi_temp_path %dir/fastcgi;
	uwsgi_temp_path %dir/uwsgi;
	scgi_temp_path %dir/scgi;
	%sites
}
`

// identifyingSite asks for certificates and forwards them to the gateway. %upstream is how
// the gateway is reached.
const identifyingSite = `
server {
	listen unix:%dir/edge.sock ssl http2;
	ssl_certificate %dir/front.pem;
	ssl_certificate_key %dir/front.key;
	ssl_client_certificate %dir/ca.pem;
	ssl_verify_client optional;
	location / {
		grpc_set_header x-forwarded-client-cert 'Cert="$ssl_client_escaped_cert"';
		%upstream
	}
}
`

// startNginx starts nginx with sites that listen at edge.sock in a directory, %dir, and
// returns the address to dial.
func startNginx(t *testing.T, dir, sites string) string {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // is not in everybody's PATH
	}
	text := strings.ReplaceAll(strings.ReplaceAll(nginxConfig, "%sites", sites), "%dir", dir)
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", config, "-p", dir, "-e", "stderr")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make e2e installs nginx)", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("nginx: %v", err)
		}
		if t.Failed() {
			t.Logf("nginx wrote:\n%s", stderr.String())
		}
	})
	socket := filepath.Join(dir, "edge.sock")
	eventually(t, "nginx", func() bool {
		conn, err := net.Dial("unix", socket) // the socket is there before it listens
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
	return "unix:" + socket
}

// TestBehindNginx calls through a real proxy, which is trusted for its certificate or
// for its address, and past it.
func TestBehindNginx(t *testing.T) {
	for _, row := range []struct {
		name     string
		args     func(*office) []string
		upstream string
		past     string // who a direct caller is
	}{
		{
			"mTLS", func(o *office) []string { return o.mutualArgs("--trusted-proxies=" + edge) },
			`grpc_pass grpcs://%addr;
			grpc_ssl_certificate %dir/edge.pem;
			grpc_ssl_certificate_key %dir/edge.key;
			grpc_ssl_trusted_certificate %dir/ca.pem;
			grpc_ssl_verify on;
			grpc_ssl_name localhost;`, orders,
		},
		{
			"a sidecar", func(*office) []string { return []string{"--trusted-proxies=127.0.0.0/8"} },
			`grpc_pass grpc://%addr;`, "",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			o, m := newOffice(t), startMavera(t)
			o.Issue(edge, "").Write(o.dir, "edge")
			g := startGateway(t, m.base, append(row.args(o), "--allow-callers=mavera.v1.PersonasService="+cart)...)
			o.Issue("", "localhost").Write(o.dir, "front")
			address := startNginx(t, o.dir, strings.ReplaceAll(identifyingSite, "%upstream", strings.ReplaceAll(row.upstream, "%addr", g.addr)))

			if out := o.dial(address, cart).get(with(within(t), "x-request-id", "r-cart", "x-caller-id", "someone")); out.err != nil {
				t.Errorf("through nginx: %v", out.err)
			}
			g.awaitCaller("r-cart", cart)

			refused := failure{Code: codes.PermissionDenied, Reason: "CALLER_NOT_ALLOWED", Domain: local, Retryable: "false", Wait: "-1", Attempts: "0"}
			forged := []string{"x-forwarded-client-cert", "URI=" + cart}
			through := with(within(t), append(forged, "x-request-id", "r-orders")...)
			if diff := cmp.Diff(refused, o.dial(address, orders).get(through).failure(t)); diff != "" {
				t.Errorf("another, with a forged header, through nginx, -want +got:\n%s", diff)
			}
			g.awaitCaller("r-orders", orders)

			unnamed := with(within(t), append(forged, "x-request-id", "r-nobody", "x-caller-id", "cart")...)
			if diff := cmp.Diff(refused, o.dial(address, "").get(unnamed).failure(t)); diff != "" {
				t.Errorf("nobody, with a forged header, through nginx, -want +got:\n%s", diff)
			}
			g.awaitCaller("r-nobody", "cart") // a mere label

			if row.past == "" {
				return // whoever is on a trusted address is trusted: nothing else may listen there
			}
			past := with(within(t), append(forged, "x-request-id", "r-past")...)
			if diff := cmp.Diff(refused, o.dial(g.addr, orders).get(past).failure(t)); diff != "" {
				t.Errorf("with a forged header past nginx, -want +got:\n%s", diff)
			}
			g.awaitCaller("r-past", row.past)
		})
	}
}
