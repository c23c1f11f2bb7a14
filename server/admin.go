package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// closeLimit is how long running requests of the admin port may take at the end:
// a last scrape, mostly.
const closeLimit = 2 * time.Second

// Admin is the HTTP side of the gateway, for probes and operators:
//
//	/livez        200 as long as the process answers
//	/readyz       200 while calls are taken, 503 before and during the drain
//	/metrics      metrics for Prometheus
//	/debug/pprof  profiles, on a loopback address or when asked for
type Admin struct {
	gateway *Server
	metrics http.Handler
	debug   bool
	http    *http.Server
}

// NewAdmin returns the admin side of a server. debug serves profiles on any
// address, not just on loopback.
func NewAdmin(gateway *Server, metrics http.Handler, debug bool) *Admin {
	return &Admin{gateway: gateway, metrics: metrics, debug: debug, http: &http.Server{ReadHeaderTimeout: 10 * time.Second}}
}

// Serve answers requests on the listener until [Admin.Close].
func (a *Admin) Serve(listener net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", a.ready)
	mux.Handle("GET /metrics", a.metrics)
	if a.debug || isLoopback(listener.Addr()) {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	a.http.Handler = mux
	if err := a.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve admin pages: %w", err)
	}
	return nil
}

func (a *Admin) ready(w http.ResponseWriter, _ *http.Request) {
	if a.gateway.Ready() {
		say(w, http.StatusOK, "ok")
		return
	}
	say(w, http.StatusServiceUnavailable, "not taking calls")
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}

// Close stops the admin side.
func (a *Admin) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	if err := a.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop admin pages: %w", err)
	}
	return nil
}

func isLoopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
