//go:build e2e

package e2e

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/mavera-gateway/mavera-gateway/internal/contract/contracttest"
)

// A proxy stands between gateway and simulator, holds every request and answer
// against the contract, and keeps the requests.
type proxy struct {
	base *url.URL

	mu   sync.Mutex
	sent []sent // Guarded by mu.
}

// sent is a request as it was on the wire.
type sent struct{ Method, Target, Body string }

func startProxy(t *testing.T, upstream *url.URL) *proxy {
	t.Helper()
	p := &proxy{}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = upstream.Scheme, upstream.Host
		r.Out.Host = r.In.Host // upload URLs are made of it
	}}
	server := httptest.NewServer(contracttest.Wrap(t, p.keep(forward)))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL + upstream.Path)
	if err != nil {
		t.Fatal(err)
	}
	p.base = base
	return p
}

func (p *proxy) keep(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the gateway left
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.mu.Lock()
		p.sent = append(p.sent, sent{r.Method, r.URL.RequestURI(), string(body)})
		p.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// last is the last request.
func (p *proxy) last() sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sent) == 0 {
		return sent{}
	}
	return p.sent[len(p.sent)-1]
}
