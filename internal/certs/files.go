// Package certs keeps the TLS configuration of a server in step with the PEM files it
// is made of: certificate, key and the authorities that callers' certificates are
// checked against. A certificate is renewed by replacing its files; no restart is
// needed, connections that are open stay open, and new ones get what is new.
package certs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// pollInterval is how often [Files.Watch] reads the files: the same as for the file of
// the key, and for the same reasons (secret.KeyFile).
const pollInterval = 2 * time.Second

// maxFile is the largest file that is read, in bytes: the bundles of public authorities
// have a quarter of it.
const maxFile = 1 << 20

// patience is how many looks in a row must fail before it is logged. Certificate and
// key are two files and do not fit each other while they are being replaced.
const patience = 2

// minVersion is the oldest version of TLS that is spoken. 1.2 is the least that HTTP/2
// allows (RFC 9113 9.2), and proxies in front of us may offer no more: nginx before
// 1.23.4 by default. grpc-go leaves only its cipher suites with forward secrecy and
// authenticated encryption.
const minVersion = tls.VersionTLS12

// Paths name the files, all PEM.
type Paths struct {
	// Cert is the server's certificate, followed by intermediates. Required.
	Cert string
	// Key is its private key; it may be the same file. Required.
	Key string
	// ClientCA are the authorities of callers' certificates. Default: callers are not
	// asked for certificates.
	ClientCA string
}

// A FileError says which file can't be used.
type FileError struct {
	Path string
	Err  error
}

// Error names the file. It never quotes what is in it.
func (e *FileError) Error() string { return fmt.Sprintf("read TLS files: %s: %v", e.Path, e.Err) }

func (e *FileError) Unwrap() error { return e.Err }

// Files are the TLS configuration of a server and the files it is made of. Its methods
// may be called from several goroutines.
type Files struct {
	paths   Paths
	auth    tls.ClientAuthType
	logger  *slog.Logger
	current atomic.Pointer[tls.Config]

	mu      sync.Mutex
	read    [sha256.Size]byte // What current was made of. Guarded by mu.
	failing int               // Looks in a row that failed. Guarded by mu.
}

// Open reads the files. auth says whether callers need a certificate; it counts only
// with a ClientCA. It fails with a [*FileError] when a file can't be read, has not what
// it should, or the certificate has expired or does not belong to the key.
func Open(paths Paths, auth tls.ClientAuthType, logger *slog.Logger) (*Files, error) {
	f := &Files{paths: paths, auth: auth, logger: logger}
	content, err := f.contents()
	if err != nil {
		return nil, err
	}
	config, err := f.parse(content)
	if err != nil {
		return nil, err
	}
	f.current.Store(config)
	f.read = content.digest()
	return f, nil
}

// Config returns a configuration for servers. Each handshake uses the files as they
// were last read successfully.
func (f *Files) Config() *tls.Config {
	return &tls.Config{
		MinVersion:         minVersion,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.current.Load(), nil },
	}
}

// Watch reads the files every 2 s until ctx ends.
func (f *Files) Watch(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.Reload(ctx)
		}
	}
}

// Reload reads the files now. If one of them can't be used, all of what was last read
// stays in force, which is logged once, when it is so for the second time in a row. The
// end of the fault and every change are logged as well.
func (f *Files) Reload(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	content, err := f.contents()
	if err == nil && content.digest() == f.read {
		f.recover(ctx)
		return
	}
	var config *tls.Config
	if err == nil {
		config, err = f.parse(content)
	}
	if err != nil {
		f.failing++
		if f.failing == patience {
			f.logger.WarnContext(ctx, "the TLS files can't be used; what was read last stays in force", slog.Any("error", err))
		}
		return
	}
	f.recover(ctx)
	f.current.Store(config)
	f.read = content.digest()
	leaf := config.Certificates[0].Leaf
	f.logger.InfoContext(ctx, "the TLS files have changed; new connections use them",
		slog.String("serial", leaf.SerialNumber.Text(16)), slog.Time("not_after", leaf.NotAfter))
}

// recover says that a fault is over, if it was logged. The caller holds mu.
func (f *Files) recover(ctx context.Context) {
	if f.failing >= patience {
		f.logger.InfoContext(ctx, "the TLS files can be used again")
	}
	f.failing = 0
}

// content is what is in the files.
type content struct{ cert, key, clientCA []byte }

// digest tells two contents apart without keeping a private key for it.
func (c content) digest() [sha256.Size]byte {
	cert, key, clientCA := sha256.Sum256(c.cert), sha256.Sum256(c.key), sha256.Sum256(c.clientCA)
	return sha256.Sum256(bytes.Join([][]byte{cert[:], key[:], clientCA[:]}, nil))
}

func (f *Files) contents() (content, error) {
	var c content
	var err error
	if c.cert, err = readFile(f.paths.Cert); err != nil {
		return c, err
	}
	if c.key, err = readFile(f.paths.Key); err != nil {
		return c, err
	}
	if f.paths.ClientCA != "" {
		c.clientCA, err = readFile(f.paths.ClientCA)
	}
	return c, err
}

// readFile refuses what is not a regular file, because opening a pipe would wait for a
// writer.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &FileError{path, withoutPath(err)}
	}
	if !info.Mode().IsRegular() {
		return nil, &FileError{path, errors.New("it is not a regular file")}
	}
	if info.Size() > maxFile {
		return nil, &FileError{path, errors.New("it has more than 1 MiB")}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &FileError{path, withoutPath(err)}
	}
	return text, nil
}

// withoutPath drops the path, which the error around it names.
func withoutPath(err error) error {
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// parse makes the configuration of all files together: a certificate never meets a
// key or authorities of another time.
func (f *Files) parse(c content) (*tls.Config, error) {
	certificate, err := parsePair(f.paths, c)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		MinVersion:   minVersion,
		NextProtos:   []string{"h2"}, // RFC 9113 3.2
		Certificates: []tls.Certificate{certificate},
		// A ticket would let a caller in on the strength of authorities that have been
		// taken out of the file since (golang.org/issue/77217). Connections are few and
		// live long, so that full handshakes cost little.
		SessionTicketsDisabled: true,
	}
	if f.paths.ClientCA == "" {
		return config, nil
	}
	if config.ClientCAs, err = parseAuthorities(c.clientCA); err != nil {
		return nil, &FileError{f.paths.ClientCA, err}
	}
	config.ClientAuth = f.auth
	return config, nil
}

func parsePair(paths Paths, c content) (tls.Certificate, error) {
	certificates, err := parseCertificates(c.cert)
	if err != nil {
		return tls.Certificate{}, &FileError{paths.Cert, err}
	}
	if end := certificates[0].NotAfter; time.Now().After(end) {
		return tls.Certificate{}, &FileError{paths.Cert, fmt.Errorf("the certificate expired on %s", end.Format(time.DateTime))}
	}
	pair, err := tls.X509KeyPair(c.cert, c.key)
	if err != nil {
		return tls.Certificate{}, &FileError{paths.Key, err}
	}
	return pair, nil
}

// parseAuthorities is strict, unlike [x509.CertPool.AppendCertsFromPEM]: an authority
// that is passed over in silence locks its callers out.
func parseAuthorities(text []byte) (*x509.CertPool, error) {
	certificates, err := parseCertificates(text)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, certificate := range certificates {
		pool.AddCert(certificate)
	}
	return pool, nil
}

// parseCertificates reads all certificates of a PEM text, of which there must be one.
// Other blocks, such as a key in the same file, are left out.
func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certificates)+1, err)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, errors.New("it has no PEM block CERTIFICATE")
	}
	return certificates, nil
}
