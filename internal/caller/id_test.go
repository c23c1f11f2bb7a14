package caller

import (
	"crypto/x509"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	cart   ID = "spiffe://example.org/ns/shop/sa/cart"
	orders ID = "spiffe://example.org/ns/shop/sa/orders"
	edge   ID = "spiffe://example.org/ns/edge/sa/proxy"
)

func TestParseID(t *testing.T) {
	for _, row := range []struct {
		name, in string
		want     ID // Nobody is an error
	}{
		{"SPIFFE", "spiffe://example.org/ns/shop/sa/cart", cart},
		{"a trust domain alone", "spiffe://example.org", "spiffe://example.org"},
		{"DNS", "dns:cart.shop.example", "dns:cart.shop.example"},
		{"case of DNS does not matter", "dns:Cart.Shop.Example", "dns:cart.shop.example"},
		{"underscores are in use", "dns:my_cart", "dns:my_cart"},
		{"no trust domain", "spiffe:///ns/shop", Nobody},
		{"a slash at the end", "spiffe://example.org/", Nobody},
		{"an empty segment", "spiffe://example.org//cart", Nobody},
		{"a dot segment", "spiffe://example.org/../cart", Nobody},
		{"an escape", "spiffe://example.org/c%61rt", Nobody},
		{"a query", "spiffe://example.org/cart?a", Nobody},
		{"a port", "spiffe://example.org:80/cart", Nobody},
		{"the trust domain in upper case", "spiffe://Example.org/cart", Nobody},
		{"too long", "spiffe://example.org/" + strings.Repeat("a", 2048), Nobody},
		{"another scheme", "https://example.org/cart", Nobody},
		{"a bare name", "cart.shop.example", Nobody},
		{"a wildcard", "dns:*.shop.example", Nobody},
		{"no name", "dns:", Nobody},
		{"an empty label", "dns:cart..example", Nobody},
		{"a dot at the end", "dns:cart.", Nobody},
		{"a label too long", "dns:" + strings.Repeat("a", 64), Nobody},
		{"a name too long", "dns:" + strings.Repeat("a.", 127), Nobody},
		{"not ASCII", "dns:cärt", Nobody},
		{"nothing", "", Nobody},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := ParseID(row.in)
			if got != row.want || (err == nil) != (row.want != Nobody) {
				t.Errorf("ParseID(%q) is %q, %v; want %q", row.in, got, err, row.want)
			}
		})
	}
}

func TestFromCertificate(t *testing.T) {
	for _, row := range []struct {
		name string
		uris []string
		dns  []string
		want ID
	}{
		{"nothing", nil, nil, Nobody},
		{"SPIFFE", []string{string(cart)}, nil, cart},
		{"SPIFFE before DNS", []string{string(cart)}, []string{"cart.example"}, cart},
		{"DNS", nil, []string{"cart.example", "other.example"}, "dns:cart.example"},
		{"other URIs do not count", []string{"https://example.org/cart"}, []string{"cart.example"}, "dns:cart.example"},
		{"two SPIFFE IDs are no SVID", []string{string(cart), string(orders)}, []string{"cart.example"}, Nobody},
		{"nor is one with another URI", []string{"https://example.org/", string(cart)}, nil, Nobody},
		{"a broken SPIFFE ID is not passed over", []string{"spiffe://example.org/"}, []string{"cart.example"}, Nobody},
		{"a wildcard", nil, []string{"*.example"}, Nobody},
	} {
		t.Run(row.name, func(t *testing.T) {
			certificate := &x509.Certificate{DNSNames: row.dns}
			for _, text := range row.uris {
				uri, err := url.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				certificate.URIs = append(certificate.URIs, uri)
			}
			if got := FromCertificate(certificate); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestName(t *testing.T) {
	long := "spiffe://cluster.local/ns/" + strings.Repeat("n", 40) + "/sa/"
	want := map[ID]string{
		Nobody: "",
		cart:   "spiffe://example.org/ns/shop/sa/cart",
		ID("spiffe://" + strings.Repeat("a", 55)):   "spiffe://" + strings.Repeat("a", 55), // 64 bytes
		ID(long + "cart"):                           "spiffe:4c8542e8a1ea492f~" + strings.Repeat("n", 32) + "/sa/cart",
		ID("dns:" + strings.Repeat("a.", 40) + "b"): "dns:40f530a12beae99e~a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.b",
	}
	got := map[ID]string{}
	for id := range want {
		got[id] = id.Name()
		if len(got[id]) > MaxName || id != Nobody && !Claims(got[id]) {
			t.Errorf("%q gets the name %q", id, got[id])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if a, b := ID(long+"cart").Name(), ID("spiffe://example.local/ns/"+strings.Repeat("n", 40)+"/sa/cart").Name(); a == b {
		t.Errorf("two identities with the same end are both called %s", a)
	}
}

func TestClaims(t *testing.T) {
	for name, want := range map[string]bool{
		"spiffe://example.org/a": true, "SPIFFE:x": true, "dns:cart": true, "DNS:cart": true,
		"cart": false, "cart.example": false, "spiffe": false, "dns": false, "": false,
	} {
		if Claims(name) != want {
			t.Errorf("Claims(%q) is %v", name, !want)
		}
	}
}
