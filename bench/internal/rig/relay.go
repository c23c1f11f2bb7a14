package rig

import (
	"bufio"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// The RPC that streams replies.
const (
	replyService = "mavera.v1.ResponsesService"
	replyRPC     = "StreamResponse"
)

// A Relay is the least that a server in the gateway's place has to do for streams: it
// makes the same HTTP call and sends on what Message makes of each event.
type Relay struct {
	Upstream ReplyClient
	// Message makes a message of the lines of an event, which change when it returns.
	Message func(lines []byte) (proto.Message, error)
}

// Register makes a server stream replies.
func (r *Relay) Register(server *grpc.Server) {
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: replyService,
		HandlerType: (*any)(nil),
		Streams:     []grpc.StreamDesc{{StreamName: replyRPC, Handler: r.stream, ServerStreams: true}},
	}, r)
}

func (r *Relay) stream(_ any, stream grpc.ServerStream) error {
	in := new(maverav1.CreateResponseRequest) // the same fields as those of the stream's request
	if err := stream.RecvMsg(in); err != nil {
		return err //nolint:wrapcheck // grpc-go's status
	}
	body, err := r.Upstream.Open(stream.Context(), in.GetInput().GetText())
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
		message, err := r.Message(event)
		if err != nil {
			return status.Error(codes.Internal, err.Error())
		}
		event = event[:0]
		if err := stream.SendMsg(message); err != nil {
			return err //nolint:wrapcheck // grpc-go's status
		}
	}
}

// Unparsed is the lines of an event in a message, the least for a [Relay].
func Unparsed(lines []byte) (proto.Message, error) {
	return wrapperspb.Bytes(lines), nil // gRPC has marshalled it before lines change
}
