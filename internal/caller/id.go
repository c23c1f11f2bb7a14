// Package caller finds out who a caller is, as far as somebody vouches for it, and
// says what it may call.
//
// There are two kinds of names, and they never mix. An [ID] is verified: it stands in
// a certificate that the gateway has checked itself, or that a trusted proxy has
// checked and reports in x-forwarded-client-cert. Only an ID gives permissions. All
// else that a caller says of itself, or its address, is a mere label.
//
// What is lost: of a certificate only one name counts (see [FromCertificate]); subject
// and common name are nobody's identity (RFC 9525 6.3).
package caller

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// An ID is a verified identity: a SPIFFE ID such as spiffe://example.org/ns/shop/sa/cart,
// or a DNS name in lower case as dns:cart.shop.example. The zero ID is nobody.
type ID string

// Nobody is the ID of a caller for whom nobody vouches.
const Nobody ID = ""

const (
	spiffePrefix = "spiffe://"
	dnsPrefix    = "dns:"
)

const (
	// maxSPIFFE is the longest SPIFFE ID in bytes (SPIFFE-ID 2.3).
	maxSPIFFE = 2048
	// maxDNS is the longest DNS name in bytes (RFC 1035 2.3.4, without the root).
	maxDNS = 253
	// maxLabel is the longest part of one between dots (RFC 1035 2.3.4).
	maxLabel = 63
)

// ParseID reads an identity as operators write it: spiffe://... or dns:....
func ParseID(text string) (ID, error) {
	if name, ok := strings.CutPrefix(text, dnsPrefix); ok {
		if id := fromDNS(name); id != Nobody {
			return id, nil
		}
		return Nobody, errors.New("want a DNS name after dns:, without a wildcard")
	}
	if id := fromURI(text); id != Nobody {
		return id, nil
	}
	return Nobody, errors.New("want spiffe://<trust domain>/<path> or dns:<name>")
}

// FromCertificate returns the identity that a verified certificate gives: its SPIFFE
// ID or else its first DNS name. A certificate with a SPIFFE ID and a second URI is no
// valid SVID (X509-SVID 2) and gives none at all; other URIs do not count.
func FromCertificate(certificate *x509.Certificate) ID {
	uris := make([]string, len(certificate.URIs))
	for i, uri := range certificate.URIs {
		uris[i] = uri.String()
	}
	return fromNames(uris, certificate.DNSNames)
}

// fromNames chooses among the subject alternative names of one certificate.
func fromNames(uris, dns []string) ID {
	for _, uri := range uris {
		if strings.HasPrefix(strings.ToLower(uri), spiffePrefix) {
			if len(uris) > 1 {
				return Nobody
			}
			return fromURI(uri)
		}
	}
	if len(dns) > 0 {
		return fromDNS(dns[0])
	}
	return Nobody
}

func fromURI(uri string) ID {
	if len(uri) > maxSPIFFE {
		return Nobody
	}
	id, err := spiffeid.FromString(uri)
	if err != nil {
		return Nobody
	}
	return ID(id.String())
}

// fromDNS takes the names of hosts (RFC 1123 2.1) and the underscores that some have.
// A wildcard is a set of hosts and so the identity of none.
func fromDNS(name string) ID {
	name = strings.ToLower(name)
	if len(name) > maxDNS {
		return Nobody
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel || strings.ContainsFunc(label, func(r rune) bool { return !inLabel(r) }) {
			return Nobody
		}
	}
	return ID(dnsPrefix + name)
}

func inLabel(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

// MaxName is how long the name of a caller is at most, in bytes.
const MaxName = 64

// Name returns the identity as logs, metrics and fair queues know it. Up to MaxName
// bytes it is the identity itself. Of a longer one it is the scheme, 16 hexadecimal
// digits of its SHA-256 and its end, which tells more than the trust domain at its
// beginning: two identities do not get the same name.
func (id ID) Name() string {
	if len(id) <= MaxName {
		return string(id)
	}
	sum := sha256.Sum256([]byte(id))
	scheme := strings.TrimSuffix(spiffePrefix, "//")
	if strings.HasPrefix(string(id), dnsPrefix) {
		scheme = dnsPrefix
	}
	head := scheme + hex.EncodeToString(sum[:8]) + "~"
	return head + string(id[len(id)-(MaxName-len(head)):])
}

// Claims reports whether a name that a caller gave itself looks like an [ID]. Such a
// name must not be used: nobody could tell the two apart.
func Claims(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, strings.TrimSuffix(spiffePrefix, "//")) || strings.HasPrefix(name, dnsPrefix)
}
