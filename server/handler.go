package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// handler serves the RPCs of all plans.
type handler struct {
	options    Options
	generative map[*transcode.Plan]*generative // of the RPCs that generate
	chain      []interceptor
	streams    map[transcode.Kind]streamer
	logged     onceLog
}

// A streamer serves the streams of one kind. The chain has checked and translated the
// request by then, that of an upload excepted.
type streamer func(c *call, stream grpc.ServerStream) error

// register adds the plans' services to the server. The descriptions of services
// that generated code would bring are made here.
func (h *handler) register(server *grpc.Server, plans []*transcode.Plan) error {
	services := make(map[string]*grpc.ServiceDesc)
	var order []string
	for _, p := range plans {
		desc := services[p.Service]
		if desc == nil {
			desc = &grpc.ServiceDesc{ServiceName: p.Service, HandlerType: (*any)(nil), Metadata: p.File}
			services[p.Service] = desc
			order = append(order, p.Service)
		}
		if p.Kind == transcode.Unary {
			desc.Methods = append(desc.Methods, grpc.MethodDesc{MethodName: p.RPC, Handler: h.method(p)})
			continue
		}
		stream, err := h.stream(p)
		if err != nil {
			return err
		}
		desc.Streams = append(desc.Streams, stream)
	}
	for _, name := range order {
		server.RegisterService(services[name], h)
	}
	return nil
}

// method adapts one plan to gRPC. The chain has translated the request by the
// time it gets to serve.
func (h *handler) method(p *transcode.Plan) grpc.MethodHandler {
	info := &grpc.UnaryServerInfo{Server: h, FullMethod: p.Procedure}
	serve := compose(h.chain, info, func(ctx context.Context, _ any) (any, error) { return h.serve(ctx, callOf(ctx)) })
	return func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := p.NewInput()
		if err := decode(in); err != nil {
			return nil, err
		}
		return serve(ctx, in)
	}
}

// stream adapts the plan of a stream to gRPC.
func (h *handler) stream(p *transcode.Plan) (grpc.StreamDesc, error) {
	serve, ok := h.streams[p.Kind]
	if !ok {
		return grpc.StreamDesc{}, fmt.Errorf("rpc %s: nothing serves the kind %s", p.Procedure, p.Kind)
	}
	desc := grpc.StreamDesc{StreamName: p.RPC, ServerStreams: p.Kind != transcode.Upload, ClientStreams: p.Kind == transcode.Upload}
	info := &grpc.StreamServerInfo{FullMethod: p.Procedure, IsServerStream: desc.ServerStreams, IsClientStream: desc.ClientStreams}
	desc.Handler = composeStream(h.chain, info, func(_ any, stream grpc.ServerStream) error {
		return serve(callOf(stream.Context()), stream)
	})
	return desc, nil
}

// serve makes exactly one exchange with Mavera; the loop around it decides when
// and how often.
func (h *handler) serve(ctx context.Context, c *call) (any, error) {
	answer, report, err := h.options.Client.Attempt(ctx, c.exchange())
	c.began(report)
	if err == nil {
		c.credits, c.hasCredits = answer.Credits, answer.HasCredits
		h.generative[c.plan].read(answer.Wire, &c.generated)
	}
	h.attempted(c, err)
	if err != nil {
		return nil, err
	}
	h.observe(ctx, c, answer.Losses)
	return answer, nil
}

// attempted counts an attempt and what it cost.
func (h *handler) attempted(c *call, err error) {
	c.outcome = outcomeOf(err)
	h.options.Observer.AddAttempts(c.trail.Exemplars(), c.plan.Family, c.outcome, max(c.report.Sends, 1))
	if c.hasCredits {
		h.options.Observer.AddCredits(c.trail.Exemplars(), c.plan.Family, c.caller, c.credits)
	}
}

// observe counts what the protos do not model and logs each kind of it once.
func (h *handler) observe(ctx context.Context, c *call, losses []transcode.Loss) {
	for _, loss := range losses {
		h.options.Observer.AddUnmodelledField(c.trail.Exemplars(), c.plan.Procedure[1:], loss.Field, string(loss.Kind), loss.Count)
		if h.logged.first(c.rpc + " " + loss.Field + " " + string(loss.Kind)) {
			h.options.Logger.LogAttrs(ctx, slog.LevelWarn, "the answer has something that the proto does not model; it is passed on in additional_fields, or as an unknown event",
				slog.String("rpc", c.rpc), slog.String("field", loss.Field), slog.String("kind", string(loss.Kind)),
				slog.String("request_id", c.requestID))
		}
	}
}

// maxLogged bounds what a onceLog remembers: the upstream decides how many fields
// it invents.
const maxLogged = 1000

// A onceLog remembers what was logged. Once full it takes everything for known.
type onceLog struct {
	mu   sync.Mutex
	seen map[string]bool // Guarded by mu.
}

// first reports whether a key is new.
func (l *onceLog) first(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[key] || len(l.seen) >= maxLogged {
		return false
	}
	if l.seen == nil {
		l.seen = make(map[string]bool)
	}
	l.seen[key] = true
	return true
}

// host is the address of a peer without its port, which changes with every
// connection.
func host(p *peer.Peer) string {
	if p.Addr == nil {
		return ""
	}
	if tcp, ok := p.Addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().String()
	}
	address := p.Addr.String()
	if name, _, err := net.SplitHostPort(address); err == nil {
		return name
	}
	return address
}
