package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
)

// The systems beside the gateway.
const (
	relayCommand     = "relay"
	protojsonCommand = "protojson"
)

// The RPC that is measured.
const (
	serviceName = "mavera.v1.ResponsesService"
	rpcName     = "StreamResponse"
	fullMethod  = "/" + serviceName + "/" + rpcName
)

// serveRelay is the program of the relay and of protojson.
func serveRelay(ctx context.Context, command string, args []string) error {
	base, key, err := rig.Upstream()
	if err != nil {
		return err
	}
	message := unparsed
	if command == protojsonCommand {
		message = parsed
	}
	r := &relay{
		upstream: upstreamClient{http: &http.Client{Transport: mavera.NewTransport(0, 0)}, base: base, key: key},
		message:  message,
	}
	return rig.Serve(ctx, command, args, r.register)
}

// relay is the least that a server in the gateway's place has to do.
type relay struct {
	upstream upstreamClient
	message  func(lines []byte) (proto.Message, error) // of an event
}

func (r *relay) register(server *grpc.Server) {
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: serviceName,
		HandlerType: (*any)(nil),
		Streams:     []grpc.StreamDesc{{StreamName: rpcName, Handler: r.stream, ServerStreams: true}},
	}, r)
}

func (r *relay) stream(_ any, stream grpc.ServerStream) error {
	in := new(maverav1.CreateResponseRequest) // the same fields as those of the stream's request
	if err := stream.RecvMsg(in); err != nil {
		return err //nolint:wrapcheck // grpc-go's status
	}
	body, err := r.upstream.open(stream.Context(), in.GetInput().GetText())
	if err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	defer body.Close()
	lines := bufio.NewReader(body)
	var event []byte
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return status.Error(codes.Unavailable, err.Error())
		}
		event = append(event, line...)
		if len(line) > 1 {
			continue
		}
		message, err := r.message(event)
		if err != nil {
			return status.Error(codes.Internal, err.Error())
		}
		event = event[:0]
		if err := stream.SendMsg(message); err != nil {
			return err //nolint:wrapcheck // grpc-go's status
		}
	}
}

// unparsed is the lines of an event in a message.
func unparsed(lines []byte) (proto.Message, error) {
	return wrapperspb.Bytes(lines), nil // gRPC has marshalled it before lines change
}

// upstreamClient streams replies.
type upstreamClient struct {
	http      *http.Client
	base, key string
}

// open asks for the reply to an input. The caller closes the stream.
func (u upstreamClient) open(ctx context.Context, input string) (io.ReadCloser, error) {
	text, err := json.Marshal(map[string]any{"model": "mavera-1", "input": input, "stream": true})
	if err != nil {
		return nil, fmt.Errorf("make body: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.base+responsesPath, strings.NewReader(string(text)))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+u.key)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("User-Agent", "mavera-gateway")
	response, err := u.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("send request: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(errors.New(response.Status), response.Body.Close())
	}
	return response.Body, nil
}
