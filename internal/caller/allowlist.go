package caller

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// An AllowList says which callers may call which services. The zero value lets
// everybody call everything; any other lets in only those it names.
type AllowList struct {
	services map[string][]pattern
}

// everyService names, in place of a service, all that have no entry of their own.
const everyService = "*"

// ParseAllowList reads entries separated by semicolons. An entry is the full name of a
// service, or * for all services without an entry of their own, then = and a list,
// separated by commas, of identities (see [ParseID]; /* at the end of a SPIFFE ID
// stands for all below it) or * for everybody, known or not:
//
//	mavera.v1.PersonasService=spiffe://example.org/ns/shop/*,dns:cart.example.org;*=spiffe://example.org/ops
//
// The same service may not have two entries, nor an entry be empty.
func ParseAllowList(text string) (AllowList, error) {
	list := AllowList{services: make(map[string][]pattern)}
	for entry := range strings.SplitSeq(text, ";") {
		service, callers, found := strings.Cut(entry, "=")
		service = strings.TrimSpace(service)
		if !found || service == "" {
			return AllowList{}, errors.New("want entries service=caller,caller separated by semicolons")
		}
		if _, twice := list.services[service]; twice {
			return AllowList{}, fmt.Errorf("%s has two entries", service)
		}
		for text := range strings.SplitSeq(callers, ",") {
			caller, err := parsePattern(strings.TrimSpace(text))
			if err != nil {
				return AllowList{}, fmt.Errorf("%s: %w", service, err)
			}
			list.services[service] = append(list.services[service], caller)
		}
	}
	return list, nil
}

// IsZero reports whether everybody may call everything.
func (l AllowList) IsZero() bool { return len(l.services) == 0 }

// Services returns the services that have entries of their own, sorted.
func (l AllowList) Services() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(l.services)) {
		if name != everyService {
			names = append(names, name)
		}
	}
	return names
}

// String returns the list in the form that [ParseAllowList] reads, sorted by service.
func (l AllowList) String() string {
	entries := make([]string, 0, len(l.services))
	for _, service := range slices.Sorted(maps.Keys(l.services)) {
		callers := make([]string, len(l.services[service]))
		for i, caller := range l.services[service] {
			callers[i] = string(caller)
		}
		entries = append(entries, service+"="+strings.Join(callers, ","))
	}
	return strings.Join(entries, ";")
}

// Permits reports whether a caller may call a service. [Nobody] may only where
// everybody may.
func (l AllowList) Permits(service string, id ID) bool {
	if l.IsZero() {
		return true
	}
	callers, own := l.services[service]
	if !own {
		callers = l.services[everyService]
	}
	return slices.ContainsFunc(callers, func(caller pattern) bool { return caller.fits(id) })
}

// Open reports whether there is an entry that lets everybody in, verified or not.
func (l AllowList) Open() bool {
	if l.IsZero() {
		return true
	}
	for _, callers := range l.services {
		if slices.Contains(callers, anyone) {
			return true
		}
	}
	return false
}
