package transcode

import (
	"bytes"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// message reads one value into a message field, with its tag.
func (d *decoder) message(f *field) LossKind {
	start := d.openMessage(f.tag)
	if loss := d.content(f.msg, ""); loss != "" {
		return loss
	}
	d.closeMessage(start)
	return ""
}

// content reads one value as the content of a message.
func (d *decoder) content(m *message, except string) LossKind {
	c := d.peek()
	switch m.shape {
	case shapeValue:
		d.anyValue()
		return ""
	case shapeTime:
		return d.timestamp()
	case shapeUnion:
		return d.union(m)
	case shapeList:
		if c != '[' {
			return WrongType
		}
		return d.value(m.item)
	case shapeEvent:
		return WrongType // see [EventDecoder]
	case shapeObject, shapePage, shapeStruct:
	}
	switch {
	case c == '"' && m.shorthand != nil:
		return d.single(m.shorthand)
	case c != '{':
		return WrongType
	case m.shape == shapeStruct:
		d.anyStruct()
		return ""
	case m.shape == shapePage:
		return d.envelope(m)
	}
	return d.object(m, except)
}

// union reads one value into the member that its JSON type calls for.
func (d *decoder) union(m *message) LossKind {
	var f *field
	switch c := d.peek(); c {
	case '"':
		f = m.text
	case 't', 'f':
		f = m.boolean
	case '[':
		f = m.list
	case '{':
		return d.unionObject(m)
	default:
		f = m.number
	}
	if f == nil {
		return WrongType
	}
	return d.single(f)
}

// unionObject reads an object into the member that its discriminator names. One
// of an unknown kind is kept as a whole.
func (d *decoder) unionObject(m *message) LossKind {
	var f *field
	switch {
	case len(m.objects) == 0:
		return WrongType
	case m.discriminator == "":
		f = m.objects[0]
	default:
		f = d.discriminate(m)
	}
	if f != nil {
		start := d.openMessage(f.tag)
		if loss := d.content(f.msg, m.discriminator); loss != "" {
			return loss
		}
		d.closeMessage(start)
		return ""
	}
	if m.extra == nil {
		return WrongType
	}
	d.lose(UnknownEnum, m.discriminator)
	start := d.openMessage(m.extra.tag)
	d.anyStruct()
	d.closeMessage(start)
	return ""
}

// discriminate looks ahead for the discriminator and returns its member. The word
// that it found is in d.scratch then.
func (d *decoder) discriminate(m *message) *field {
	pos, depth := d.pos, d.depth
	d.scratch = d.scratch[:0]
	f := m.untagged
	for ok := d.open('}'); ok; ok = d.more('}') {
		if !d.is(d.key(), m.discriminator) {
			d.skip()
			continue
		}
		switch d.peek() {
		case 'n': // as good as missing
		case '"':
			d.scratch, _ = d.str().appendTo(d.scratch[:0])
			f = m.byTag[string(bytes.ToLower(d.scratch))]
		default:
			f = nil
		}
		break
	}
	if d.err == nil {
		d.pos, d.depth = pos, depth
	}
	return f
}

// timestamp reads Unix seconds or ISO 8601 as the content of a Timestamp.
func (d *decoder) timestamp() LossKind {
	var at time.Time
	switch c := d.peek(); {
	case c == '"':
		d.scratch, _ = d.str().appendTo(d.scratch[:0])
		var ok bool
		if at, ok = parseTime(string(d.scratch)); !ok {
			return WrongType
		}
	case c == '-' || '0' <= c && c <= '9':
		var ok bool
		if at, ok = parseUnix(d.number()); !ok {
			return WrongType
		}
	default:
		return WrongType
	}
	if y := at.Year(); y < 1 || y > 9999 {
		return WrongType // beyond what a Timestamp can hold
	}
	if s := at.Unix(); s != 0 {
		d.out = append(d.out, 1<<3|byte(protowire.VarintType))
		d.out = protowire.AppendVarint(d.out, uint64(s))
	}
	if n := at.Nanosecond(); n != 0 {
		d.out = append(d.out, 2<<3|byte(protowire.VarintType))
		d.out = protowire.AppendVarint(d.out, uint64(n))
	}
	return ""
}
