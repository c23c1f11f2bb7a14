package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// The systems beside the gateway.
const (
	floorCommand     = "floor"
	protojsonCommand = "protojson"
)

// floor is the least that a server in the gateway's place has to do.
type floor struct {
	maverav1.UnimplementedPersonasServiceServer

	http      *http.Client
	base, key string
	answers   map[string]*maverav1.ListPersonasResponse // by what is searched for
	protojson bool                                      // read the body, in place of answers
}

func newFloor(command, base, key string) (*floor, error) {
	f := &floor{
		http:      &http.Client{Transport: mavera.NewTransport(0, 0)},
		base:      base,
		key:       key,
		answers:   make(map[string]*maverav1.ListPersonasResponse),
		protojson: command == protojsonCommand,
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

// request asks for the answer of a size.
func (s size) request() *maverav1.ListPersonasRequest {
	return &maverav1.ListPersonasRequest{Search: &s.name}
}

// ListPersonas makes the same HTTP call as the gateway.
func (f *floor) ListPersonas(ctx context.Context, in *maverav1.ListPersonasRequest) (*maverav1.ListPersonasResponse, error) {
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
	if f.protojson {
		return decode(response.Body)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return f.answers[in.GetSearch()], nil
}

// decode reads a body the way that comes to mind first. It loses enums,
// which protojson spells in another way than Mavera, without an error.
func decode(body io.Reader) (*maverav1.ListPersonasResponse, error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	answer := new(maverav1.ListPersonasResponse)
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, answer); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return answer, nil
}

// serveFloor is the program of the floor and of protojson.
func serveFloor(ctx context.Context, command string, args []string) error {
	base, key, err := rig.Upstream()
	if err != nil {
		return err
	}
	f, err := newFloor(command, base, key)
	if err != nil {
		return err
	}
	return rig.Serve(ctx, command, args, func(server *grpc.Server) {
		maverav1.RegisterPersonasServiceServer(server, f)
	})
}
