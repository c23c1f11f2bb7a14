//go:build e2e

package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// A gate is an upstream that answers when the test says so.
type gate struct {
	base    *url.URL
	arrived chan struct{} // one for each request
	open    chan struct{} // closed to let them all through
}

func startGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{arrived: make(chan struct{}), open: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server would not notice that the client leaves
		g.arrived <- struct{}{}
		select {
		case <-g.open:
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"id": "p-1", "name": "Buyer"}`)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL + "/api/v1")
	if err != nil {
		t.Fatal(err)
	}
	g.base = base
	return g
}

// TestDrain stops a gateway in the middle of a call: it says so first, and lets
// the call finish.
func TestDrain(t *testing.T) {
	upstream := startGate(t)
	g := startGateway(t, upstream.base)
	watch, err := g.health.Watch(within(t), &grpc_health_v1.HealthCheckRequest{Service: "mavera.v1.PersonasService"})
	if err != nil {
		t.Fatal(err)
	}
	health := func() string {
		t.Helper()
		answer, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return answer.GetStatus().String()
	}
	if got := health(); got != "SERVING" {
		t.Fatalf("health is %s", got)
	}
	if status, _ := g.page("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz is %d", status)
	}

	done := make(chan outcome, 1)
	go func() { done <- g.getPersona(within(t), "p-1") }()
	<-upstream.arrived
	g.signalStop()
	if got := health(); got != "NOT_SERVING" {
		t.Errorf("health is %s after the signal", got)
	}
	if status, _ := g.page("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz is %d while draining", status)
	}
	if status, _ := g.page("/livez"); status != http.StatusOK {
		t.Errorf("/livez is %d while draining", status)
	}
	eventually(t, "new calls to be refused", func() bool {
		_, err := g.health.Check(within(t), &grpc_health_v1.HealthCheckRequest{})
		return statusOf(err) == codes.Unavailable
	})
	select {
	case o := <-done:
		t.Fatalf("the call ended with the signal: %v", o.err)
	case <-g.done:
		t.Fatal("the gateway did not wait for the call")
	default:
	}
	if got, err := watch.Recv(); err == nil {
		t.Errorf("the watch goes on, with %s: it would hold up the drain", got.GetStatus())
	}
	close(upstream.open)
	if o := <-done; o.err != nil || one(o.trailer, "x-mavera-attempts") != "1" {
		t.Errorf("got %v, trailers %v", o.err, o.trailer)
	}
	g.wait()
	g.awaitMessage("stopped")
}

// TestDrainLimit has calls that do not end in time.
func TestDrainLimit(t *testing.T) {
	held := startGate(t)
	g := startGateway(t, held.base, "--drain-timeout=200ms")
	get, create := make(chan outcome, 1), make(chan outcome, 1)
	go func() { get <- g.getPersona(within(t), "p-1") }()
	<-held.arrived
	go func() { create <- g.createPersona(within(t)) }()
	<-held.arrived
	g.signalStop()

	want := failure{Code: codes.Unavailable, Reason: "SHUTTING_DOWN", Domain: local, Retryable: "true", Wait: "0s", Attempts: "1"}
	if diff := cmp.Diff(want, (<-get).failure(t)); diff != "" {
		t.Errorf("idempotent, -want +got:\n%s", diff)
	}
	want = failure{
		Code: codes.Unknown, Reason: "OUTCOME_UNKNOWN", Domain: upstream, Retryable: "false", Wait: "-1", Attempts: "1",
		Outcome: "unknown", Details: "/guides/errors",
	}
	if diff := cmp.Diff(want, (<-create).failure(t)); diff != "" {
		t.Errorf("non-idempotent, -want +got:\n%s", diff)
	}
	g.wait()
	g.awaitMessage("the drain limit has passed; running calls are ended")
	g.awaitMessage("stopped")
}

// TestDrainNotice has a gateway take calls, on old and new connections, between its notice
// and the end of it.
func TestDrainNotice(t *testing.T) {
	_, g := pair(t, "--drain-notice=1s")
	begin := time.Now()
	g.signalStop()
	g.awaitMessage("leaving")
	eventually(t, "readiness to end", func() bool { code, _ := g.page("/readyz"); return code == http.StatusServiceUnavailable })
	conn, err := grpc.NewClient(g.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for name, c := range map[string]clients{"the old connection": g.clients, "a new connection": clientsOf(conn)} {
		if out := c.get(within(t)); out.err != nil {
			t.Errorf("%s: %v", name, out.err)
		}
	}
	g.wait()
	if took := time.Since(begin); took < time.Second {
		t.Errorf("it gave notice for %s", took)
	}
	if out := g.getPersona(within(t), personaID); statusOf(out.err) != codes.Unavailable {
		t.Errorf("after its end: %v", out.err)
	}
}

// TestOutage has Mavera fail, and probes be told under its name alone.
func TestOutage(t *testing.T) {
	m, g := pair(t, "--retry-attempts=1", "--breaker-failures=1", "--breaker-cooldown=5m")
	probe := func(service string) string {
		output, _ := shell(t, "grpc-health-probe -addr="+g.addr+" -service="+service) // the words say it
		return strings.TrimSpace(output)
	}
	m.fault(getRoute, on(getRoute, 1, answer(503)))
	g.getPersona(within(t), personaID)
	for service, want := range map[string]string{
		"":                          "status: SERVING",
		"mavera.v1.PersonasService": "status: SERVING",
		"mavera.upstream":           `service unhealthy (responded with "NOT_SERVING")`,
		"mavera.upstream.personas":  `service unhealthy (responded with "NOT_SERVING")`,
		"mavera.upstream.responses": "status: SERVING",
	} {
		if got := probe(service); got != want {
			t.Errorf("%q is %q, want %q", service, got, want)
		}
	}
	if code, _ := g.page("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz is %d in an outage of Mavera", code)
	}
}
