//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/certs/certstest"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

const (
	cart   = "spiffe://example.org/ns/shop/sa/cart"
	orders = "spiffe://example.org/ns/shop/sa/orders"
	edge   = "spiffe://example.org/ns/edge/sa/proxy"
)

// An office has an authority and the files of all who take part.
type office struct {
	*certstest.Authority
	t   *testing.T
	dir string
	ca  string
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{Authority: certstest.NewAuthority(t), t: t, dir: t.TempDir()}
	o.ca = o.Write(filepath.Join(o.dir, "ca.pem"))
	return o
}

// tlsArgs are the flags of a gateway whose certificate is for localhost.
func (o *office) tlsArgs() []string {
	cert, key := o.Issue("", "localhost").Write(o.dir, "server")
	return []string{"--tls-cert-file=" + cert, "--tls-key-file=" + key}
}

// mutualArgs are those of one that asks for certificates.
func (o *office) mutualArgs(more ...string) []string {
	return append(append(o.tlsArgs(), "--tls-client-ca-file="+o.ca), more...)
}

// dial connects with a certificate, or without one where the name is empty.
func (o *office) dial(target, uri string) clients {
	o.t.Helper()
	config := &tls.Config{RootCAs: o.Pool(), ServerName: "localhost"}
	if uri != "" {
		config.Certificates = []tls.Certificate{o.Issue(uri, "").TLS()}
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = conn.Close() })
	return clientsOf(conn)
}

func (c clients) get(ctx context.Context) outcome {
	_, o := call(ctx, c.personas.GetPersona, &maverav1.GetPersonaRequest{Id: personaID})
	return o
}

// awaitCaller waits for the log line of a call and compares its caller.
func (g *gateway) awaitCaller(requestID, caller string) {
	g.t.Helper()
	line := g.await("the call "+requestID, func(l logLine) bool { return l.text("msg") == "call" && l.text("request_id") == requestID })
	if line.text("caller") != caller {
		g.t.Errorf("%s: the caller is %q, want %q", requestID, line.text("caller"), caller)
	}
}

// TestTLS encrypts, and asks nobody who it is.
func TestTLS(t *testing.T) {
	o := newOffice(t)
	g := launch(t, nil, append(o.tlsArgs(), "--simulator")...)
	if out := o.dial(g.addr, "").get(with(within(t), "x-request-id", "r-1", "x-caller-id", "billing")); out.err != nil {
		t.Error(out.err)
	}
	g.awaitCaller("r-1", "billing")
	if out := g.getPersona(within(t), personaID); statusOf(out.err) != codes.Unavailable {
		t.Errorf("plaintext: %v", out.err)
	}
	for line, want := range map[string]string{
		"grpcurl -cacert " + o.ca + " -authority localhost " + g.addr + " list":                       "mavera.v1.PersonasService\n",
		"grpc-health-probe -tls -tls-ca-cert " + o.ca + " -tls-server-name localhost -addr=" + g.addr: "status: SERVING\n",
	} {
		if output, err := shell(t, line); err != nil || !strings.Contains(output, want) {
			t.Errorf("%s\n%v\n%s\nwant: %s", line, err, output, want)
		}
	}
	for version, want := range map[uint16]string{tls.VersionTLS13: "", tls.VersionTLS12: "", tls.VersionTLS11: "remote error: tls: protocol version not supported"} {
		conn, err := tls.Dial("tcp", g.addr, &tls.Config{RootCAs: o.Pool(), ServerName: "localhost", NextProtos: []string{"h2"}, MinVersion: version, MaxVersion: version})
		if err != nil {
			if err.Error() != want {
				t.Errorf("%s: %v, want %q", tls.VersionName(version), err, want)
			}
			continue
		}
		if state := conn.ConnectionState(); want != "" || state.NegotiatedProtocol != "h2" {
			t.Errorf("%s is spoken, for %q", tls.VersionName(version), state.NegotiatedProtocol)
		}
		_ = conn.Close()
	}
}

