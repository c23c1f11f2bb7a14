package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
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
//	/statusz      how things are, for people; see [AdminOptions]
//	/loglevel     the least severe level that is logged; PUT changes it
//	/debug/pprof  profiles
//
// What changes something or costs much, PUT /loglevel and /debug/pprof, is served on
// a loopback address or when asked for.
type Admin struct {
	gateway *Server
	options AdminOptions
	http    *http.Server
}

// AdminOptions configure an [Admin]. All but Debug are required.
type AdminOptions struct {
	// Metrics serves /metrics.
	Metrics http.Handler
	// Status adds /statusz and what belongs to it.
	Status func(*http.ServeMux)
	// Level is the least severe level that is logged.
	Level *slog.LevelVar
	// Debug serves on any address what is else for loopback ones only.
	Debug bool
}

// NewAdmin returns the admin side of a server.
func NewAdmin(gateway *Server, options AdminOptions) *Admin {
	return &Admin{gateway: gateway, options: options, http: &http.Server{ReadHeaderTimeout: 10 * time.Second}}
}

// Serve answers requests on the listener until [Admin.Close].
func (a *Admin) Serve(listener net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", a.ready)
	mux.Handle("GET /metrics", a.options.Metrics)
	mux.HandleFunc("GET /loglevel", a.level)
	a.options.Status(mux)
	if a.options.Debug || isLoopback(listener.Addr()) {
		mux.HandleFunc("PUT /loglevel", a.setLevel)
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

func (a *Admin) level(w http.ResponseWriter, _ *http.Request) {
	say(w, http.StatusOK, strings.ToLower(a.options.Level.Level().String()))
}

// maxLevel is how long a level's name may be, in bytes.
const maxLevel = 16

// setLevel takes the names that the setting log_level takes.
func (a *Admin) setLevel(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLevel))
	name := strings.TrimSpace(string(text))
	if err != nil || !slices.Contains([]string{"debug", "info", "warn", "error"}, name) {
		say(w, http.StatusBadRequest, "want debug, info, warn or error")
		return
	}
	if err := a.options.Level.UnmarshalText([]byte(name)); err != nil {
		say(w, http.StatusBadRequest, err.Error())
		return
	}
	a.gateway.options.Logger.Warn("the log level was changed", slog.String("log_level", name))
	a.level(w, r)
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
