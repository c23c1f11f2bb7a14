package server

import (
	"sync"
	"time"

	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// UpstreamService is what Mavera is called in grpc.health.v1. It is NOT_SERVING while the
// breaker of any family is open, for the gateway's own key; UpstreamService, a dot and the
// name of a family is NOT_SERVING while that family's is. Neither says anything of the
// gateway, whose own name is "".
const UpstreamService = "mavera.upstream"

// outages publishes which breakers are open. With the end of its cooldown a family counts
// as serving again: nobody would send the probe if all waited for its success.
type outages struct {
	health *health.Server

	mu   sync.Mutex
	open map[string]*time.Timer // by family; fires at the end of the cooldown. Guarded by mu.
}

func newOutages(published *health.Server, plans []*transcode.Plan) *outages {
	published.SetServingStatus(UpstreamService, grpc_health_v1.HealthCheckResponse_SERVING)
	for _, p := range plans {
		published.SetServingStatus(UpstreamService+"."+p.Family, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	return &outages{health: published, open: map[string]*time.Timer{}}
}

// look publishes the state of a breaker that has changed. It asks for the state once more,
// under the lock, so that of two changes at the same time the later one stands.
func (o *outages) look(family string, breaker resilience.BreakerStore) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if timer := o.open[family]; timer != nil {
		timer.Stop()
		delete(o.open, family)
	}
	state, retryAt, _ := breaker.Check(time.Now())
	if state == resilience.Open {
		o.open[family] = time.AfterFunc(time.Until(retryAt), func() { o.look(family, breaker) })
	}
	o.health.SetServingStatus(UpstreamService+"."+family, servingUnless(state == resilience.Open))
	o.health.SetServingStatus(UpstreamService, servingUnless(len(o.open) > 0))
}

// stop ends the waits for the ends of cooldowns.
func (o *outages) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, timer := range o.open {
		timer.Stop()
	}
}

func servingUnless(out bool) grpc_health_v1.HealthCheckResponse_ServingStatus {
	if out {
		return grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}
	return grpc_health_v1.HealthCheckResponse_SERVING
}
