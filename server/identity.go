package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/grpc"
	channelzgrpc "google.golang.org/grpc/channelz/grpc_channelz_v1"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	"github.com/mavera-gateway/mavera-gateway/internal/caller"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// identity finds out who calls, whether that is allowed, and with whose key.
//
// A caller is known by its certificate; behind a trusted proxy by the certificate that
// the proxy reports; else by what it says of itself or by its address. Only the first
// two give permissions; the others are for fairness, logs and metrics.
type identity struct {
	options Options
	logged  *onceLog
}

func newIdentity(options Options) *identity { return &identity{options: options, logged: &onceLog{}} }

// keyKey finds the key of the call in a context, set only for a caller's own.
type keyKey struct{}

func (i *identity) unary(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	ctx, err := i.identify(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return next(ctx, in)
}

func (i *identity) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx, err := i.identify(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return next(srv, streamWithContext{stream, ctx})
}

func (i *identity) identify(ctx context.Context, method string) (context.Context, error) {
	c := callOf(ctx)
	id := i.verified(ctx)
	var err error
	if c.caller, err = callerName(ctx, id); err != nil {
		return nil, err
	}
	if !i.permits(method, id) {
		return nil, mavera.NewFailure(mavera.NotAllowed, nil)
	}
	if priority, ok := sent(ctx, priorityKey); ok {
		class, known := classOf(priority)
		if !known {
			return nil, invalidMetadata(priorityKey, "must be interactive or batch")
		}
		c.class = class
	}
	text, ok := sent(ctx, apiKeyKey)
	if !ok {
		return ctx, nil
	}
	if !i.options.AllowCallerKeys {
		return nil, invalidMetadata(apiKeyKey, "is not accepted here: this gateway uses its own key (allow_caller_keys)")
	}
	key, err := secret.ParseKey(text)
	if err != nil {
		return nil, invalidMetadata(apiKeyKey, err.Error())
	}
	return context.WithValue(ctx, keyKey{}, key), nil
}

// verified is the identity that the peer's certificate gives, or a trusted proxy
// reports. A proxy whose report can't be used does not lend the call its own: then
// nobody vouches for the caller.
func (i *identity) verified(ctx context.Context) caller.ID {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return caller.Nobody
	}
	id := certified(p)
	reports := metadata.ValueFromIncomingContext(ctx, caller.Header)
	if len(reports) == 0 {
		return id
	}
	if !i.options.TrustedProxies.Trust(id, addressOf(p)) {
		i.ignore(ctx, p, "untrusted_peer", "the peer is none of trusted_proxies")
		return id
	}
	// A header in several lines is one list (RFC 9110 5.3).
	id, err := i.options.TrustedProxies.Origin(strings.Join(reports, ","))
	switch {
	case errors.Is(err, caller.ErrUnnamed):
		i.ignore(ctx, p, "unnamed", err.Error())
	case err != nil:
		i.ignore(ctx, p, "malformed", err.Error())
	}
	return id
}

// ignore counts a report that is not used, and logs it once for each peer.
func (i *identity) ignore(ctx context.Context, p *peer.Peer, reason, why string) {
	i.options.Observer.AddIgnoredReport(ctx, reason)
	if i.logged.first(reason + " " + host(p)) {
		i.options.Logger.LogAttrs(ctx, slog.LevelWarn, "the caller's identity in "+caller.Header+" is ignored",
			slog.String("peer", host(p)), slog.String("reason", reason), slog.String("error", why),
			slog.String("request_id", callOf(ctx).requestID))
	}
}

// certified is the identity that the peer's own certificate gives, provided that it was
// checked.
func certified(p *peer.Peer) caller.ID {
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 {
		return caller.Nobody
	}
	return caller.FromCertificate(info.State.VerifiedChains[0][0])
}

// addressOf is the peer's address, or none where it is not one of the network's.
func addressOf(p *peer.Peer) netip.Addr {
	if tcp, ok := p.Addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr()
	}
	return netip.Addr{}
}

// callerName is what logs, metrics and queues call the caller. A verified identity is
// not refined by what the caller says: x-caller-id is then not even read.
func callerName(ctx context.Context, id caller.ID) (string, error) {
	if id != caller.Nobody {
		return id.Name(), nil
	}
	name, ok := sent(ctx, callerKey)
	switch {
	case ok && !visible(name, caller.MaxName):
		return "", invalidMetadata(callerKey, "must have 1 to 64 visible ASCII characters")
	case ok && caller.Claims(name):
		return "", invalidMetadata(callerKey, "must not start with spiffe: or dns:, which are for verified identities")
	case ok:
		return name, nil
	}
	if p, ok := peer.FromContext(ctx); ok {
		return host(p), nil
	}
	return "", nil
}

// CheckAllowList reports an entry for a service that the list does not govern: one that
// the gateway does not have, or health.
func CheckAllowList(list caller.AllowList) error {
	known := []string{
		channelzgrpc.Channelz_ServiceDesc.ServiceName,
		reflectionv1.ServerReflection_ServiceDesc.ServiceName, reflectionv1alpha.ServerReflection_ServiceDesc.ServiceName,
	}
	for _, service := range transcode.Services() {
		known = append(known, string(service.FullName()))
	}
	for _, name := range list.Services() {
		switch {
		case name == grpc_health_v1.Health_ServiceDesc.ServiceName:
			return fmt.Errorf("%s is open to everybody, for probes", name)
		case !slices.Contains(known, name):
			return fmt.Errorf("there is no service %s; want a full name such as %s", name, transcode.Services()[0].FullName())
		}
	}
	return nil
}

// permits says whether a caller may call a method. Health is open to everybody: the
// probes of a platform have no identity.
func (i *identity) permits(method string, id caller.ID) bool {
	service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	return i.options.AllowCallers.Permits(service, id) || service == grpc_health_v1.Health_ServiceDesc.ServiceName
}

// keyOf is the key that a call goes with; own says that it is the caller's.
func (o *Options) keyOf(ctx context.Context) (key secret.Key, own bool) {
	if key, ok := ctx.Value(keyKey{}).(secret.Key); ok {
		return key, true
	}
	return o.Key(), false
}

func invalidMetadata(name, reason string) error {
	return mavera.NewFailure(mavera.InvalidRequest, nil, transcode.Violation{Field: "metadata:" + name, Description: reason})
}
