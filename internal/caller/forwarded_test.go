package caller

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mavera-gateway/mavera-gateway/internal/certs/certstest"
)

func TestParseForwarded(t *testing.T) {
	for _, row := range []struct {
		name, in string
		want     []Forwarded
		wantErr  string
	}{
		{name: "as Envoy writes it", in: `By=spiffe://a/edge;Hash=46ab;Subject="/C=US/O=x;y, z/CN=\"c\"";URI=spiffe://a/cart;DNS=cart.example;DNS=c2`, want: []Forwarded{{
			By: []string{"spiffe://a/edge"}, Hash: "46ab", Subject: `/C=US/O=x;y, z/CN="c"`, URI: []string{"spiffe://a/cart"}, DNS: []string{"cart.example", "c2"},
		}}},
		{name: "two elements", in: "URI=spiffe://a/b,URI=spiffe://a/c", want: []Forwarded{{URI: []string{"spiffe://a/b"}}, {URI: []string{"spiffe://a/c"}}}},
		{name: "Istio's empty subject", in: `By=spiffe://a/b;Subject="";URI=spiffe://a/c`, want: []Forwarded{{By: []string{"spiffe://a/b"}, URI: []string{"spiffe://a/c"}}}},
		{name: "certificate and chain", in: `Cert="-----BEGIN%20X";Chain="c"`, want: []Forwarded{{Cert: "-----BEGIN%20X", Chain: "c"}}},
		{name: "keys in any case, unknown ones, spaces", in: "uri=u ; New = \"x\" , DNS=d", want: []Forwarded{{URI: []string{"u"}}, {DNS: []string{"d"}}}},
		{name: "an equals sign in a value", in: "URI=https://x/?a=b", want: []Forwarded{{URI: []string{"https://x/?a=b"}}}},
		{name: "an empty value", in: "Hash=", want: []Forwarded{{}}},
		{name: "a backslash that stands for itself", in: `Subject="a\\";Hash=1`, want: []Forwarded{{Subject: `a\`, Hash: "1"}}},

		{name: "nothing", in: "", wantErr: "want key=value at byte 0"},
		{name: "no value", in: "URI", wantErr: "want key=value at byte 0"},
		{name: "no key", in: "=x", wantErr: "want key=value at byte 0"},
		{name: "an empty element", in: "URI=a,,URI=b", wantErr: "want key=value at byte 6"},
		{name: "a comma at the end", in: "URI=a,", wantErr: "want key=value at byte 6"},
		{name: "a semicolon at the end", in: "URI=a;", wantErr: "want key=value at byte 6"},
		{name: "a key over two elements", in: "URI=a;x,URI=b", wantErr: "want key=value at byte 6"},
		{name: "an open quote", in: `Subject="a`, wantErr: `value of "Subject": the quote is not closed`},
		{name: "a backslash at the end", in: `Subject="a\`, wantErr: `value of "Subject": the quote is not closed`},
		{name: "text behind a quote", in: `Subject="a"b`, wantErr: `value of "Subject": text after the closing quote`},
		{name: "a quote in the middle", in: `Hash=a"b"`, wantErr: `value of "Hash": a quote inside a value without quotes`},
		{name: "the same key twice", in: "Hash=a;hash=b", wantErr: `"hash" is there twice`},
		{name: "too long", in: "Hash=" + strings.Repeat("a", 64<<10), wantErr: "it has more than 65536 bytes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := ParseForwarded(row.in)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff(row.want, got); diff != "" || text != row.wantErr {
				t.Errorf("error %q, want %q; -want +got:\n%s", text, row.wantErr, diff)
			}
		})
	}
}

// escaped is a certificate as nginx forwards it ($ssl_client_escaped_cert).
func escaped(t *testing.T, uri, dns string) string {
	t.Helper()
	return url.PathEscape(string(certstest.NewAuthority(t).Issue(uri, dns).Cert))
}

func TestForwardedID(t *testing.T) {
	for _, row := range []struct {
		name string
		in   Forwarded
		want ID
	}{
		{"nothing", Forwarded{Hash: "1"}, Nobody},
		{"a URI", Forwarded{URI: []string{string(cart)}, DNS: []string{"cart.example"}}, cart},
		{"DNS", Forwarded{DNS: []string{"cart.example"}}, "dns:cart.example"},
		{"two URIs", Forwarded{URI: []string{string(cart), string(orders)}}, Nobody},
		{"names before the certificate", Forwarded{URI: []string{string(cart)}, Cert: escaped(t, string(orders), "")}, cart},
		{"a certificate with a URI", Forwarded{Cert: escaped(t, string(orders), "orders.example")}, orders},
		{"a certificate with DNS", Forwarded{Cert: escaped(t, "", "orders.example")}, "dns:orders.example"},
		{"a certificate without names", Forwarded{Cert: escaped(t, "", "")}, Nobody},
		{"the subject is nobody", Forwarded{Subject: "CN=cart.example"}, Nobody},
		{"a broken escape", Forwarded{Cert: "%zz"}, Nobody},
		{"no PEM", Forwarded{Cert: "abc"}, Nobody},
		{"no certificate in the PEM", Forwarded{Cert: url.PathEscape("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}, Nobody},
	} {
		if got := row.in.ID(); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

// FuzzForwarded lets a client write what it likes before what a proxy appends. It must
// not become anybody but the one whom the proxy names.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{
		``, `URI=spiffe://example.org/admin`, `URI=spiffe://example.org/admin;Subject="`, `Subject="\`, `Subject="a"b`, `URI=spiffe://example.org/admin,`,
		`Cert="-----BEGIN%20CERTIFICATE-----`, `=`, `;;`, `By=a;Hash=b;Subject="/C=US, \"x\"";URI=c;DNS=d`, `URI="spiffe://example.org/admin`,
	} {
		f.Add(seed)
	}
	proxies, err := ParseProxies(string(edge))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, client string) {
		for _, word := range []string{
			`By=` + string(edge) + `;Hash=46ab;Subject="";URI=` + string(cart),
			`By=` + string(edge) + `;Hash=46ab;Subject="CN=cart,O=x\"y";URI=` + string(cart) + `;DNS=cart.example`,
		} {
			header := client + "," + word
			id, err := proxies.Origin(header)
			if (err == nil) != (id != Nobody) || id != Nobody && id != cart {
				t.Errorf("%q gives %q, %v", header, id, err)
			}
		}
		elements, err := ParseForwarded(client)
		if err == nil && len(elements) == 0 {
			t.Errorf("%q gives neither elements nor an error", client)
		}
		for i := range elements {
			if id := elements[i].ID(); id != Nobody {
				if again, err := ParseID(string(id)); err != nil || again != id {
					t.Errorf("%q gives %q, which is no identity: %v", client, id, err)
				}
			}
		}
	})
}
