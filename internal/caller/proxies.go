package caller

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the peers whose [Header] is believed. The zero value trusts none.
type Proxies struct {
	ids      []pattern
	networks []netip.Prefix
}

// ParseProxies reads a list, separated by commas, of identities (see [ParseID]; /* at
// the end of a SPIFFE ID stands for all below it), addresses and networks in CIDR
// notation.
func ParseProxies(text string) (Proxies, error) {
	var proxies Proxies
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.TrimSpace(entry)
		network, err := netip.ParsePrefix(entry)
		if address, addressErr := netip.ParseAddr(entry); addressErr == nil {
			network, err = address.Prefix(address.BitLen())
		}
		switch {
		case err == nil && network.Bits() == 0:
			return Proxies{}, fmt.Errorf("%s would trust everybody", entry)
		case err == nil:
			proxies.networks = append(proxies.networks, network.Masked())
			continue
		}
		id, err := parsePattern(entry)
		if err != nil || id == anyone {
			return Proxies{}, fmt.Errorf("%q: want spiffe://<trust domain>/<path>, dns:<name>, an address or a network such as 10.0.0.0/8", entry)
		}
		proxies.ids = append(proxies.ids, id)
	}
	return proxies, nil
}

// IsZero reports whether nobody is trusted.
func (p Proxies) IsZero() bool { return len(p.ids) == 0 && len(p.networks) == 0 }

// ByAddress reports whether some are trusted for their address.
func (p Proxies) ByAddress() bool { return len(p.networks) > 0 }

// String returns the list in the form that [ParseProxies] reads.
func (p Proxies) String() string {
	entries := make([]string, 0, len(p.ids)+len(p.networks))
	for _, id := range p.ids {
		entries = append(entries, string(id))
	}
	for _, network := range p.networks {
		entries = append(entries, network.String())
	}
	return strings.Join(entries, ",")
}

// Trust reports whether a peer is one of the proxies. One that has an identity is
// judged by that alone; its address counts only where it has none.
func (p Proxies) Trust(peer ID, address netip.Addr) bool {
	if peer != Nobody {
		return p.trustID(peer)
	}
	address = address.Unmap().WithZone("")
	return slices.ContainsFunc(p.networks, func(network netip.Prefix) bool { return network.Contains(address) })
}

func (p Proxies) trustID(id ID) bool {
	return id != Nobody && slices.ContainsFunc(p.ids, func(trusted pattern) bool { return trusted.fits(id) })
}

// ErrUnnamed says that the element which decides names nobody.
var ErrUnnamed = errors.New("the certificate has no SPIFFE ID and no DNS name that can be used")

// Origin returns who called the trusted proxy that sent a header.
//
// The last element is the proxy's own word, whether it appends to the header or
// replaces it; what stands before came from its client. So the last element decides,
// unless it names a trusted proxy itself: then the one before is that proxy's word, and
// so on, until one names somebody else. The error says why nobody is named.
func (p Proxies) Origin(header string) (ID, error) {
	elements, err := ParseForwarded(header)
	if err != nil {
		return Nobody, err
	}
	id := Nobody
	for i := range slices.Backward(elements) {
		if id = elements[i].ID(); !p.trustID(id) {
			break
		}
	}
	if id == Nobody {
		return Nobody, ErrUnnamed
	}
	return id, nil
}
