package server

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// maxCaller is how long a caller's name may be, in characters.
const maxCaller = 64

// identity finds out who calls and with whose key. The caller's name is for
// fairness, logs and metrics; it permits nothing.
type identity struct{ options Options }

// keyKey finds the key of the call in a context, set only for a caller's own.
type keyKey struct{}

func (i identity) unary(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	ctx, err := i.identify(ctx)
	if err != nil {
		return nil, err
	}
	return next(ctx, in)
}

func (i identity) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx, err := i.identify(stream.Context())
	if err != nil {
		return err
	}
	return next(srv, streamWithContext{stream, ctx})
}

func (i identity) identify(ctx context.Context) (context.Context, error) {
	c := callOf(ctx)
	switch name, ok := sent(ctx, callerKey); {
	case ok && visible(name, maxCaller):
		c.caller = name
	case ok:
		return nil, invalidMetadata(callerKey, "must have 1 to 64 visible ASCII characters")
	default:
		if p, ok := peer.FromContext(ctx); ok {
			c.caller = host(p)
		}
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

// keyOf is the key that a call goes with; own says that it is the caller's.
func (i identity) keyOf(ctx context.Context) (key secret.Key, own bool) {
	if key, ok := ctx.Value(keyKey{}).(secret.Key); ok {
		return key, true
	}
	return i.options.Key(), false
}

func invalidMetadata(name, reason string) error {
	return mavera.NewFailure(mavera.InvalidRequest, nil, transcode.Violation{Field: "metadata:" + name, Description: reason})
}
