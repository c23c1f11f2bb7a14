package config

import (
	"errors"

	"github.com/mavera-gateway/mavera-gateway/internal/caller"
)

// Values of tls_client_auth.
const (
	// ClientAuthRequire refuses connections without a client certificate.
	ClientAuthRequire = "require"
	// ClientAuthIfGiven checks the certificate of a client that has one.
	ClientAuthIfGiven = "verify-if-given"
)

// securityRows say who may call, and over what.
func securityRows() []*Setting {
	return []*Setting{
		row(Setting{
			Name: "tls_cert_file", Type: "path",
			Help: "PEM file with the certificate of the gRPC port, intermediates after it. With it the port speaks TLS, 1.2 or later, and nothing else. This file and the next two are read again when they change.",
		}, func(c *Config) *string { return &c.TLSCertFile }, parseText),
		row(Setting{
			Name: "tls_key_file", Type: "path",
			Help: "PEM file with the private key of that certificate.",
		}, func(c *Config) *string { return &c.TLSKeyFile }, parseText),
		row(Setting{
			Name: "tls_client_ca_file", Type: "path",
			Help: "PEM file with the authorities that callers' certificates are checked against (mTLS).",
		}, func(c *Config) *string { return &c.TLSClientCAFile }, parseText),
		row(Setting{
			Name: "tls_client_auth", Type: ClientAuthRequire + " or " + ClientAuthIfGiven, Default: ClientAuthRequire,
			Help: "Whether a caller needs a certificate, once tls_client_ca_file is set. One that is given is always checked.",
		}, func(c *Config) *string { return &c.TLSClientAuth }, parseClientAuth),
		row(Setting{
			Name: "trusted_proxies", Type: typeList, Unit: "of spiffe://..., dns:..., addresses and networks, separated by commas",
			Help: "Peers whose x-forwarded-client-cert names the caller: by the identity in their certificate, or, where they have none, by their address. A SPIFFE ID may end in /* for all below it.",
		}, func(c *Config) *caller.Proxies { return &c.TrustedProxies }, caller.ParseProxies),
		row(Setting{
			Name: "allow_callers", Type: typeList, Unit: "of service=caller,caller entries, separated by semicolons",
			Help: "Verified callers (spiffe://..., also with /* at the end, or dns:...) who may call a service, by its full name, such as mavera.v1.PersonasService; the service * stands for all without an entry, the caller * for everybody. Others get CALLER_NOT_ALLOWED. Without it everybody may call everything.",
		}, func(c *Config) *caller.AllowList { return &c.AllowCallers }, caller.ParseAllowList),
	}
}

func parseClientAuth(text string) (string, error) {
	if text != ClientAuthRequire && text != ClientAuthIfGiven {
		return "", errors.New("want " + ClientAuthRequire + " or " + ClientAuthIfGiven)
	}
	return text, nil
}

// loopholes are settings of security that are well-formed but would not do what they
// look like. wrong has those that are wrong by themselves.
func (c Config) loopholes(wrong map[string]bool, refuse func(name, value, format string, args ...any)) {
	switch {
	case c.TLSCertFile != "" && c.TLSKeyFile == "":
		refuse("tls_cert_file", c.TLSCertFile, "tls_key_file is missing")
	case c.TLSCertFile == "" && c.TLSKeyFile != "":
		refuse("tls_key_file", c.TLSKeyFile, "tls_cert_file is missing")
	}
	if c.TLSClientCAFile != "" && c.TLSCertFile == "" {
		refuse("tls_client_ca_file", c.TLSClientCAFile, "callers show certificates over TLS only; set tls_cert_file and tls_key_file")
	}
	if c.TLSClientCAFile == "" && c.sources["tls_client_auth"] != defaultSource && !wrong["tls_client_auth"] {
		refuse("tls_client_auth", c.TLSClientAuth, "no certificate can be checked; set tls_client_ca_file")
	}
	if wrong["trusted_proxies"] {
		return
	}
	if !c.TrustedProxies.IsZero() && !c.TrustedProxies.ByAddress() && c.TLSClientCAFile == "" {
		refuse("trusted_proxies", c.TrustedProxies.String(), "a proxy is known by its identity through mTLS only; set tls_client_ca_file, or name its address")
	}
	if !c.AllowCallers.IsZero() && c.TrustedProxies.IsZero() && c.TLSClientCAFile == "" {
		refuse("allow_callers", c.AllowCallers.String(), "nobody's identity can be verified; set tls_client_ca_file or trusted_proxies")
	}
}
