package upload

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
)

// Rules say which addresses of a storage are accepted beyond https on a public one.
type Rules struct {
	// AllowHTTP accepts plain http. It is for a Mavera that is itself reached so: a
	// simulator on this machine.
	AllowHTTP bool
	// AllowPrivate accepts storages on this machine, its link and private networks: where
	// Mavera itself is there, or a storage is reached through a private endpoint.
	AllowPrivate bool
}

// RulesFor returns the rules of a gateway whose Mavera is at base: a storage may be
// where Mavera is. allowPrivate accepts private addresses besides.
func RulesFor(base *url.URL, allowPrivate bool) Rules {
	rules := Rules{AllowHTTP: base.Scheme == "http"}
	ip, err := netip.ParseAddr(base.Hostname())
	rules.AllowPrivate = allowPrivate || rules.AllowHTTP || base.Hostname() == "localhost" || err == nil && rules.check(ip) != nil
	return rules
}

// accept parses an address. Its errors hold no part of it but the host.
func (r Rules) accept(address string) (*url.URL, error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the upload address is no URL") // the parser's error quotes it
	}
	host := target.Hostname()
	switch {
	case target.Scheme != "https" && (target.Scheme != "http" || !r.AllowHTTP):
		return nil, errors.New("the upload address does not start with https://")
	case host == "" || target.Opaque != "":
		return nil, errors.New("the upload address has no host")
	case target.User != nil:
		return nil, errors.New("the upload address has a user or password")
	}
	target.Fragment, target.RawFragment = "", ""
	if ip, err := netip.ParseAddr(host); err == nil {
		return target, r.check(ip)
	}
	return target, nil
}

// check reports an address that is not public.
func (r Rules) check(ip netip.Addr) error {
	ip = embedded(ip.Unmap())
	if r.AllowPrivate || ip.IsGlobalUnicast() && !ip.IsPrivate() && !shared(ip) {
		return nil
	}
	return fmt.Errorf("the storage is at %s, which is no public address (see allow_private_storage)", ip)
}

// embedded is the IPv4 address that a NAT64 address stands for (RFC 6052): in networks
// of IPv6 alone every storage has one.
func embedded(ip netip.Addr) netip.Addr {
	raw := ip.As16()
	if netip.PrefixFrom(netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b}), 96).Contains(ip) {
		return netip.AddrFrom4([4]byte(raw[12:]))
	}
	return ip
}

// shared reports whether an address is of the ranges that look public and lead back
// into a network: "this network" and the reserved ones of RFC 6890, RFC 6598 (carriers
// and clouds), RFC 2544, and the tunnels of RFC 4380 and 3056.
func shared(ip netip.Addr) bool {
	for _, prefix := range [...]netip.Prefix{
		netip.PrefixFrom(netip.AddrFrom4([4]byte{0}), 8),
		netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10),
		netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 0}), 24),
		netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18}), 15),
		netip.PrefixFrom(netip.AddrFrom4([4]byte{240}), 4),
		netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01}), 32),
		netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x02}), 16),
	} {
		if prefix.Contains(ip) {
			return true
		}
	}
	return false
}

// directly marks the context of a request that goes to the storage without a proxy.
type directly struct{}

// guard refuses connections to addresses that are not accepted, once the name has
// become an address, so that no name can change its meaning in between. A proxy is the
// operator's own, wherever it is, and decides itself what it connects to.
func (r Rules) guard(ctx context.Context, _, address string, _ syscall.RawConn) error {
	if ctx.Value(directly{}) == nil {
		return nil
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("connect to the storage: %w", err)
	}
	return r.check(to.Addr())
}

// route marks a request's context by the way that it will take.
func route(ctx context.Context, target *url.URL) context.Context {
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: target}); err == nil && proxy == nil {
		return context.WithValue(ctx, directly{}, true)
	}
	return ctx
}

// dialer connects within the rules.
func (r Rules) dialer() *net.Dialer {
	return &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive, ControlContext: r.guard}
}
