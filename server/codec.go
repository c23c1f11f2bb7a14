package server

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// codec sends answers of the transcoder and receives the parts of uploads as they are,
// and leaves every other message (health, reflection, channelz, all other requests) to
// grpc-go's own codec.
type codec struct{ encoding.CodecV2 }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if answer, ok := v.(*transcode.Answer); ok {
		return mem.BufferSlice{mem.SliceBuffer(answer.Wire)}, nil
	}
	return c.CodecV2.Marshal(v) //nolint:wrapcheck // the codec's errors are grpc-go's to report
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if into, ok := v.(*part); ok {
		return into.unmarshal(data)
	}
	return c.CodecV2.Unmarshal(data, v) //nolint:wrapcheck // the same
}
