package transcode

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A decoder reads one JSON answer and writes the same message in protobuf wire
// format. It never builds the message: a field goes from the one text to the
// other as it is met.
type decoder struct {
	scanner
	out     []byte
	scratch []byte
	path    []string // keys that lead to the current value
	extras  []extra  // what additional_fields of the open objects will hold
	losses  []Loss
	lost    []uint8      // indexes into losses, in the order in which they occurred
	page    *pageRequest // how the list was asked for, nil when it was not

	credits    float64
	hasCredits bool
	ending     Ending // what was met says so of the stream
}

// An extra is a key that goes to additional_fields once its object has ended:
// protobuf has no way to write a message in two pieces that every runtime reads.
type extra struct {
	key   text
	value int // offset of the value
}

// open begins a message of unknown length and returns where its content starts.
func (d *decoder) openMessage(tag []byte) int {
	d.out = append(append(d.out, tag...), 0)
	return len(d.out)
}

// closeMessage puts the length in front of the content; most take one byte, and
// that has been kept free.
func (d *decoder) closeMessage(start int) {
	n := len(d.out) - start
	if n < 0x80 {
		d.out[start-1] = byte(n)
		return
	}
	more := protowire.SizeVarint(uint64(n)) - 1
	d.out = slices.Grow(d.out, more)[:len(d.out)+more]
	copy(d.out[start+more:], d.out[start:start+n])
	binary.PutUvarint(d.out[start-1:], uint64(n))
}

// object reads the object that comes next into the fields of m. except is a key
// that says nothing more, the discriminator of a union, or empty.
func (d *decoder) object(m *message, except string) LossKind {
	mine := len(d.extras)
	var seen set
	guess := &m.first
	for ok := d.open('}'); ok; ok = d.more('}') {
		f := guess.Load()
		key, ok := d.guessed(f)
		if !ok {
			key = d.key()
			f = d.lookup(m, key)
			guess.learn(f)
		}
		switch {
		case f != nil:
			guess = &f.next
			d.member(f, key, &seen)
		case except != "" && d.is(key, except):
			except = ""
			d.skip()
		default:
			d.keep(key, UnknownField)
		}
	}
	return d.writeExtras(m, mine)
}

// guessed passes the key of f, if it comes next and is written as compact JSON writes it.
func (d *decoder) guessed(f *field) (key text, ok bool) {
	if f == nil || !d.take(f.quoted) {
		return text{}, false
	}
	return text{raw: d.in[d.pos-len(f.key)-2 : d.pos-2]}, true
}

// lookup finds the field of a key, nil when the message does not model it.
func (d *decoder) lookup(m *message, key text) *field {
	if key.escaped {
		d.scratch, _ = key.appendTo(d.scratch[:0])
		return m.byKey[string(d.scratch)]
	}
	return m.byKey[string(key.raw)]
}

// is reports whether the key is the given one.
func (d *decoder) is(key text, name string) bool {
	if key.escaped {
		d.scratch, _ = key.appendTo(d.scratch[:0])
		return string(d.scratch) == name
	}
	return string(key.raw) == name
}

// member reads the value of a modelled key. One that does not fit is kept whole,
// and so is one whose field has a value already, whether from the same key or
// from another spelling of it.
func (d *decoder) member(f *field, key text, seen *set) {
	c := d.peek()
	switch {
	case c == 'n' && !f.takesNull():
		d.literal("null")
		return
	case seen.has(f):
		d.keep(key, UnknownField)
		return
	}
	d.path = append(d.path, f.key)
	if c == '"' && f.single && f.kind == protoreflect.StringKind {
		d.string(f) // it fits
	} else if before, loss := d.mark(), d.value(f); loss != "" {
		d.reset(before)
		d.path = d.path[:len(d.path)-1]
		d.keep(key, loss)
		return
	}
	d.path = d.path[:len(d.path)-1]
	d.ending = max(d.ending, f.ending)
	seen.add(f)
}

// takesNull reports whether null is a value of the field like any other.
func (f *field) takesNull() bool {
	return f.msg != nil && f.msg.shape == shapeValue && !f.list
}

// A mark is a state of the decoder that it can be set back to.
type mark struct{ pos, depth, out, extras, lost, path int }

func (d *decoder) mark() mark {
	return mark{pos: d.pos, depth: d.depth, out: len(d.out), extras: len(d.extras), lost: len(d.lost), path: len(d.path)}
}

func (d *decoder) reset(m mark) {
	if d.err == nil {
		d.pos = m.pos
	}
	d.depth = m.depth
	d.out, d.extras, d.path = d.out[:m.out], d.extras[:m.extras], d.path[:m.path]
	d.unlose(m.lost)
}

// keep puts the value that comes next among the additional fields.
func (d *decoder) keep(key text, kind LossKind) {
	d.peek()
	d.extras = append(d.extras, extra{key: key, value: d.pos})
	d.skip()
	name, _ := key.appendTo(nil)
	d.lose(kind, string(name))
}

