package server

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/mavera-gateway/mavera-gateway/internal/caller"
)

const (
	cart   = "spiffe://example.org/ns/shop/sa/cart"
	orders = "spiffe://example.org/ns/shop/sa/orders"
	edge   = "spiffe://example.org/ns/edge/sa/proxy"
)

func trusting(t *testing.T, text string) caller.Proxies {
	t.Helper()
	proxies, err := caller.ParseProxies(text)
	if err != nil {
		t.Fatal(err)
	}
	return proxies
}

func allowing(t *testing.T, text string) caller.AllowList {
	t.Helper()
	list, err := caller.ParseAllowList(text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// connected is a peer on an address with a certificate, which is verified or not.
func connected(t *testing.T, address, uri string, verified bool) *peer.Peer {
	t.Helper()
	p := &peer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP(address), Port: 1}}
	if uri == "" {
		return p
	}
	parsed, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	certificate := &x509.Certificate{URIs: []*url.URL{parsed}}
	state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}
	if verified {
		state.VerifiedChains = [][]*x509.Certificate{{certificate}}
	}
	p.AuthInfo = credentials.TLSInfo{State: state}
	return p
}

// TestCaller says who a caller is taken for, and whether anybody vouches for it.
func TestCaller(t *testing.T) {
	const far, near = "192.0.2.7", "127.0.0.6"
	report := func(texts ...string) metadata.MD {
		return metadata.MD{caller.Header: texts, callerKey: {"job"}}
	}
	named := metadata.MD{callerKey: {"job"}}
	for _, row := range []struct {
		name     string
		peer     *peer.Peer
		md       metadata.MD
		verified caller.ID
		caller   string
		ignored  string // the reason
	}{
		{"its certificate", connected(t, far, cart, true), nil, cart, cart, ""},
		{"its certificate, and a name is not read", connected(t, far, cart, true), named, cart, cart, ""},
		{"not even one that would be refused", connected(t, far, cart, true), metadata.MD{callerKey: {"two words"}}, cart, cart, ""},
		{"a certificate that was not checked", connected(t, far, cart, false), named, "", "job", ""},
		{"its name", connected(t, far, "", false), named, "", "job", ""},
		{"its address", connected(t, far, "", false), nil, "", far, ""},
		{"a trusted proxy's report", connected(t, far, edge, true), report("URI=" + cart), cart, cart, ""},
		{"the report of one trusted for its address", connected(t, near, "", false), report("URI=" + cart), cart, cart, ""},
		{"the last report counts", connected(t, near, "", false), report("URI="+orders, "URI="+cart), cart, cart, ""},
		{"a trusted proxy without a report", connected(t, far, edge, true), nil, edge, edge, ""},
		{"one without a report or an identity", connected(t, near, "", false), named, "", "job", ""},
		{"a forged report of a known peer", connected(t, far, orders, true), report("URI=" + cart), orders, orders, "untrusted_peer"},
		{"the same from a good address", connected(t, near, orders, true), report("URI=" + cart), orders, orders, "untrusted_peer"},
		{"a forged report of an unknown peer", connected(t, far, "", false), report("URI=" + cart), "", "job", "untrusted_peer"},
		{"a certificate that was not checked is no proxy's", connected(t, far, edge, false), report("URI=" + cart), "", "job", "untrusted_peer"},
		{"a malformed report leaves nobody, not the proxy", connected(t, far, edge, true), report(`URI="` + cart), "", "job", "malformed"},
		{"so does one without a name", connected(t, far, edge, true), report("Hash=1"), "", "job", "unnamed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			log, tally := &journal{}, &tally{decisions: map[string]int{}}
			i := newIdentity(Options{Logger: logTo(log), Observer: tally, TrustedProxies: trusting(t, edge+",127.0.0.0/8")})
			wantTally, wantLines := map[string]int{}, 0
			if row.ignored != "" {
				wantTally["report "+row.ignored], wantLines = 3, 1
			}
			for range 3 {
				ctx := record{}.begin(peer.NewContext(metadata.NewIncomingContext(t.Context(), row.md), row.peer), "/p.S/M")
				if id := i.verified(ctx); id != row.verified {
					t.Errorf("verified is %q, want %q", id, row.verified)
				}
				if name, err := callerName(ctx, row.verified); name != row.caller || err != nil {
					t.Errorf("the name is %q, %v; want %q", name, err, row.caller)
				}
			}
			if diff := cmp.Diff(wantTally, tally.decisions); diff != "" {
				t.Errorf("counted, -want +got:\n%s", diff)
			}
			if got := strings.Count(log.text(), `"msg":"the caller's identity in x-forwarded-client-cert is ignored"`); got != wantLines {
				t.Errorf("logged %d times:\n%s", got, log.text())
			}
		})
	}
}

func TestCheckAllowList(t *testing.T) {
	for list, want := range map[string]string{
		"mavera.v1.PersonasService=*;*=*":                                         "",
		"grpc.reflection.v1.ServerReflection=*;grpc.channelz.v1.Channelz=" + edge: "",
		"mavera.v1.PersonaService=*":                                              "there is no service mavera.v1.PersonaService; want a full name such as mavera.v1.ResponsesService",
		"grpc.health.v1.Health=" + edge:                                           "grpc.health.v1.Health is open to everybody, for probes",
	} {
		err := CheckAllowList(allowing(t, list))
		if got := errorText(err); got != want {
			t.Errorf("%s: got %q, want %q", list, got, want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
