package transcode

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// An encoder writes a request message as JSON. It reads the message in wire
// format, which costs a fraction of asking every field by reflection. What cannot
// be written is collected, so that a caller learns of all faults at once.
type encoder struct {
	out        []byte
	violations []Violation
	path       []step
}

// reserve makes room for the JSON of w, which is twice as long and a bit, and for
// the usual depth.
func (e *encoder) reserve(w wire) {
	e.out = make([]byte, 0, 5*len(w)/2+64)
	e.path = make([]step, 0, 12)
}

// A step leads from a value to a part of it. Steps are spelled only for
// violations.
type step struct {
	name  string // of a field, or a map key
	index int    // position in a list, or one of the two below
}

const (
	fieldStep = -1
	keyStep   = -2
)

func (e *encoder) enter(name string, index int) {
	e.path = append(e.path, step{name: name, index: index})
}

func (e *encoder) leave() { e.path = e.path[:len(e.path)-1] }

// violatef reports a fault of the current value, or of the named field of it.
func (e *encoder) violatef(field, format string, args ...any) {
	path := e.path
	if field != "" {
		path = append(slices.Clone(path), step{name: field, index: fieldStep})
	}
	var b strings.Builder
	for i, s := range path {
		switch {
		case s.index >= 0:
			fmt.Fprintf(&b, "[%d]", s.index)
		case s.index == keyStep:
			fmt.Fprintf(&b, "[%q]", s.name)
		case i > 0:
			b.WriteString("." + s.name)
		default:
			b.WriteString(s.name)
		}
	}
	e.violations = append(e.violations, Violation{Field: b.String(), Description: fmt.Sprintf(format, args...)})
}

// marshal gives the encoder its input.
func marshal(msg proto.Message) (wire, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(msg)
}

// message writes a message in its shape.
func (e *encoder) message(m *message, w wire) {
	switch m.shape {
	case shapeStruct:
		e.anyStruct(w)
	case shapeValue:
		e.anyValue(w)
	case shapeTime:
		e.timestamp(w)
	case shapeUnion:
		e.union(m, w)
	case shapeList:
		if len(w) == 0 {
			e.out = append(e.out, "[]"...)
			return
		}
		e.value(m.item, w)
	case shapeObject, shapePage, shapeEvent: // no request has the last
		if text, ok := m.short(w); ok {
			e.out = appendString(e.out, text)
			return
		}
		e.object(m, w, set{})
	}
}

// short returns the plain string that stands for the message when its shorthand
// is all that is set.
func (m *message) short(w wire) ([]byte, bool) {
	if m.shorthand == nil || !bytes.HasPrefix(w, m.shorthand.tag) {
		return nil, false
	}
	text, rest := w[len(m.shorthand.tag):].bytes()
	return text, len(rest) == 0
}

// union writes whichever member is set.
func (e *encoder) union(m *message, w wire) {
	var member *field
	var run, extra wire
	for len(w) > 0 {
		tag, rest := w.varint()
		end := rest.skip(tag)
		switch f := m.numbered(tag); f {
		case nil:
		case m.extra:
			extra = w[:len(w)-len(end)]
		default:
			member, run = f, w[:len(w)-len(end)]
		}
		w = end
	}
	switch {
	case member == nil && extra != nil:
		e.anyStruct(extra.message())
	case member == nil:
		e.violatef("", "needs one of its members: %s", names(m.fields))
	case extra != nil:
		e.violatef(additionalName, "must not be set beside %s", member.name)
	case m.discriminator == "" || member.msg == nil || member.msg.shape != shapeObject:
		e.value(member, run)
	default:
		e.enter(member.name, fieldStep)
		o := e.open(member.msg, m.discriminator)
		if member != m.untagged {
			o.label(m.discriminatorLabel)
			e.out = appendString(e.out, member.memberTag)
		}
		o.fields(run.message(), set{})
		o.close()
		e.leave()
	}
}

// value writes the field that w begins with and returns what follows it.
func (e *encoder) value(f *field, w wire) wire {
	if f.plain {
		e.out, w = appendPlain(e.out, f, w)
		return w
	}
	e.enter(f.name, fieldStep)
	switch {
	case f.mapped:
		w = e.mapped(f, w)
	case f.packed:
		w = e.packed(f, w[len(f.tag):])
	case f.list:
		w = e.list(f, w)
	default:
		w = e.single(f, w[len(f.tag):])
	}
	e.leave()
	return w
}

