package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"

	"github.com/mavera-gateway/mavera-gateway/internal/certs"
	"github.com/mavera-gateway/mavera-gateway/internal/config"
)

// transport is the TLS configuration of the gRPC port, nil for plaintext. Its files are
// followed as long as life lasts.
func transport(life context.Context, cfg *config.Config, logger *slog.Logger) (*tls.Config, error) {
	if cfg.TLSCertFile == "" {
		return nil, nil //nolint:nilnil // plaintext is no error
	}
	auth := tls.RequireAndVerifyClientCert
	if cfg.TLSClientAuth == config.ClientAuthIfGiven {
		auth = tls.VerifyClientCertIfGiven
	}
	files, err := certs.Open(certs.Paths{Cert: cfg.TLSCertFile, Key: cfg.TLSKeyFile, ClientCA: cfg.TLSClientCAFile}, auth, logger)
	if err != nil {
		return nil, cfg.Refuse(tlsSetting(cfg, err), err) //nolint:wrapcheck // it is a line for people
	}
	go files.Watch(life)
	return files.Config(), nil
}

// tlsSetting is the setting whose file an error is about.
func tlsSetting(cfg *config.Config, err error) string {
	fault := (*certs.FileError)(nil)
	switch {
	case !errors.As(err, &fault) || fault.Path == cfg.TLSCertFile:
		return "tls_cert_file"
	case fault.Path == cfg.TLSKeyFile:
		return "tls_key_file"
	default:
		return "tls_client_ca_file"
	}
}

// warnIfOpen says so when whoever reaches the gRPC port can make calls. Neither TLS
// alone nor a certificate that callers may leave out keeps anybody away.
func warnIfOpen(cfg *config.Config, address net.Addr, logger *slog.Logger) {
	if tcp, ok := address.(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		return
	}
	mutual := cfg.TLSClientCAFile != "" && cfg.TLSClientAuth == config.ClientAuthRequire
	if mutual || !cfg.AllowCallers.Open() {
		return
	}
	logger.Warn("nothing protects the gRPC port: whoever reaches it can make calls with the gateway's key; "+
		"ask for certificates (tls_client_ca_file), list callers (allow_callers) or listen on loopback (grpc_addr)",
		slog.String("grpc_addr", address.String()))
}