// writeExtras ends an object: what was kept since mine becomes additional_fields.
func (d *decoder) writeExtras(m *message, mine int) LossKind {
	if len(d.extras) == mine {
		return ""
	}
	if m.extra == nil {
		return WrongType
	}
	if d.err != nil {
		return ""
	}
	end := d.pos
	start := d.openMessage(m.extra.tag)
	for _, x := range d.extras[mine:] {
		d.pos = x.value
		name, _ := x.key.appendTo(nil)
		d.path = append(d.path, string(name))
		d.entry(x.key)
		d.path = d.path[:len(d.path)-1]
	}
	d.closeMessage(start)
	d.extras, d.pos = d.extras[:mine], end
	return ""
}

// value reads the next value into field f and reports in which way it does not
// fit, if so. What was written and read by then is for the caller to undo.
func (d *decoder) value(f *field) LossKind {
	switch {
	case f.mapped:
		return d.mapped(f)
	case !f.list:
		return d.single(f)
	case d.peek() != '[':
		return WrongType
	case f.packed:
		return d.packed(f)
	}
	for ok := d.open(']'); ok; ok = d.more(']') {
		if loss := d.single(f); loss != "" {
			return loss
		}
	}
	return ""
}

// mapped reads an object into a map field.
func (d *decoder) mapped(f *field) LossKind {
	if d.peek() != '{' {
		return WrongType
	}
	for ok := d.open('}'); ok; ok = d.more('}') {
		start := d.openMessage(f.tag)
		d.text(keyTag, d.key())
		if loss := d.single(f.value); loss != "" {
			return loss
		}
		d.closeMessage(start)
	}
	return ""
}

// keyTag is the tag of the key of a map entry.
const keyTag = 1<<3 | byte(protowire.BytesType)

// packed reads an array of numbers into one packed field.
func (d *decoder) packed(f *field) LossKind {
	start := d.openMessage(f.tag)
	for ok := d.open(']'); ok; ok = d.more(']') {
		if loss := d.scalar(f); loss != "" {
			return loss
		}
	}
	d.closeMessage(start)
	return ""
}

// single reads one value with its tag.
func (d *decoder) single(f *field) LossKind {
	if f.msg != nil {
		return d.message(f)
	}
	if f.kind == protoreflect.StringKind {
		if d.peek() != '"' {
			return WrongType
		}
		d.string(f)
		return ""
	}
	d.out = append(d.out, f.tag...)
	return d.scalar(f)
}

// string reads a string with its tag; the caller has seen its quote.
func (d *decoder) string(f *field) {
	last := len(f.tag) - 1
	if last > 0 {
		d.out = append(d.out, f.tag[:last]...)
	}
	d.text(f.tag[last], d.str())
}

// text writes a string; tag is the last byte of its tag.
func (d *decoder) text(tag byte, t text) {
	d.out = append(d.out, tag)
	if t.exact() {
		d.out = protowire.AppendVarint(d.out, uint64(len(t.raw)))
		d.out = append(d.out, t.raw...)
		return
	}
	d.out = append(d.out, 0)
	start := len(d.out)
	var exact bool
	if d.out, exact = t.appendTo(d.out); !exact {
		d.lose(InvalidText, "")
	}
	d.closeMessage(start)
}

// scalar reads one value other than a string, without a tag.
func (d *decoder) scalar(f *field) LossKind {
	c := d.peek()
	switch f.kind {
	case protoreflect.BoolKind:
		switch c {
		case 't':
			d.literal("true")
			d.out = append(d.out, 1)
			return ""
		case 'f':
			d.literal("false")
			d.out = append(d.out, 0)
			return ""
		}
	case protoreflect.EnumKind:
		if c == '"' {
			n, ok := d.word(f.enum, d.str())
			if !ok {
				return UnknownEnum
			}
			d.out = protowire.AppendVarint(d.out, uint64(n))
			return ""
		}
	case protoreflect.DoubleKind:
		if c == '-' || '0' <= c && c <= '9' {
			digits, _ := d.number()
			x, err := strconv.ParseFloat(string(digits), 64)
			if err != nil {
				return WrongType // out of range
			}
			if f.credits {
				d.credits, d.hasCredits = x, true
			}
			d.out = protowire.AppendFixed64(d.out, math.Float64bits(x))
			return ""
		}
	default:
		if c == '-' || '0' <= c && c <= '9' {
			n, ok := parseInt(d.number())
			if !ok || f.kind == protoreflect.Int32Kind && int64(int32(n)) != n {
				return WrongType
			}
			d.out = protowire.AppendVarint(d.out, uint64(n))
			return ""
		}
	}
	return WrongType
}

// word finds the value of an enum.
func (d *decoder) word(e *enum, t text) (protoreflect.EnumNumber, bool) {
	if n, ok := e.byWord[string(t.raw)]; ok && !t.escaped {
		return n, true // as it is documented
	}
	d.scratch, _ = t.appendTo(d.scratch[:0])
	return e.number(d.scratch)
}

// parseInt reads an integer, also one written as 5.0 or 5e3.
func parseInt(digits []byte, integer bool) (int64, bool) {
	if integer {
		n, err := strconv.ParseInt(string(digits), 10, 64)
		return n, err == nil
	}
	x, err := strconv.ParseFloat(string(digits), 64)
	if err != nil || x != math.Trunc(x) || math.Abs(x) >= 1<<53 {
		return 0, false
	}
	return int64(x), true
}
