package caller

import (
	"net/netip"
	"testing"
)

func TestParseProxies(t *testing.T) {
	const form = "want spiffe://<trust domain>/<path>, dns:<name>, an address or a network such as 10.0.0.0/8"
	for _, row := range []struct{ in, want, wantErr string }{
		{in: "spiffe://example.org/edge, dns:Edge.example,10.1.2.3/8,::1,127.0.0.1", want: "spiffe://example.org/edge,dns:edge.example,10.0.0.0/8,::1/128,127.0.0.1/32"},
		{in: "spiffe://example.org/ns/edge/*", want: "spiffe://example.org/ns/edge/*"},
		{in: "*", wantErr: `"*": ` + form},
		{in: "edge.example", wantErr: `"edge.example": ` + form},
		{in: "dns:edge/*", wantErr: `"dns:edge/*": ` + form},
		{in: "127.0.0.1,", wantErr: `"": ` + form},
		{in: "10.0.0.0/33", wantErr: `"10.0.0.0/33": ` + form},
		{in: "0.0.0.0/0", wantErr: "0.0.0.0/0 would trust everybody"},
		{in: "::/0", wantErr: "::/0 would trust everybody"},
	} {
		got, err := ParseProxies(row.in)
		if text := errText(err); got.String() != row.want || text != row.wantErr || got.IsZero() != (err != nil) {
			t.Errorf("%s:\n got %s, %s\nwant %s, %s", row.in, got, text, row.want, row.wantErr)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestTrust(t *testing.T) {
	proxies, err := ParseProxies(string(edge) + ",spiffe://example.org/ns/mesh/*,10.0.0.0/8,fe80::/10")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name    string
		peer    ID
		address string
		want    bool
	}{
		{"by identity", edge, "192.0.2.1", true},
		{"below a path", "spiffe://example.org/ns/mesh/sa/proxy", "192.0.2.1", true},
		{"the path itself", "spiffe://example.org/ns/mesh", "192.0.2.1", false},
		{"a path that only starts alike", "spiffe://example.org/ns/meshed/sa/proxy", "192.0.2.1", false},
		{"by address", Nobody, "10.9.8.7", true},
		{"an address of IPv4 in IPv6", Nobody, "::ffff:10.9.8.7", true},
		{"an address with a zone", Nobody, "fe80::1%eth0", true},
		{"an address outside", Nobody, "11.0.0.1", false},
		{"an identity is not helped by its address", cart, "10.9.8.7", false},
	} {
		if got := proxies.Trust(row.peer, netip.MustParseAddr(row.address)); got != row.want {
			t.Errorf("%s: got %v", row.name, got)
		}
	}
	if proxies.Trust(Nobody, netip.Addr{}) {
		t.Error("a peer without an address is trusted")
	}
	if (Proxies{}).Trust(edge, netip.MustParseAddr("10.9.8.7")) {
		t.Error("nobody is trusted, and yet somebody is")
	}
}

func TestOrigin(t *testing.T) {
	proxies, err := ParseProxies(string(edge) + ",127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, in string
		want     ID
		wantErr  string
	}{
		{"one element", "URI=" + string(cart), cart, ""},
		{"the last is the proxy's word, the others anybody's", "URI=" + string(orders) + ",URI=" + string(cart), cart, ""},
		{"through a second trusted proxy", "URI=" + string(orders) + ",URI=" + string(cart) + ",URI=" + string(edge), cart, ""},
		{"the trusted proxy calls itself", "URI=" + string(edge), edge, ""},
		{"nobody, and what its client said does not count", "URI=" + string(cart) + ",Hash=1", Nobody, ErrUnnamed.Error()},
		{"malformed", "URI=" + string(cart) + ",x", Nobody, "want key=value at byte 41"},
	} {
		got, err := proxies.Origin(row.in)
		if text := errText(err); got != row.want || text != row.wantErr {
			t.Errorf("%s: got %q, %s; want %q, %s", row.name, got, text, row.want, row.wantErr)
		}
	}
}
