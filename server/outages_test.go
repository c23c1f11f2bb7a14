package server

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// healthOf asks for the health of names.
func healthOf(t *testing.T, h *harness, names ...string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, name := range names {
		answer, err := grpc_health_v1.NewHealthClient(h.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: name})
		if err != nil {
			t.Fatal(err)
		}
		got[name] = answer.GetStatus().String()
	}
	return got
}

// TestOutages follows two families through an outage of Mavera's.
func TestOutages(t *testing.T) {
	const all, personas, mave, own = "mavera.upstream", "mavera.upstream.personas", "mavera.upstream.mave", "mavera.v1.PersonasService"
	synctest.Test(t, func(t *testing.T) {
		h, _ := scripted(t, []http.HandlerFunc{
			answering(503), answering(503), // one of each family
			answering(503), answers(200, `{}`), // the probes of the personas
		}, policy(func(p *resilience.Policy) { p.Attempts, p.Breaker.Failures = 1, 1 }))
		watch, err := grpc_health_v1.NewHealthClient(h.conn).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: all})
		if err != nil {
			t.Fatal(err)
		}
		watched := make(chan string, 16)
		go func() {
			for {
				answer, err := watch.Recv()
				if err != nil {
					close(watched)
					return
				}
				watched <- answer.GetStatus().String()
			}
		}()
		get := func(ctx context.Context) { _, _, _ = h.getPersona(ctx, "p-1") }
		for _, step := range []struct {
			name    string
			do      func(context.Context)
			out     [3]bool // all, personas, mave
			watched int     // statuses that the watch has shown by then
		}{
			{name: "at the start", do: func(context.Context) {}, watched: 1},
			{name: "the personas fail", do: get, out: [3]bool{true, true, false}, watched: 2},
			{name: "Mave fails as well", do: func(ctx context.Context) { _, _ = h.sendMave(ctx) }, out: [3]bool{true, true, true}, watched: 2},
			{name: "a refused call changes nothing", do: get, out: [3]bool{true, true, true}, watched: 2},
			{name: "the cooldown is over", do: func(context.Context) { time.Sleep(30 * time.Second) }, watched: 3},
			{name: "the probe fails", do: get, out: [3]bool{true, true, false}, watched: 4},
			{name: "the cooldown is twice as long", do: func(context.Context) { time.Sleep(59 * time.Second) }, out: [3]bool{true, true, false}, watched: 4},
			{name: "it is over too", do: func(context.Context) { time.Sleep(time.Second) }, watched: 5},
			{name: "the probe succeeds", do: get, watched: 5},
		} {
			step.do(t.Context())
			synctest.Wait()
			want := map[string]string{
				"": "SERVING", own: "SERVING",
				all: servingUnless(step.out[0]).String(), personas: servingUnless(step.out[1]).String(), mave: servingUnless(step.out[2]).String(),
			}
			if diff := cmp.Diff(want, healthOf(t, h, "", own, all, personas, mave)); diff != "" {
				t.Errorf("%s, -want +got:\n%s", step.name, diff)
			}
			if len(watched) != step.watched {
				t.Errorf("%s: the watch has shown %d statuses, want %d", step.name, len(watched), step.watched)
			}
		}
		h.server.Stop(time.Minute)
		var shown []string
		for s := range watched {
			shown = append(shown, s)
		}
		if diff := cmp.Diff([]string{"SERVING", "NOT_SERVING", "SERVING", "NOT_SERVING", "SERVING", "NOT_SERVING"}, shown); diff != "" {
			t.Errorf("the watch, the end of the gateway included, -want +got:\n%s", diff)
		}
	})
}

// TestOutageOfACallersKey is nobody else's.
func TestOutageOfACallersKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := scripted(t, []http.HandlerFunc{answering(503)},
			policy(func(p *resilience.Policy) { p.Attempts, p.Breaker.Failures = 1, 1 }), func(o *Options) { o.AllowCallerKeys = true })
		ctx := metadata.AppendToOutgoingContext(t.Context(), apiKeyKey, "mvra_live_zyxwvutsrqponmlkjihgfedcba")
		if _, _, err := h.getPersona(ctx, "p-1"); status.Code(err) != codes.Unavailable {
			t.Fatal(err)
		}
		if h.tally.count("personas open") != 1 {
			t.Errorf("no breaker has opened: %v", h.tally.decisions)
		}
		want := map[string]string{"mavera.upstream": "SERVING", "mavera.upstream.personas": "SERVING"}
		if diff := cmp.Diff(want, healthOf(t, h, "mavera.upstream", "mavera.upstream.personas")); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}
