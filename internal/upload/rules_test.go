package upload

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const private = "the storage is at %, which is no public address (see allow_private_storage)"

func TestAccept(t *testing.T) {
	strict, lenient := Rules{}, Rules{AllowHTTP: true, AllowPrivate: true}
	for _, tt := range []struct {
		address string
		rules   Rules
		want    string // the error; % is the host
	}{
		{"https://storage.example.com/key?signature=abc", strict, ""},
		{"https://storage.example.com:8443/key", strict, ""},
		{"https://8.8.8.8/key", strict, ""},
		{"https://[2606:4700::1]/key", strict, ""},
		{"https://[64:ff9b::808:808]/key", strict, ""}, // NAT64 of 8.8.8.8
		{"http://127.0.0.1:8787/_storage/key", lenient, ""},
		{"https://10.0.0.1/key", lenient, ""},

		{"http://storage.example.com/key", strict, "the upload address does not start with https://"},
		{"file:///etc/passwd", lenient, "the upload address does not start with https://"},
		{"//storage.example.com/key", lenient, "the upload address does not start with https://"},
		{"", lenient, "the upload address does not start with https://"},
		{"https:storage.example.com", strict, "the upload address has no host"},
		{"https:///key", strict, "the upload address has no host"},
		{"https://user:secret@storage.example.com/key", strict, "the upload address has a user or password"},
		{"https://storage.example.com/%zz?signature=abc", strict, "the upload address is no URL"},
		{"https://127.0.0.1/key", strict, strings.Replace(private, "%", "127.0.0.1", 1)},
		{"https://[::1]/key", strict, strings.Replace(private, "%", "::1", 1)},
		{"https://[::ffff:10.0.0.1]/key", strict, strings.Replace(private, "%", "10.0.0.1", 1)},
		{"https://[64:ff9b::a00:1]/key", strict, strings.Replace(private, "%", "10.0.0.1", 1)},
		{"https://169.254.169.254/latest/meta-data", strict, strings.Replace(private, "%", "169.254.169.254", 1)},
		{"https://[fd00:ec2::254]/key", strict, strings.Replace(private, "%", "fd00:ec2::254", 1)},
		{"https://[fe80::1]/key", strict, strings.Replace(private, "%", "fe80::1", 1)},
		{"https://192.168.1.1/key", strict, strings.Replace(private, "%", "192.168.1.1", 1)},
		{"https://100.100.100.200/key", strict, strings.Replace(private, "%", "100.100.100.200", 1)},
		{"https://0.0.0.0/key", strict, strings.Replace(private, "%", "0.0.0.0", 1)},
		{"https://0.1.2.3/key", strict, strings.Replace(private, "%", "0.1.2.3", 1)},
		{"https://224.0.0.1/key", strict, strings.Replace(private, "%", "224.0.0.1", 1)},
		{"https://[2002:a00:1::]/key", strict, strings.Replace(private, "%", "2002:a00:1::", 1)},
	} {
		_, err := tt.rules.accept(tt.address)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != tt.want {
			t.Errorf("%s: %q, want %q", tt.address, text, tt.want)
		}
	}
}

// TestGuard connects to a name that leads to this machine, which shows only when it is
// resolved.
func TestGuard(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		ctx   context.Context
		rules Rules
		ok    bool
	}{
		{"refused", context.WithValue(t.Context(), directly{}, true), Rules{}, false},
		{"allowed", context.WithValue(t.Context(), directly{}, true), Rules{AllowPrivate: true}, true},
		{"through a proxy, which may be anywhere", t.Context(), Rules{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := tt.rules.dialer().DialContext(tt.ctx, "tcp4", net.JoinHostPort("localhost", port))
			if conn != nil {
				conn.Close()
			}
			if (err == nil) != tt.ok || err != nil && !strings.HasSuffix(err.Error(), strings.Replace(private, "%", "127.0.0.1", 1)) {
				t.Errorf("%v", err)
			}
		})
	}
	storage := NewStorage(Rules{AllowHTTP: true}, nil)
	body := newBody(t, strings.NewReader("x"), File{Size: 1})
	err = storage.Put(t.Context(), Ticket{Address: "http://localhost:" + port + "/key?signature=abc"}, body)
	refusal := (*PutError)(nil)
	if !errors.As(err, &refusal) || refusal.Status != 0 || refusal.Sent || asked != 0 || strings.Contains(err.Error(), "signature") {
		t.Errorf("got %v, and %d requests came", err, asked)
	}
}
