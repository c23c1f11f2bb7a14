//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// balancingSite spreads calls over two gateways. nginx learns that one is gone by being
// refused a connection, and takes the other; with max_fails=0 it forgets that at once.
// Connections that are kept make few that the end of a gateway could cut before it has
// taken them. Callers must not see health: it would be that of one gateway, and a caller
// that heeds it would leave nginx, that is both.
const balancingSite = `
upstream gateways {
	server %a max_fails=0;
	server %b max_fails=0;
	keepalive 64;
}
server {
	listen unix:%dir/edge.sock http2;
	keepalive_requests 1000000;
	location / {
		grpc_pass grpc://gateways;
		grpc_read_timeout 1h;
		grpc_send_timeout 1h;
	}
	location /grpc.health.v1.Health/ { return 404; }
}
`

// A replica is a gateway that is started anew at the same address.
type replica struct {
	t        *testing.T
	upstream *url.URL
	addr     string
	args     []string
	now      *gateway
}

func startReplica(t *testing.T, upstream *url.URL, args ...string) *replica {
	t.Helper()
	r := &replica{t: t, upstream: upstream, addr: lastingPort(t), args: args}
	r.start()
	return r
}

// lastingPort is an address at which nobody listens, and that nobody is given while its
// owner is away: systems give out ports above these.
func lastingPort(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000))
		if listener, err := net.Listen("tcp", addr); err == nil {
			_ = listener.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

func (r *replica) start() {
	r.t.Helper()
	r.now = startGateway(r.t, r.upstream, append([]string{"--grpc-addr=" + r.addr, "--share=0.5"}, r.args...)...)
}

// restart ends the gateway, waits until its calls have ended, starts it again, and waits
// until it is called.
func (r *replica) restart() {
	r.t.Helper()
	r.now.stop()
	r.start()
	r.now.await("a call", func(l logLine) bool { return l.text("msg") == "call" && l.text("code") == "OK" })
}

// A load is callers that go on until they are told to stop.
type load struct {
	clients
	stop    chan struct{}
	callers sync.WaitGroup

	attempts, calls, streams, rewatched atomic.Int64 // watches are no calls

	mu     sync.Mutex
	failed []string // Guarded by mu.
}

// watching is the key of contexts of watches.
type watching struct{}

// TagRPC and the others make a load count attempts.
func (l *load) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC counts the attempts of calls, but for those of which nothing was sent.
func (l *load) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if begin, ok := s.(*stats.Begin); ok && !begin.IsTransparentRetryAttempt && ctx.Value(watching{}) == nil {
		l.attempts.Add(1)
	}
}

// TagConn does nothing.
func (l *load) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (l *load) HandleConn(context.Context, stats.ConnStats) {}

func startLoad(t *testing.T, target string, groups []string, options ...grpc.DialOption) *load {
	t.Helper()
	l := &load{stop: make(chan struct{})}
	conn, err := grpc.NewClient(target, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithStatsHandler(l))...)
	if err != nil {
		t.Fatal(err)
	}
	l.clients = clientsOf(conn)
	t.Cleanup(func() { _ = conn.Close() })
	for range 4 {
		l.repeat(5*time.Millisecond, func(ctx context.Context) {
			_, err := l.personas.GetPersona(ctx, &maverav1.GetPersonaRequest{Id: personaID})
			l.count("GetPersona", err)
		})
		l.repeat(10*time.Millisecond, func(ctx context.Context) {
			_, err := l.responses.CreateResponse(ctx, &maverav1.CreateResponseRequest{
				Model: "mavera-1", PersonaId: new(personaID), Input: &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: "Which?"}},
			})
			l.count("CreateResponse", err)
		})
		l.repeat(time.Millisecond, func(ctx context.Context) {
			got := stream(ctx, l.responses.StreamResponse, streamRequest())
			if got.err == nil && got.events[len(got.events)-1].GetCompleted() == nil {
				got.err = fmt.Errorf("%d events without the last", len(got.events))
			}
			l.streams.Add(1)
			l.count("StreamResponse", got.err)
		})
	}
	for _, group := range groups {
		l.callers.Go(func() { l.watch(group) })
	}
	return l
}