// TestMutualTLS knows callers by their certificates, and by nothing else that they say.
func TestMutualTLS(t *testing.T) {
	o, m := newOffice(t), startMavera(t)
	g := startGateway(t, m.base, o.mutualArgs("--trusted-proxies="+edge, "--allow-callers=mavera.v1.PersonasService="+cart+";grpc.reflection.v1.ServerReflection="+cart)...)

	if out := o.dial(g.addr, "").get(within(t)); statusOf(out.err) != codes.Unavailable {
		t.Errorf("without a certificate: %v", out.err)
	}
	g.await("why it could not connect", func(l logLine) bool {
		return l.text("msg") == "a TLS handshake failed" && l.text("error") == "tls: client didn't provide a certificate"
	})
	if out := o.dial(g.addr, cart).get(with(within(t), "x-request-id", "r-cart", "x-caller-id", "someone-else")); out.err != nil {
		t.Error(out.err)
	}
	g.awaitCaller("r-cart", cart)

	refused := failure{
		Code: codes.PermissionDenied, Reason: "CALLER_NOT_ALLOWED", Domain: local, Retryable: "false", Wait: "-1", Attempts: "0",
	}
	forged := with(within(t), "x-request-id", "r-forged", "x-forwarded-client-cert", "URI="+cart, "x-caller-id", "cart")
	if diff := cmp.Diff(refused, o.dial(g.addr, orders).get(forged).failure(t)); diff != "" {
		t.Errorf("a forged header, -want +got:\n%s", diff)
	}
	g.awaitCaller("r-forged", orders)
	g.await("that it is ignored", func(l logLine) bool {
		return l.text("msg") == "the caller's identity in x-forwarded-client-cert is ignored" && l.text("reason") == "untrusted_peer"
	})
	if _, metrics := g.page("/metrics"); sample(metrics, "mavera_gateway_ignored_caller_reports_total", `reason="untrusted_peer"`) != "1" {
		t.Errorf("it is not counted:\n%s", metrics)
	}
	if _, err := o.dial(g.addr, cart).usage.GetUsage(within(t), &maverav1.GetUsageRequest{}); statusOf(err) != codes.PermissionDenied {
		t.Errorf("a service that is not listed: %v", err)
	}

	cert, key := o.Issue(cart, "").Write(o.dir, "cart")
	otherCert, otherKey := o.Issue(orders, "").Write(o.dir, "orders")
	curl := "grpcurl -cacert " + o.ca + " -authority localhost -cert %cert -key %key " + g.addr + " list"
	probe := "grpc-health-probe -tls -tls-ca-cert " + o.ca + " -tls-server-name localhost -tls-client-cert %cert -tls-client-key %key -addr=" + g.addr
	for _, row := range []struct {
		line, cert, key string
		want            string
		failed          bool
	}{
		{curl, cert, key, "mavera.v1.PersonasService\n", false},
		{curl, otherCert, otherKey, "PermissionDenied", true},
		{probe, cert, key, "status: SERVING\n", false},
		{probe, otherCert, otherKey, "status: SERVING\n", false}, // health is open to all who can connect
	} {
		line := strings.NewReplacer("%cert", row.cert, "%key", row.key).Replace(row.line)
		if output, err := shell(t, line); (err != nil) != row.failed || !strings.Contains(output, row.want) {
			t.Errorf("%s\n%v\n%s\nwant: %s", line, err, output, row.want)
		}
	}
}

// TestRenewal replaces certificate and key while the gateway runs.
func TestRenewal(t *testing.T) {
	o := newOffice(t)
	g := launch(t, nil, append(o.tlsArgs(), "--simulator")...)
	shown := func(c clients) string {
		var p peer.Peer
		if _, err := c.personas.GetPersona(within(t), &maverav1.GetPersonaRequest{Id: personaID}, grpc.Peer(&p)); err != nil {
			t.Fatal(err)
		}
		info, _ := p.AuthInfo.(credentials.TLSInfo)
		return info.State.PeerCertificates[0].SerialNumber.Text(16)
	}
	open := o.dial(g.addr, "")
	before := shown(open)

	renewed := o.Issue("", "localhost")
	renewed.Write(o.dir, "server")
	after := renewed.Leaf.SerialNumber.Text(16)
	if line := g.awaitMessage("the TLS files have changed; new connections use them"); line.text("serial") != after {
		t.Errorf("got %v, want the serial number %s", line, after)
	}
	if got := shown(o.dial(g.addr, "")); got != after {
		t.Errorf("a new connection gets %s, want %s", got, after)
	}
	if got := shown(open); got != before {
		t.Errorf("the open connection was closed: it has %s now, want %s", got, before)
	}

	if err := os.WriteFile(filepath.Join(o.dir, "server.key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g.awaitMessage("the TLS files can't be used; what was read last stays in force")
	if got := shown(o.dial(g.addr, "")); got != after {
		t.Errorf("with an empty key file a new connection gets %s, want %s", got, after)
	}
}

// TestRefusedSecurity starts with files and callers that cannot be meant.
func TestRefusedSecurity(t *testing.T) {
	o := newOffice(t)
	cert, key := o.Issue("", "localhost").Write(o.dir, "server")
	_, otherKey := o.Issue("", "localhost").Write(o.dir, "other")
	good := []string{"--tls-cert-file=" + cert, "--tls-key-file=" + key}
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"--tls-cert-file=" + cert, "--tls-key-file=" + o.ca}, `tls_key_file = "` + o.ca + `" (flag --tls-key-file): read TLS files: ` + o.ca + `: tls: found a certificate rather than a key in the PEM for the private key`},
		{[]string{"--tls-cert-file=none", "--tls-key-file=" + key}, `tls_cert_file = "none" (flag --tls-cert-file): read TLS files: none: no such file or directory`},
		{append(good, "--tls-client-ca-file="+otherKey), `tls_client_ca_file = "` + otherKey + `" (flag --tls-client-ca-file): read TLS files: ` + otherKey + `: it has no PEM block CERTIFICATE`},
		{append(good, "--tls-client-ca-file="+o.ca, "--allow-callers=mavera.v1.Personas="+cart), `allow_callers = "mavera.v1.Personas=` + cart + `" (flag --allow-callers): there is no service mavera.v1.Personas; want a full name such as mavera.v1.ResponsesService`},
	} {
		args := append([]string{"serve", "--grpc-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"}, row.args...)
		code, stdout, stderr := execute(t, []string{"MAVERA_API_KEY=" + simulator.DemoKey}, args...)
		if want := row.want + "\nmavera-gateway serve --help explains all settings.\n"; code != 2 || stdout != "" || stderr != want {
			t.Errorf("exit code %d, stdout %q, -want +got:\n%s", code, stdout, cmp.Diff(want, stderr))
		}
	}
}
