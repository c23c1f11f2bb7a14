package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/tracing"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testKey has the form of a key.
const testKey = "mvra_live_abcdefghijklmnopqrstuvwxyz"

// A harness is a server on memory connections, in front of an upstream on memory
// connections: all of it works inside a testing/synctest bubble.
type harness struct {
	server *Server
	conn   *grpc.ClientConn
	log    *journal
	tally  *tally

	personas maverav1.PersonasServiceClient
	mave     maverav1.MaveServiceClient
	folders  maverav1.FoldersServiceClient
}

// newHarness starts both sides; change edits the options.
func newHarness(t testing.TB, upstream http.HandlerFunc, change ...func(*Options)) *harness {
	t.Helper()
	h := &harness{log: &journal{}, tally: &tally{fields: map[string]int{}, credits: map[string]float64{}, decisions: map[string]int{}}}

	pages := &http.Server{Handler: upstream}
	pipes := newPipes()
	go func() { _ = pages.Serve(pipes) }()
	transport := &http.Transport{DialContext: pipes.dial}
	key, err := secret.ParseKey(testKey)
	if err != nil {
		t.Fatal(err)
	}
	policies, err := DefaultPolicies(resilience.DefaultPolicy(), 1)
	if err != nil {
		t.Fatal(err)
	}
	options := Options{
		Policies: policies,
		Client: mavera.NewClient(mavera.Options{
			BaseURL:   &url.URL{Scheme: "http", Host: "mavera.test", Path: "/api/v1"},
			Transport: transport,
		}),
		Key:      func() secret.Key { return key },
		Logger:   slog.New(slog.NewJSONHandler(secret.NewWriter(h.log), &slog.HandlerOptions{ReplaceAttr: withoutTime})),
		Observer: h.tally,
		Health:   true,
	}
	for _, c := range change {
		c(&options)
	}
	if h.server, err = New(options); err != nil {
		t.Fatal(err)
	}
	listener := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- h.server.Serve(listener) }()
	h.conn, err = grpc.NewClient("passthrough:///gateway",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	h.personas, h.mave, h.folders = maverav1.NewPersonasServiceClient(h.conn), maverav1.NewMaveServiceClient(h.conn), maverav1.NewFoldersServiceClient(h.conn)
	t.Cleanup(func() {
		_ = h.conn.Close()
		h.server.Stop(0)
		if err := <-served; err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
		_ = pages.Close()
		if strings.Contains(h.log.text(), strings.TrimPrefix(testKey, "mvra_live_abcd")) {
			t.Errorf("the log has a key:\n%s", h.log.text())
		}
	})
	return h
}

// getPersona calls with a known request id and returns the trailers.
func (h *harness) getPersona(ctx context.Context, id string, pairs ...string) (*maverav1.Persona, metadata.MD, error) {
	ctx = metadata.AppendToOutgoingContext(ctx, append([]string{"x-request-id", "r-1", "x-caller-id", "tester"}, pairs...)...)
	var trailer metadata.MD
	persona, err := h.personas.GetPersona(ctx, &maverav1.GetPersonaRequest{Id: id}, grpc.Trailer(&trailer))
	return persona, trailer, err
}

// attempts bounds the attempts of every call.
func attempts(most int) func(*Options) {
	return policy(func(p *resilience.Policy) { p.Attempts = most })
}

// policy changes the policy of every family.
func policy(change func(*resilience.Policy)) func(*Options) {
	return func(o *Options) {
		change(&o.Policies.Default)
		for family := range o.Policies.Families {
			p := o.Policies.Families[family]
			change(&p)
			o.Policies.Families[family] = p
		}
	}
}

// answers always gives one answer.
func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// hangs never answers, and says through left that the client has gone.
func hangs(arrived, left chan<- struct{}) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does net/http notice that the client has gone
		arrived <- struct{}{}
		<-r.Context().Done()
		left <- struct{}{}
	}
}

// pipes is a listener whose connections are made in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// A journal keeps the log lines.
type journal struct {
	mu     sync.Mutex
	buffer bytes.Buffer // Guarded by mu.
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buffer.Write(p)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buffer.String()
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// A tally is an Observer that remembers.
type tally struct {
	mu      sync.Mutex
	fields  map[string]int     // By "rpc field kind". Guarded by mu.
	credits map[string]float64 // By family. Guarded by mu.
	// Retries by family and reason, "budget" by family, transitions by family.
	// Guarded by mu.
	decisions map[string]int
}

func (c *tally) decide(what ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.decisions[strings.Join(what, " ")]++
}

// count is how often something was decided.
func (c *tally) count(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.decisions[what]
}

func (c *tally) AddRetry(_ context.Context, family, reason string) { c.decide(family, reason) }

func (c *tally) AddBudgetRefusal(_ context.Context, family string)         { c.decide(family, "budget") }
func (c *tally) AddTransition(_ context.Context, family, _, to string)     { c.decide(family, to) }
func (c *tally) AddIgnoredReport(_ context.Context, reason string)         { c.decide("report", reason) }
func (c *tally) RecordWait(context.Context, string, string, time.Duration) {}

func (c *tally) AddRefusal(_ context.Context, family, reason string) {
	c.decide(family, "refused", reason)
}
func (c *tally) AddPanic(context.Context) { c.decide("panic") }

func (c *tally) AddLookUp(_ context.Context, family, result string) {
	c.decide(family, "look-up", result)
}

func (c *tally) RecordJob(_ context.Context, family string, age time.Duration) {
	c.decide(family, "job", age.String())
}

func (c *tally) RecordCall(context.Context, string, codes.Code, time.Duration)             {}
func (c *tally) RecordAttempt(context.Context, tracing.Target, int, string, time.Duration) {}
func (c *tally) RecordGeneration(context.Context, string, string, string, time.Duration)   {}
func (c *tally) RecordTokens(context.Context, string, string, int64, int64)                {}
func (c *tally) AddPoll(_ context.Context, family, result string)                          { c.decide(family, "poll", result) }

func (c *tally) AddUnmodelledField(_ context.Context, rpc, field, kind string, count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fields[rpc+" "+field+" "+kind] += count
}

func (c *tally) AddCredits(_ context.Context, family, _ string, credits float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.credits[family] += credits
}

// A logLine is one line of the log.
type logLine map[string]any

// String is the line as JSON with sorted keys.
func (l logLine) String() string {
	text, err := json.Marshal(map[string]any(l))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (j *journal) lines(t *testing.T) []logLine {
	t.Helper()
	var out []logLine
	for line := range strings.Lines(j.text()) {
		var l logLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}
