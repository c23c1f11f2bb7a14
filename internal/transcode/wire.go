package transcode

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// wire is a message in protobuf wire format as proto.Marshal writes it with
// Deterministic set: well formed, the elements of a list one after the other and
// map keys sorted. Nothing else may be read with it, since it checks nothing.
type wire []byte

// varint reads a varint; tags are read with it too.
func (w wire) varint() (uint64, wire) {
	if w[0] < 0x80 {
		return uint64(w[0]), w[1:]
	}
	v, n := binary.Uvarint(w)
	return v, w[n:]
}

// fixed64 reads a fixed64.
func (w wire) fixed64() (uint64, wire) {
	return binary.LittleEndian.Uint64(w), w[8:]
}

// bytes reads a string, a message or a packed list.
func (w wire) bytes() (content, rest wire) {
	n, w := w.varint()
	return w[:n], w[n:]
}

// skip passes over the value that follows tag.
func (w wire) skip(tag uint64) wire {
	number, typ := protowire.DecodeTag(tag)
	return w[protowire.ConsumeFieldValue(number, typ, w):]
}

// entry reads the content of a map entry with string keys. The value is empty
// when it is a message without content.
func (w wire) entry() (key, value wire) {
	for len(w) > 0 {
		tag, rest := w.varint()
		end := rest.skip(tag)
		if tag>>3 == 1 {
			key, _ = rest.bytes()
		} else {
			value = w[:len(w)-len(end)]
		}
		w = end
	}
	return key, value
}

// message takes the tag and the length off a value that entry returned.
func (w wire) message() wire {
	if len(w) == 0 {
		return nil
	}
	_, w = w.varint()
	w, _ = w.bytes()
	return w
}
