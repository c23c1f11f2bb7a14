package server

import (
	"context"
	"slices"

	"google.golang.org/grpc"
)

// An interceptor is one concern, for calls and streams alike.
type interceptor interface {
	unary(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error)
	stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error
}

// chain is the order of the interceptors, the outermost first. It is the only
// place that decides it.
func (s *Server) chain() []interceptor {
	return []interceptor{
		record{s.plans},            // first: everything below notes what it learns in the record
		&spans{s.options},          // outside logging, so that what is measured is all that a caller waits for
		telling{s.options.Ended},   // outside finish, as logging is: it tells what the caller gets
		logging{s.options.Logger},  // outside finish: it logs the status that the caller gets
		newFinish(),                // outside all that can fail: status, details and trailers are written once
		recovering(s.options),      // inside finish, so that a panic gets a proper status too
		limits{s.calls, s.streams}, // outside every wait and exchange: it ends them
		newIdentity(s.options),     // before validation: a refusal is logged with its caller
		validation{s.validator},    // before any wait: a bad message never queues
		s.resilient,                // innermost: it runs the handler once per attempt
	}
}

// A streamWithContext is a stream in another context.
type streamWithContext struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // the interface asks for it
}

func (s streamWithContext) Context() context.Context { return s.ctx }

// intercept is the chain for the services that grpc-go brings.
func intercept(chain []interceptor) []grpc.ServerOption {
	var unary []grpc.UnaryServerInterceptor
	for _, i := range chain {
		unary = append(unary, i.unary)
	}
	// grpc-go has all streams intercepted, and has no way to leave some out.
	ours := func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		if _, composed := srv.(*handler); composed {
			return next(srv, stream)
		}
		return composeStream(chain, info, next)(srv, stream)
	}
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(unary...), grpc.StreamInterceptor(ours)}
}

// compose is the chain for an RPC of ours, put together once: grpc-go puts its own
// together anew for every call.
func compose(chain []interceptor, info *grpc.UnaryServerInfo, serve grpc.UnaryHandler) grpc.UnaryHandler {
	for _, i := range slices.Backward(chain) {
		next := serve
		serve = func(ctx context.Context, in any) (any, error) { return i.unary(ctx, in, info, next) }
	}
	return serve
}

// composeStream is compose for an RPC that streams.
func composeStream(chain []interceptor, info *grpc.StreamServerInfo, serve grpc.StreamHandler) grpc.StreamHandler {
	for _, i := range slices.Backward(chain) {
		next := serve
		serve = func(srv any, stream grpc.ServerStream) error { return i.stream(srv, stream, info, next) }
	}
	return serve
}

func (r record) unary(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	return next(r.begin(ctx, info.FullMethod), in)
}

func (r record) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx := r.begin(stream.Context(), info.FullMethod)
	return next(srv, recorded{streamWithContext{stream, ctx}, callOf(ctx)})
}

// A recorded stream counts the messages that went to the caller.
type recorded struct {
	streamWithContext

	call *call
}

func (s recorded) SendMsg(message any) error {
	err := s.ServerStream.SendMsg(message)
	if err == nil {
		s.call.events++
	}
	return err //nolint:wrapcheck // grpc-go's status
}
