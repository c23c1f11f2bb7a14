package rig

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// A frame is a message that is left undecoded: its size in bytes.
type frame int

// frames is protobuf's codec, but for frames.
type frames struct{ encoding.CodecV2 }

func (c frames) Unmarshal(data mem.BufferSlice, into any) error {
	if f, ok := into.(*frame); ok {
		*f = frame(data.Len())
		return nil
	}
	return c.CodecV2.Unmarshal(data, into) //nolint:wrapcheck // the codec's own words
}

// OpenStream opens a stream of the reply to an input. It is to be read by [Next] and
// [Count], which leave messages undecoded, so that they cost the same everywhere.
func OpenStream(ctx context.Context, conn *grpc.ClientConn, input string) (grpc.ClientStream, error) {
	undecoded := grpc.ForceCodecV2(frames{encoding.GetCodecV2("proto")})
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+replyService+"/"+replyRPC, undecoded)
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	err = stream.SendMsg(&maverav1.CreateResponseRequest{
		Model: "mavera-1", Input: &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: input}},
	})
	if err == nil {
		err = stream.CloseSend()
	}
	if err != nil {
		return nil, fmt.Errorf("send request: %w", err)
	}
	return stream, nil
}

// Next reads a message and reports whether there was one.
func Next(stream grpc.ClientStream) (bool, error) {
	var f frame
	switch err := stream.RecvMsg(&f); {
	case errors.Is(err, io.EOF):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read stream: %w", err)
	}
	return true, nil
}

// Count reads a stream to its end and returns how many messages there were.
func Count(stream grpc.ClientStream) (int, error) {
	for n := 0; ; n++ {
		if more, err := Next(stream); err != nil || !more {
			return n, err
		}
	}
}
