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
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

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
	answers   map[string]*maverav1.ListPersonasResponse // of the floor, by the name of the size
	read      func(body []byte) (proto.Message, error)  // in place of answers; nil for the floor
}

func newFloor(command, base, key string) (*floor, error) {
	f := &floor{
		http:    &http.Client{Transport: mavera.NewTransport(0, 0)},
		base:    base,
		key:     key,
		answers: make(map[string]*maverav1.ListPersonasResponse),
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
	return f, nil
}

// answer is what the gateway makes of the body of a size.
func (s size) answer() (*maverav1.ListPersonasResponse, error) {
	plans, err := transcode.Compile(maverav1.File_mavera_v1_personas_proto.Services().ByName("PersonasService"))
	if err != nil {
		return nil, fmt.Errorf("compile protos: %w", err)
	}
	plan := plans[slices.IndexFunc(plans, func(p *transcode.Plan) bool { return p.RPC == "ListPersonas" })]
	request, err := plan.Request(s.request())
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	answer, err := plan.Answer(request, s.body())
	if err != nil {
		return nil, fmt.Errorf("read body of %s: %w", s.name, err)
	}
	into := new(maverav1.ListPersonasResponse)
	if err := answer.Unmarshal(into); err != nil {
		return nil, fmt.Errorf("unmarshal answer of %s: %w", s.name, err)
	}
	return into, nil
}

// request asks for the answer of a size at once.
func (s size) request() *maverav1.ListPersonasRequest { return question{size: s}.request() }

// register serves ListPersonas by hand: what a dynamic message answers is none of the
// generated type.
func (f *floor) register(server *grpc.Server) {
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: maverav1.PersonasService_ServiceDesc.ServiceName,
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "ListPersonas",
			Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				in := new(maverav1.ListPersonasRequest)
				if err := decode(in); err != nil {
					return nil, err
				}
				return f.list(ctx, in)
			},
		}},
	}, f)
}

// list makes the same HTTP call as the gateway.
func (f *floor) list(ctx context.Context, in *maverav1.ListPersonasRequest) (proto.Message, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+personasPath+"?search="+url.QueryEscape(in.GetSearch()), http.NoBody)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	request.Header.Set("Authorization", "Bearer "+f.key)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "mavera-gateway")
	response, err := f.http.Do(request)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, status.Error(codes.Unknown, response.Status)
	}
	if f.read == nil {
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return nil, status.Error(codes.Unavailable, err.Error())
		}
		name, _, _ := strings.Cut(in.GetSearch(), ",")
		return f.answers[name], nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return f.read(body)
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
