package server

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/certs"
	"github.com/mavera-gateway/mavera-gateway/internal/certs/certstest"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
)

func logTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(secret.NewWriter(w), &slog.HandlerOptions{ReplaceAttr: withoutTime}))
}

// A secured is a server with TLS on a port of the loopback interface.
type secured struct {
	*harness
	authority *certstest.Authority
	dir       string
	files     *certs.Files
	addr      string
}

// newSecured starts a server that checks the certificates of those who have one.
func newSecured(t *testing.T, pair func(*certstest.Authority) certstest.Pair, change func(*Options)) *secured {
	t.Helper()
	s := &secured{authority: certstest.NewAuthority(t), dir: t.TempDir()}
	var paths certs.Paths
	paths.Cert, paths.Key = pair(s.authority).Write(s.dir, "server")
	paths.ClientCA = s.authority.Write(filepath.Join(s.dir, "ca.pem"))
	var err error
	if s.files, err = certs.Open(paths, tls.VerifyClientCertIfGiven, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	s.harness = newHarness(t, answers(200, `{"id": "p-1"}`), func(o *Options) {
		o.TLS, o.Reflection = s.files.Config(), true
		o.Policies.Window.StartLimit, o.Policies.Window.Unconfirmed = 100000, 10000
		change(o)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.server.grpc.Serve(listener) }()
	t.Cleanup(func() {
		s.server.Stop(0)
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s
}

// dial connects with a certificate, or with none where both names are empty.
func (s *secured) dial(t *testing.T, uri, dns string) *grpc.ClientConn {
	t.Helper()
	config := &tls.Config{RootCAs: s.authority.Pool()}
	if uri != "" || dns != "" {
		config.Certificates = []tls.Certificate{s.authority.Issue(uri, dns).TLS()}
	}
	conn, err := grpc.NewClient(s.addr, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func localhost(a *certstest.Authority) certstest.Pair { return a.Issue("", "localhost") }

// getPersona calls on a connection and returns the serial number of the certificate
// that the server showed when the connection was made.
func getPersona(ctx context.Context, conn *grpc.ClientConn, pairs ...string) (serial string, err error) {
	var p peer.Peer
	_, err = maverav1.NewPersonasServiceClient(conn).GetPersona(metadata.AppendToOutgoingContext(ctx, pairs...), &maverav1.GetPersonaRequest{Id: "p-1"}, grpc.Peer(&p))
	if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
		serial = info.State.PeerCertificates[0].SerialNumber.String()
	}
	return serial, err
}

// TestAllowedCallers asks for permissions with real certificates.
func TestAllowedCallers(t *testing.T) {
	s := newSecured(t, localhost, func(o *Options) {
		o.TrustedProxies = trusting(t, edge)
		o.AllowCallers = allowing(t, "mavera.v1.PersonasService="+cart+",dns:cart.example;mavera.v1.FoldersService=*")
	})
	var want []string
	for _, row := range []struct {
		name, uri, dns string
		pairs          []string
		code           codes.Code
		caller         string
	}{
		{"SPIFFE", cart, "", nil, codes.OK, cart},
		{"DNS", "", "cart.example", nil, codes.OK, "dns:cart.example"},
		{"another", orders, "", nil, codes.PermissionDenied, orders},
		{"another that claims to be the one", orders, "", []string{"x-forwarded-client-cert", "URI=" + cart, "x-caller-id", "cart"}, codes.PermissionDenied, orders},
		{"nobody", "", "", nil, codes.PermissionDenied, "127.0.0.1"},
		{"nobody with a name", "", "", []string{"x-caller-id", "cart"}, codes.PermissionDenied, "cart"},
		{"through a proxy", edge, "", []string{"x-forwarded-client-cert", "URI=" + cart}, codes.OK, cart},
		{"another through a proxy", edge, "", []string{"x-forwarded-client-cert", "URI=" + orders}, codes.PermissionDenied, orders},
		{"the proxy itself", edge, "", nil, codes.PermissionDenied, edge},
	} {
		_, err := getPersona(t.Context(), s.dial(t, row.uri, row.dns), row.pairs...)
		if status.Code(err) != row.code {
			t.Errorf("%s: got %v, want %v", row.name, err, row.code)
		}
		want = append(want, row.caller+" "+row.code.String())
	}

	nobody := s.dial(t, "", "")
	if _, err := maverav1.NewFoldersServiceClient(nobody).GetFolder(t.Context(), &maverav1.GetFolderRequest{Id: "f-1"}); err != nil {
		t.Errorf("a service open to everybody: %v", err)
	}
	if _, err := maverav1.NewUsageServiceClient(nobody).GetUsage(t.Context(), &maverav1.GetUsageRequest{}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a service that is not listed: %v", err)
	}
	if _, err := grpc_health_v1.NewHealthClient(nobody).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Errorf("health: %v", err)
	}
	reflection, err := grpc_reflection_v1.NewServerReflectionClient(nobody).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reflection.Recv(); status.Code(err) != codes.PermissionDenied {
		t.Errorf("reflection: %v", err)
	}
	want = append(want, "127.0.0.1 OK", "127.0.0.1 PermissionDenied")
	s.server.Stop(0) // so that all lines are written

	var got []string
	for _, line := range s.log.lines(t) {
		if line["msg"] == "call" {
			got = append(got, line["caller"].(string)+" "+line["code"].(string))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("logged, -want +got:\n%s", diff)
	}
}

// TestRotation replaces the certificate while calls are made: none fails, connections
// keep what they began with, and new ones get what is new.
func TestRotation(t *testing.T) {
	s := newSecured(t, localhost, func(*Options) {})
	first := s.files.Config()
	before := serialOf(t, first)

	const callers, calls = 4, 20
	var started, done sync.WaitGroup
	rotated := make(chan struct{})
	for range callers {
		conn := s.dial(t, cart, "")
		started.Add(1)
		done.Go(func() {
			for n := range 2 * calls {
				if n == calls { // half of the calls after the change, the rest around it
					started.Done()
					<-rotated
				}
				if serial, err := getPersona(t.Context(), conn); err != nil || serial != before {
					t.Errorf("call %d: certificate %s, %v", n, serial, err)
				}
			}
		})
	}
	// Others go on while the files are read.
	stop := make(chan struct{})
	busy := s.dial(t, orders, "")
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if serial, err := getPersona(t.Context(), busy); err != nil || serial != before {
				t.Errorf("the busy connection: certificate %s, %v", serial, err)
				return
			}
		}
	})
	started.Wait()
	s.authority.Issue("", "localhost").Write(s.dir, "server")
	s.files.Reload(t.Context())
	after := serialOf(t, first)
	if after == before {
		t.Error("the new certificate was not taken")
	}
	if serial, err := getPersona(t.Context(), s.dial(t, cart, "")); err != nil || serial != after {
		t.Errorf("a new connection: certificate %s, %v; want %s", serial, err, after)
	}
	close(rotated)

	if err := os.WriteFile(filepath.Join(s.dir, "server.key"), []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.files.Reload(t.Context())
	if serial, err := getPersona(t.Context(), s.dial(t, cart, "")); err != nil || serial != after {
		t.Errorf("with a broken key file: certificate %s, %v; want %s", serial, err, after)
	}
	close(stop)
	done.Wait()
}

// serialOf is the serial number of the certificate in force.
func serialOf(t *testing.T, config *tls.Config) string {
	t.Helper()
	current, err := config.GetConfigForClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	return current.Certificates[0].Leaf.SerialNumber.String()
}

// TestRotationOfAuthorities takes the authority of a caller out of the file: its next
// connection is refused, although the client could resume a session.
func TestRotationOfAuthorities(t *testing.T) {
	s := newSecured(t, localhost, func(*Options) {})
	config := &tls.Config{
		RootCAs: s.authority.Pool(), ClientSessionCache: tls.NewLRUClientSessionCache(1),
		Certificates: []tls.Certificate{s.authority.Issue(cart, "").TLS()},
	}
	call := func() error {
		conn, err := grpc.NewClient(s.addr, grpc.WithTransportCredentials(credentials.NewTLS(config)))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, err = getPersona(t.Context(), conn)
		return err
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	certstest.NewAuthority(t).Write(filepath.Join(s.dir, "ca.pem"))
	s.files.Reload(t.Context())
	for range 2 {
		if err := call(); status.Code(err) != codes.Unavailable {
			t.Errorf("got %v", err)
		}
	}
	if got := strings.Count(s.log.text(), `"msg":"a TLS handshake failed","peer":"127.0.0.1"`); got != 1 {
		t.Errorf("logged %d times:\n%s", got, s.log.text())
	}
}
