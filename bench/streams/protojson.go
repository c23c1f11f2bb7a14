package main

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// parsed reads the data of an event the way that comes to mind first. Whatever is
// no delta goes through unparsed: protojson cannot read times in Unix seconds.
func parsed(lines []byte) (proto.Message, error) {
	name, data, _ := bytes.Cut(bytes.TrimPrefix(lines, []byte("event: ")), []byte("\n"))
	if string(name) != "response.output_text.delta" {
		unknown := &maverav1.UnknownEvent{Name: string(name), Data: string(data)}
		return &maverav1.ResponseStreamEvent{Event: &maverav1.ResponseStreamEvent_Unknown{Unknown: unknown}}, nil
	}
	delta := new(maverav1.ResponseOutputTextDeltaEvent)
	data = bytes.TrimPrefix(data, []byte("data: "))
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, delta); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	return &maverav1.ResponseStreamEvent{Event: &maverav1.ResponseStreamEvent_OutputTextDelta{OutputTextDelta: delta}}, nil
}
