package main

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/mavera-gateway/mavera-gateway/internal/config"
)

// TestWarnIfOpen says when a start is not without a warning.
func TestWarnIfOpen(t *testing.T) {
	const (
		loopback = "127.0.0.1"
		anywhere = "::"
		mutual   = "--tls-cert-file=a --tls-key-file=a --tls-client-ca-file=a"
	)
	for _, row := range []struct {
		name, ip, args string
		want           bool
	}{
		{"loopback", loopback, "", false},
		{"nothing protects it", anywhere, "", true},
		{"one address of a network", "192.0.2.1", "", true},
		{"TLS keeps nobody away", anywhere, "--tls-cert-file=a --tls-key-file=a", true},
		{"certificates do", anywhere, mutual, false},
		{"not when they may be left out", anywhere, mutual + " --tls-client-auth=verify-if-given", true},
		{"nor do trusted proxies", anywhere, "--trusted-proxies=10.0.0.0/8", true},
		{"a list does", anywhere, "--trusted-proxies=10.0.0.0/8 --allow-callers=*=dns:a", false},
		{"not one that lets everybody in somewhere", anywhere, "--trusted-proxies=10.0.0.0/8 --allow-callers=mavera.v1.UsageService=dns:a;*=*", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, err := config.Parse(append([]string{"--simulator"}, strings.Fields(row.args)...), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			warnIfOpen(&cfg, &net.TCPAddr{IP: net.ParseIP(row.ip), Port: 50051}, slog.New(slog.NewTextHandler(&log, nil)))
			if got := strings.Contains(log.String(), "nothing protects the gRPC port"); got != row.want {
				t.Errorf("logged %q", log.String())
			}
		})
	}
}
