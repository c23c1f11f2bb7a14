//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"net/url"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// A toxic is something that a network does to connections; its attributes are those
// of toxiproxy.
type toxic struct {
	kind, stream string // stream is upstream for requests, downstream for answers
	attributes   object
}

// A network lies between gateway and simulator.
type network struct {
	t     *testing.T
	proxy *toxiproxy.Proxy
	base  *url.URL
}

func startNetwork(t *testing.T, upstream *url.URL, toxics ...toxic) *network {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	n := &network{t: t, proxy: toxiproxy.NewProxy(server, "mavera", "127.0.0.1:0", upstream.Host)}
	n.up()
	t.Cleanup(n.down)
	for _, x := range toxics {
		text, err := json.Marshal(object{"type": x.kind, "stream": x.stream, "attributes": x.attributes})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	base := *upstream
	base.Host = n.proxy.Listen
	n.base = &base
	return n
}

// up listens, again at the same address.
func (n *network) up() {
	n.t.Helper()
	if err := n.proxy.Start(); err != nil {
		n.t.Fatal(err)
	}
}

// down closes all connections and refuses new ones.
func (n *network) down() { n.proxy.Stop() }
