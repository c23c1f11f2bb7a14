package server

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// TestPart reads messages in every form that the wire format allows.
func TestPart(t *testing.T) {
	marshal := func(m proto.Message) []byte {
		text, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	unknown := []byte{0x1a, 1, 'u'} // field 3
	for _, row := range []struct {
		name  string
		wire  []byte
		chunk string
		other string // what is no chunk, as text
	}{
		{"chunk", marshal(chunk([]byte("abc"))), "abc", ""},
		{"chunk of many bytes", marshal(chunk(bytes.Repeat([]byte("a"), 300))), strings.Repeat("a", 300), ""},
		{"empty chunk", marshal(chunk(nil)), "", ""},
		{"description", marshal(describes(5)), "", `metadata:{file_name:"a.mp4"file_type:"video/mp4"file_size:5workspace_id:"ws"}`},
		{"empty message", nil, "", "empty"},
		{"chunk and something unknown", append(marshal(chunk([]byte("abc"))), unknown...), "abc", ""},
		{"the last of two chunks counts", append(marshal(chunk([]byte("abc"))), marshal(chunk([]byte("de")))...), "de", ""},
		{"a chunk after a description", append(marshal(describes(5)), marshal(chunk([]byte("de")))...), "de", ""},
		{"cut", marshal(chunk([]byte("abc")))[:4], "", "error"},
	} {
		t.Run(row.name, func(t *testing.T) {
			for size := 1; size <= max(1, len(row.wire)); size++ {
				p := new(part)
				err := p.unmarshal(split(row.wire, size))
				content, readErr := io.ReadAll(&p.chunk)
				other := ""
				switch {
				case err != nil:
					other = "error"
				case p.request != nil:
					if other = strings.ReplaceAll(fmt.Sprint(p.request), " ", ""); other == "" {
						other = "empty"
					}
				}
				if string(content) != row.chunk || readErr != nil || other != row.other {
					t.Fatalf("in pieces of %d: chunk %q, %v, other %q; want %q, %q", size, content, readErr, other, row.chunk, row.other)
				}
				p.free()
			}
		})
	}
}

// split is a message in buffers of so many bytes.
func split(wire []byte, size int) mem.BufferSlice {
	var out mem.BufferSlice
	for piece := range slices.Chunk(wire, size) {
		out = append(out, mem.SliceBuffer(piece))
	}
	return out
}