// repeat calls at intervals; what has begun when the load stops is finished.
func (l *load) repeat(every time.Duration, do func(context.Context)) {
	l.callers.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			do(ctx)
			cancel()
			select {
			case <-tick.C:
			case <-l.stop:
				return
			}
		}
	})
}

// watch watches a job that does not end, again whenever a gateway that stops ends it.
func (l *load) watch(group string) {
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), watching{}, true))
	defer cancel()
	go func() {
		<-l.stop
		cancel()
	}()
	for ctx.Err() == nil {
		seen, o := watch(ctx, l.groups.WatchFocusGroup, &maverav1.WatchFocusGroupRequest{Id: group})
		switch {
		case ctx.Err() != nil:
		case reasonOf(o.err) == "SHUTTING_DOWN":
			l.rewatched.Add(1)
		default:
			l.fail(fmt.Sprintf("WatchFocusGroup: %v after %d states", o.err, len(seen)))
			return
		}
	}
}

func (l *load) count(what string, err error) {
	l.calls.Add(1)
	if err != nil {
		l.fail(fmt.Sprintf("%s: %v", what, err))
	}
}

func (l *load) fail(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = append(l.failed, time.Now().Format("15:04:05.000 ")+what)
}

// end stops the load and says what failed.
func (l *load) end() []string {
	close(l.stop)
	l.callers.Wait()
	return l.failed
}

// reasonOf is the reason in a status, "" where there is none.
func reasonOf(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// TestRollout restarts two gateways in turn under load, and no call fails: behind a proxy
// that finds out by itself, and with callers that balance by health.
func TestRollout(t *testing.T) {
	config, err := os.ReadFile("../docs/service_config.json")
	if err != nil {
		t.Fatal(err)
	}
	published := grpc.WithDefaultServiceConfig(string(config))
	for _, row := range []struct {
		name     string
		restarts int
		args     []string
		dial     func(t *testing.T, a, b string) (target string, options []grpc.DialOption)
	}{
		{"nginx", 20, nil, func(t *testing.T, a, b string) (string, []grpc.DialOption) {
			t.Helper()
			target := startNginx(t, t.TempDir(), strings.NewReplacer("%a", a, "%b", b).Replace(balancingSite))
			return target, []grpc.DialOption{published}
		}},
		{"callers that balance", 6, []string{"--drain-notice=100ms"}, func(_ *testing.T, a, b string) (string, []grpc.DialOption) {
			found := manual.NewBuilderWithScheme("replicas")
			found.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: a}, {Addr: b}}})
			return "replicas:///", []grpc.DialOption{published, grpc.WithResolvers(found)}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := startMavera(t)
			direct := startGateway(t, m.base)
			m.lasting(time.Hour)
			groups := []string{direct.createStudy(t), direct.createStudy(t)}
			m.control("PATCH", "settings", object{"token_delay": "5ms"}, nil)
			replicas := []*replica{startReplica(t, m.base, row.args...), startReplica(t, m.base, row.args...)}
			target, options := row.dial(t, replicas[0].addr, replicas[1].addr)
			l := startLoad(t, target, groups, options...)
			eventually(t, "the first calls", func() bool { return l.calls.Load() > 100 && l.streams.Load() > 10 })
			begin := time.Now()
			for i := range row.restarts {
				replicas[i%2].restart()
			}
			took := time.Since(begin)
			failed := l.end()
			for _, failure := range failed[:min(len(failed), 20)] {
				t.Error(failure)
			}
			if l.rewatched.Load() == 0 {
				t.Error("no watch was ended by a restart")
			}
			t.Logf("%d restarts in %s: %d calls, %d of them streams; %d failed, %d retries of clients; %d watches again",
				row.restarts, took.Round(millisecond), l.calls.Load(), l.streams.Load(), len(failed), l.attempts.Load()-l.calls.Load(), l.rewatched.Load())
		})
	}
}