// appendPlain does the same for a field in which nothing can be at fault. Most
// are, so it works on the output alone.
func appendPlain(out []byte, f *field, w wire) ([]byte, wire) {
	if !f.list {
		return appendScalar(out, f, w[len(f.tag):])
	}
	separator := byte('[')
	for bytes.HasPrefix(w, f.tag) {
		out, w = appendScalar(append(out, separator), f, w[len(f.tag):])
		separator = ','
	}
	return append(out, ']'), w
}

// appendScalar writes the string, bool or integer that w begins with.
func appendScalar(out []byte, f *field, w wire) ([]byte, wire) {
	if f.kind == protoreflect.StringKind {
		content, rest := w.bytes()
		return appendString(out, content), rest
	}
	n, rest := w.varint()
	if f.kind == protoreflect.BoolKind {
		return strconv.AppendBool(out, n != 0), rest
	}
	return strconv.AppendInt(out, int64(n), 10), rest
}

func (e *encoder) list(f *field, w wire) wire {
	e.enter("", 0)
	separator := byte('[')
	for bytes.HasPrefix(w, f.tag) {
		e.out = append(e.out, separator)
		w = e.single(f, w[len(f.tag):])
		e.path[len(e.path)-1].index++
		separator = ','
	}
	e.out = append(e.out, ']')
	e.leave()
	return w
}

func (e *encoder) packed(f *field, w wire) wire {
	items, w := w.bytes()
	e.enter("", 0)
	separator := byte('[')
	for len(items) > 0 {
		e.out = append(e.out, separator)
		items = e.single(f, items)
		e.path[len(e.path)-1].index++
		separator = ','
	}
	e.out = append(e.out, ']')
	e.leave()
	return w
}

func (e *encoder) mapped(f *field, w wire) wire {
	separator := byte('{')
	for bytes.HasPrefix(w, f.tag) {
		var entry wire
		entry, w = w[len(f.tag):].bytes()
		key, value := entry.entry()
		e.out = append(appendString(append(e.out, separator), key), ':')
		e.enter(string(key), keyStep)
		e.single(f.value, value[len(f.value.tag):])
		e.leave()
		separator = ','
	}
	e.out = append(e.out, '}')
	return w
}

// single writes the value that w begins with and returns what follows it.
func (e *encoder) single(f *field, w wire) wire {
	switch f.kind {
	case protoreflect.MessageKind:
		content, rest := w.bytes()
		e.message(f.msg, content)
		return rest
	case protoreflect.DoubleKind:
		bits, rest := w.fixed64()
		e.double(math.Float64frombits(bits))
		return rest
	case protoreflect.EnumKind:
		n, rest := w.varint()
		word, ok := f.enum.words[protoreflect.EnumNumber(int32(n))]
		if !ok {
			e.violatef("", "%d is no value of %s", int32(n), f.desc.Enum().Name())
		}
		e.out = appendString(e.out, word)
		return rest
	default:
		if f.rawJSON {
			content, rest := w.bytes()
			e.rawJSON(content)
			return rest
		}
		e.out, w = appendScalar(e.out, f, w)
		return w
	}
}

func (e *encoder) double(x float64) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		e.violatef("", "must be a finite number: JSON has no %v", x)
		return
	}
	e.out = appendDouble(e.out, x)
}

// rawJSON passes an object on byte for byte, once it is known to be one.
func (e *encoder) rawJSON(text []byte) {
	s := scanner{in: text}
	if s.peek() != '{' {
		s.fail("an object")
	}
	s.skip()
	if err := s.end(); err != nil {
		e.violatef("", "must be the JSON text of an object: %v", err)
		return
	}
	e.out = append(e.out, text...)
}

// The range of a Timestamp, in seconds from 1970 (timestamp.proto).
const (
	minSeconds = -62135596800 // 0001-01-01T00:00:00Z
	maxSeconds = 253402300799 // 9999-12-31T23:59:59Z
)

func (e *encoder) timestamp(w wire) {
	var seconds int64
	var nanos int32
	for len(w) > 0 {
		var tag, n uint64
		tag, w = w.varint()
		n, w = w.varint()
		if tag>>3 == 1 {
			seconds = int64(n)
		} else {
			nanos = int32(n)
		}
	}
	if seconds < minSeconds || seconds > maxSeconds || nanos < 0 || nanos >= 1e9 {
		e.violatef("", "must be a time between the years 1 and 9999")
		return
	}
	e.out = append(e.out, '"')
	at := time.Unix(seconds, int64(nanos)).UTC()
	if ms := nanos / 1e6; nanos%1e6 == 0 { // the form of the documentation's samples
		e.out = at.AppendFormat(e.out, time.RFC3339)
		e.out = append(e.out[:len(e.out)-1], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
	} else {
		e.out = at.AppendFormat(e.out, time.RFC3339Nano)
	}
	e.out = append(e.out, '"')
}
