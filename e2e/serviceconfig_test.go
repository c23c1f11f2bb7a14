//go:build e2e

package e2e

import (
	"os"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // the service config asks for health checks

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// TestServiceConfig has a client with the published service config retry: after the time
// that the gateway names, and not at all where it says so.
func TestServiceConfig(t *testing.T) {
	config, err := os.ReadFile("../docs/service_config.json")
	if err != nil {
		t.Fatal(err)
	}
	m, g := pair(t, "--retry-attempts=1", "--retry-budget-stock=0", "--retry-budget-ratio=1")
	conn, err := grpc.NewClient("dns:///"+g.addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(string(config)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	personas := maverav1.NewPersonasServiceClient(conn)
	request := &maverav1.GetPersonaRequest{Id: personaID}
	if _, err := personas.GetPersona(within(t), request); err != nil { // its call pays for a retry
		t.Fatal(err)
	}
	m.forget()

	// The backoff of the config is about 1 s: only the pushback makes it 3 s.
	m.control("POST", "faults", on(getRoute, 1, answer(503, "Retry-After", "3")), nil)
	begin := time.Now()
	_, o := call(within(t), personas.GetPersona, request)
	if took := time.Since(begin); o.err != nil || took < 3*time.Second {
		t.Errorf("after %v: %v; want success after 3 s", took, o.err)
	}
	if got := len(m.requests()); got != 2 {
		t.Errorf("%d requests reached the simulator, want 2", got)
	}
	m.forget()

	// With an attempt count of a mesh the call is a retry, for which there is no budget
	// left: RESOURCE_EXHAUSTED, which the config retries, but the pushback is -1.
	spend := with(within(t), "x-envoy-attempt-count", "2", "x-request-id", "spent")
	for o.err == nil {
		_, o = call(spend, personas.GetPersona, request)
	}
	if pushback := one(o.trailer, "grpc-retry-pushback-ms"); statusOf(o.err) != codes.ResourceExhausted || pushback != "-1" {
		t.Errorf("got %v, pushback %s", o.err, pushback)
	}
	isRefusal := func(l logLine) bool {
		return l.text("request_id") == "spent" && l.text("code") == codes.ResourceExhausted.String()
	}
	g.await("the refusal", isRefusal)
	refused := 0
	lines, _ := g.records()
	for _, line := range lines {
		if isRefusal(line) {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("refused %d times, want once: the client must not come back", refused)
	}
}
