package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/mavera-gateway/mavera-gateway/internal/certs/certstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open writes a pair and opens it, with an authority unless that is nil.
func open(t *testing.T, dir string, pair certstest.Pair, clients *certstest.Authority, log *bytes.Buffer) *Files {
	t.Helper()
	var paths Paths
	paths.Cert, paths.Key = pair.Write(dir, "server")
	if clients != nil {
		paths.ClientCA = clients.Write(filepath.Join(dir, "ca.pem"))
	}
	files, err := Open(paths, tls.RequireAndVerifyClientCert, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	authority := certstest.NewAuthority(t)
	cert, key := authority.Issue("", "localhost").Write(dir, "good")
	otherCert, _ := authority.Issue("", "localhost").Write(dir, "other")
	expired := authority.IssueUntil(time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC), "", "localhost")
	expiredCert, expiredKey := expired.Write(dir, "expired")
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	none, empty := filepath.Join(dir, "none"), put("empty", "")
	broken := put("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	mixed := put("mixed", string(authority.PEM())+"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	large := put("large", strings.Repeat(" ", 1<<20+1))

	for _, row := range []struct {
		name  string
		paths Paths
		fault string // the file at fault
		want  string
	}{
		{"no certificate file", Paths{Cert: none, Key: key}, none, "no such file or directory"},
		{"no key file", Paths{Cert: cert, Key: none}, none, "no such file or directory"},
		{"no file of authorities", Paths{Cert: cert, Key: key, ClientCA: none}, none, "no such file or directory"},
		{"a directory", Paths{Cert: dir, Key: key}, dir, "it is not a regular file"},
		{"far too large", Paths{Cert: large, Key: key}, large, "it has more than 1 MiB"},
		{"an empty certificate", Paths{Cert: empty, Key: key}, empty, "it has no PEM block CERTIFICATE"},
		{"the key in its place", Paths{Cert: key, Key: key}, key, "it has no PEM block CERTIFICATE"},
		{"a broken certificate", Paths{Cert: broken, Key: key}, broken, "certificate 1: x509: malformed certificate"},
		{"an expired one", Paths{Cert: expiredCert, Key: expiredKey}, expiredCert, "the certificate expired on 2020-02-03 04:05:06"},
		{"an empty key", Paths{Cert: cert, Key: empty}, empty, "tls: failed to find any PEM data in key input"},
		{"the key of another", Paths{Cert: otherCert, Key: key}, key, "tls: private key does not match public key"},
		{"no authorities", Paths{Cert: cert, Key: key, ClientCA: empty}, empty, "it has no PEM block CERTIFICATE"},
		{"one authority of two is broken", Paths{Cert: cert, Key: key, ClientCA: mixed}, mixed, "certificate 2: x509: malformed certificate"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Open(row.paths, tls.RequireAndVerifyClientCert, slog.New(slog.DiscardHandler))
			file := (*FileError)(nil)
			if want := "read TLS files: " + row.fault + ": " + row.want; err == nil || err.Error() != want || !errors.As(err, &file) || file.Path != row.fault {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// TestReload walks the files through a renewal and several faults. Each step changes
// the files and says, for each look at them, what is logged, and whose certificate is
// then shown.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	authority := certstest.NewAuthority(t)
	first, second := authority.Issue("", "first"), authority.Issue("", "second")
	var log bytes.Buffer
	files := open(t, dir, first, authority, &log)
	put := func(name string, text []byte) func() {
		return func() {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	const (
		changed = "the TLS files have changed; new connections use them"
		bad     = "the TLS files can't be used; what was read last stays in force"
		good    = "the TLS files can be used again"
	)
	for _, step := range []struct {
		name   string
		change func()
		log    []string // by look
		want   certstest.Pair
	}{
		{"nothing", func() {}, []string{"", ""}, first},
		{"half of a renewal, seen once, is none of a fault", put("server.pem", second.Cert), []string{""}, first},
		{"the other half", put("server.key", second.Key), []string{changed, ""}, second},
		{"a fault is logged once", put("server.key", nil), []string{"", bad, "", ""}, second},
		{"what was there is back", put("server.key", second.Key), []string{good, ""}, second},
		{"a broken file of authorities", put("ca.pem", []byte("none")), []string{"", bad}, second},
		{"is mended along with a renewal", func() { put("ca.pem", authority.PEM())(); first.Write(dir, "server") }, []string{good + "\n" + changed, ""}, first},
		{"another authority", put("ca.pem", certstest.NewAuthority(t).PEM()), []string{changed}, first},
		{"gone", func() { _ = os.Remove(filepath.Join(dir, "server.pem")) }, []string{"", bad}, first},
		{"expired", func() { authority.IssueUntil(time.Now().Add(-time.Minute), "", "").Write(dir, "server") }, []string{""}, first},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.change()
			for look, want := range step.log {
				log.Reset()
				files.Reload(t.Context())
				if diff := cmp.Diff(want, messages(log.String())); diff != "" {
					t.Errorf("look %d, -want +got:\n%s", look+1, diff)
				}
				if strings.Contains(log.String(), "PRIVATE") {
					t.Errorf("look %d logs a key", look+1)
				}
			}
			config, err := files.Config().GetConfigForClient(nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := config.Certificates[0].Leaf; !got.Equal(step.want.Leaf) {
				t.Errorf("the certificate is that of %v, want %v", got.DNSNames, step.want.Leaf.DNSNames)
			}
		})
	}
}

// messages are those of a text log.
func messages(log string) string {
	var out []string
	for line := range strings.Lines(log) {
		_, message, _ := strings.Cut(line, `msg="`)
		message, _, _ = strings.Cut(message, `"`)
		out = append(out, message)
	}
	return strings.Join(out, "\n")
}

// TestWatchFollowsKubernetesSwap replaces the directory behind ..data, which is how a
// mounted secret is updated: the files that are opened stay the same links all the time.
func TestWatchFollowsKubernetesSwap(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		authority := certstest.NewAuthority(t)
		release := func(name string, pair certstest.Pair) {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
			pair.Write(filepath.Join(dir, name), "tls")
			if err := os.Symlink(name, filepath.Join(dir, "..data_tmp")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
				t.Fatal(err)
			}
		}
		first, second := authority.Issue("", "first"), authority.Issue("", "second")
		release("..v1", first)
		paths := Paths{Cert: filepath.Join(dir, "..data", "tls.pem"), Key: filepath.Join(dir, "..data", "tls.key")}
		files, err := Open(paths, tls.NoClientCert, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { files.Watch(ctx); close(done) }()
		release("..v2", second)
		time.Sleep(pollInterval + time.Millisecond)
		synctest.Wait()
		if got := files.current.Load().Certificates[0].Leaf; !got.Equal(second.Leaf) {
			t.Errorf("the certificate is that of %v", got.DNSNames)
		}
		stop()
		<-done
	})
}

// TestHandshake says what clients meet.
func TestHandshake(t *testing.T) {
	known, unknown := certstest.NewAuthority(t), certstest.NewAuthority(t)
	files := open(t, t.TempDir(), known.Issue("", "localhost"), known, &bytes.Buffer{})
	client := func(change func(*tls.Config)) *tls.Config {
		config := &tls.Config{ServerName: "localhost", RootCAs: known.Pool(), NextProtos: []string{"h2"}, Certificates: []tls.Certificate{known.Issue("", "client").TLS()}}
		change(config)
		return config
	}
	for _, row := range []struct {
		name   string
		client *tls.Config
		want   string // of the server
	}{
		{"TLS 1.3", client(func(*tls.Config) {}), ""},
		{"TLS 1.2", client(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), ""},
		{"TLS 1.1", client(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), "tls: client offered only unsupported versions: [302 301]"},
		{"no HTTP/2", client(func(c *tls.Config) { c.NextProtos = []string{"h3"} }), `tls: client requested unsupported application protocols (["h3"])`},
		{"no certificate", client(func(c *tls.Config) { c.Certificates = nil }), "tls: client didn't provide a certificate"},
		{"a certificate of nobody we know", client(func(c *tls.Config) { c.Certificates = []tls.Certificate{unknown.Issue("", "client").TLS()} }), `tls: failed to verify certificate: x509: certificate signed by unknown authority (possibly because of "x509: ECDSA verification failure" while trying to verify candidate authority certificate "Test Authority")`},
	} {
		t.Run(row.name, func(t *testing.T) {
			here, there := net.Pipe()
			server, caller := tls.Server(here, files.Config()), tls.Client(there, row.client)
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = caller.HandshakeContext(t.Context()) // the server's side of it is compared
				_, _ = caller.Read(make([]byte, 1))
			}()
			err := server.HandshakeContext(t.Context())
			if text := errText(err); text != row.want {
				t.Errorf("got  %s\nwant %s", text, row.want)
			}
			if state := server.ConnectionState(); err == nil && (state.NegotiatedProtocol != "h2" || len(state.VerifiedChains) != 1) {
				t.Errorf("protocol %q, %d chains", state.NegotiatedProtocol, len(state.VerifiedChains))
			}
			_, _ = here.Close(), there.Close()
			<-done
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
