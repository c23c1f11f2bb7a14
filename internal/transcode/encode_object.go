package transcode

import "slices"

// An object being written. Keys that the gateway itself sets are reserved.
type object struct {
	e        *encoder
	m        *message
	set      set
	extra    wire
	reserved []string
	empty    bool
}

// object writes a message as an object, without the omitted fields.
func (e *encoder) object(m *message, w wire, omit set, reserved ...string) {
	o := e.open(m, reserved...)
	o.fields(w, omit)
	o.close()
}

func (e *encoder) open(m *message, reserved ...string) object {
	e.out = append(e.out, '{')
	return object{e: e, m: m, reserved: reserved, empty: true}
}

// key takes the comma off a label, if it is the first.
func (o *object) key(label []byte) []byte {
	if o.empty {
		o.empty = false
		return label[1:]
	}
	return label
}

func (o *object) label(label []byte) { o.e.out = append(o.e.out, o.key(label)...) }

// fields writes the fields that are set.
func (o *object) fields(w wire, omit set) {
	for len(w) > 0 {
		tag, rest := w.varint()
		f := o.m.numbered(tag)
		switch {
		case f == nil: // a newer proto than ours
			w = rest.skip(tag)
		case f == o.m.extra:
			o.extra, w = rest.bytes()
		case f.unspecified(rest):
			w = rest[1:]
		case omit.has(f):
			o.set.add(f)
			w = rest.skip(tag)
		case f.plain && !f.list: // as value does, with one store less
			o.set.add(f)
			o.e.out, w = appendScalar(append(o.e.out, o.key(f.label)...), f, rest)
		default:
			o.set.add(f)
			o.label(f.label)
			w = o.e.value(f, w)
		}
	}
}

// unspecified reports whether the value is an enum's UNSPECIFIED, which says as
// much as an unset field.
func (f *field) unspecified(value wire) bool {
	return f.enum != nil && !f.list && value[0] == 0
}

// close writes what the fields that are set leave to be written.
func (o *object) close() {
	o.constants()
	o.merge()
	o.e.out = append(o.e.out, '}')
}

// constants writes the fields that are sent even when they are unset.
func (o *object) constants() {
	for _, f := range o.m.constants {
		switch {
		case o.has(f) || o.merges(f):
		case f.nullIfUnset:
			o.label(f.label)
			o.e.out = append(o.e.out, "null"...)
		default:
			o.label(f.label)
			o.e.out = appendString(o.e.out, f.valueIfUnset)
		}
	}
}

// has reports whether the key of f has been written: by the field, or by the
// other form of it, raw or parsed.
func (o *object) has(f *field) bool {
	return o.set.has(f) || f.twin != nil && o.set.has(f.twin)
}

// merges reports whether additional_fields hold the key of f.
func (o *object) merges(f *field) bool {
	for w := o.extra; len(w) > 0; {
		var entry wire
		entry, w = w[1:].bytes()
		if key, _ := entry.entry(); string(key) == f.key {
			return true
		}
	}
	return false
}

// merge writes the additional fields. A key of a modelled field passes only while
// that field is unset.
func (o *object) merge() {
	if len(o.extra) == 0 {
		return
	}
	o.e.enter(additionalName, fieldStep)
	for w := o.extra; len(w) > 0; {
		var entry wire
		entry, w = w[1:].bytes()
		key, value := entry.entry()
		o.e.enter(string(key), keyStep)
		switch f := o.m.byKey[string(key)]; {
		case f != nil && f.key == string(key) && o.has(f):
			o.e.violate("", "is set both here and in %s", f.name)
		case slices.Contains(o.reserved, string(key)):
			o.e.violate("", "is set by the gateway")
		default:
			o.label(label(key))
			o.e.anyValue(value.message())
		}
		o.e.leave()
	}
	o.e.leave()
}
