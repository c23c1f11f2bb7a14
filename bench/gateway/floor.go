package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// The floors: what they do with the body of an answer.
const (
	floorCommand     = "floor"     // discard it
	protojsonCommand = "protojson" // read it with protojson into the generated message
	dynamicCommand   = "dynamicpb" // the same into a message that is made from its descriptor
)

// floor is the least that a server in the gateway's place has to do.
type floor struct {
	http      *http.Client
	base, key string
	answers   map[string]proto.Message                 // of the floor, by the name of the size or the path of the family
	read      func(body []byte) (proto.Message, error) // in place of answers; nil for the floor
}

func newFloor(command, base, key string) (*floor, error) {
	f := &floor{
		http:    &http.Client{Transport: mavera.NewTransport(0, 0)},
		base:    base,
		key:     key,
		answers: make(map[string]proto.Message),
	}
	switch command {
	case protojsonCommand:
		f.read = func(body []byte) (proto.Message, error) { return decode(body, new(maverav1.ListPersonasResponse)) }
	case dynamicCommand:
		kind := new(maverav1.ListPersonasResponse).ProtoReflect().Descriptor()
		f.read = func(body []byte) (proto.Message, error) { return decode(body, dynamicpb.NewMessage(kind)) }
	}
	for _, s := range sizes() {
		answer, err := s.answer()
		if err != nil {
			return nil, err
		}
		f.answers[s.name] = answer
	}
	for _, of := range families() {
		answer := of.answer()
		if err := transcoded(of.method, of.body(), answer); err != nil {
			return nil, err
		}
		f.answers[of.path] = answer
	}
	return f, nil
}

// answer is what the gateway makes of the body of a size.
func (s size) answer() (*maverav1.ListPersonasResponse, error) {
	answer := new(maverav1.ListPersonasResponse)
	return answer, transcoded(maverav1.PersonasService_ListPersonas_FullMethodName, s.body(), answer)
}

// request asks for the answer of a size at once.
func (s size) request() *maverav1.ListPersonasRequest { return question{size: s}.request() }

// transcoded reads into a message what the gateway makes of a body.
func transcoded(method string, body []byte, into proto.Message) error {
	service, rpc := split(method)
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return fmt.Errorf("find %s: %w", service, err)
	}
	plans, err := transcode.Compile(found.(protoreflect.ServiceDescriptor)) //nolint:errcheck,forcetypeassert // it is named as one
	if err != nil {
		return fmt.Errorf("compile protos: %w", err)
	}
	plan := plans[slices.IndexFunc(plans, func(p *transcode.Plan) bool { return p.RPC == rpc })]
	asked, err := plan.Request(plan.NewInput())
	if err != nil {
		return fmt.Errorf("make request of %s: %w", method, err)
	}
	answer, err := plan.Answer(asked, body)
	if err != nil {
		return fmt.Errorf("read body for %s: %w", method, err)
	}
	if err := answer.Unmarshal(into); err != nil {
		return fmt.Errorf("unmarshal answer of %s: %w", method, err)
	}
	return nil
}

// split takes a full method apart, such as /mavera.v1.FilesService/ListFiles.
func split(method string) (service, rpc string) {
	service, rpc, _ = strings.Cut(strings.TrimPrefix(method, "/"), "/")
	return service, rpc
}

// register serves the methods by hand: what a dynamic message answers is none of the
// generated type. The lists of families and streams are the floor's alone: its streams are
// those of the relay of bench/streams.
func (f *floor) register(server *grpc.Server) {
	f.serve(server, maverav1.PersonasService_ListPersonas_FullMethodName, func(ctx context.Context, decode func(any) error) (any, error) {
		in := new(maverav1.ListPersonasRequest)
		if err := decode(in); err != nil {
			return nil, err
		}
		return f.list(ctx, in)
	})
	if f.read != nil {
		return
	}
	for _, of := range families() {
		f.serve(server, of.method, func(ctx context.Context, decode func(any) error) (any, error) {
			if err := decode(new(emptypb.Empty)); err != nil {
				return nil, err
			}
			return f.listFamily(ctx, of.path)
		})
	}
	relay := &rig.Relay{Upstream: rig.ReplyClient{HTTP: f.http, Base: f.base, Key: f.key}, Message: rig.Unparsed}
	relay.Register(server)
}

func (f *floor) serve(server *grpc.Server, method string, handle func(ctx context.Context, decode func(any) error) (any, error)) {
	service, rpc := split(method)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: service,
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: rpc,
			Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				return handle(ctx, decode)
			},
		}},
	}, f)
}

// list makes the same HTTP call as the gateway.
func (f *floor) list(ctx context.Context, in *maverav1.ListPersonasRequest) (proto.Message, error) {
	body, err := f.get(ctx, personasPath+"?search="+url.QueryEscape(in.GetSearch()), f.key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if f.read == nil {
		name, _, _ := strings.Cut(in.GetSearch(), ",")
		return f.discard(body, name)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return f.read(text)
}

// listFamily makes the same HTTP call as the gateway, with the caller's key.
func (f *floor) listFamily(ctx context.Context, path string) (proto.Message, error) {
	key := f.key
	if own := metadata.ValueFromIncomingContext(ctx, keyHeader); len(own) > 0 {
		key = own[0]
	}
	body, err := f.get(ctx, path, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return f.discard(body, path)
}

// get opens what the upstream answers.
func (f *floor) get(ctx context.Context, path, key string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+path, http.NoBody)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "mavera-gateway")
	response, err := f.http.Do(request)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close() // the status says more
		return nil, status.Error(codes.Unknown, response.Status)
	}
	return response.Body, nil
}

// discard reads a body to its end and returns a fixed answer.
func (f *floor) discard(body io.Reader, name string) (proto.Message, error) {
	if _, err := io.Copy(io.Discard, body); err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return f.answers[name], nil
}

// decode reads a body the way that comes to mind first. It loses enums,
// which protojson spells in another way than Mavera, without an error.
func decode(body []byte, into proto.Message) (proto.Message, error) {
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, into); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return into, nil
}

// serveFloor is the program of a floor.
func serveFloor(ctx context.Context, command string, args []string) error {
	base, key, err := rig.Upstream()
	if err != nil {
		return err
	}
	f, err := newFloor(command, base, key)
	if err != nil {
		return err
	}
	return rig.Serve(ctx, command, args, f.register)
}
