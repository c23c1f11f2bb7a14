package transcode

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// An encoder writes a request message as JSON. What cannot be written is
// collected, so that a caller learns of all faults at once.
type encoder struct {
	out        []byte
	violations []Violation
	path       []string
}

func (e *encoder) violate(field, format string, args ...any) {
	path := strings.Join(e.path, "")
	if path != "" && field != "" && field[0] != '[' {
		path += "."
	}
	e.violations = append(e.violations, Violation{
		Field:       strings.TrimPrefix(path+field, "."),
		Description: fmt.Sprintf(format, args...),
	})
}

// within runs f with the path extended by a step: ".name" or "[3]".
func (e *encoder) within(step string, f func()) {
	e.path = append(e.path, step)
	f()
	e.path = e.path[:len(e.path)-1]
}

// An object being written. Keys that the gateway itself sets are reserved.
type object struct {
	e        *encoder
	m        *message
	msg      protoreflect.Message
	extra    *structpb.Struct
	reserved []string
	empty    bool
}

func (e *encoder) begin(m *message, msg protoreflect.Message, reserved ...string) *object {
	o := &object{e: e, m: m, msg: msg, reserved: reserved, empty: true}
	if m.extra != nil && msg.Has(m.extra.desc) {
		o.extra, _ = msg.Get(m.extra.desc).Message().Interface().(*structpb.Struct)
	}
	e.out = append(e.out, '{')
	return o
}

func (o *object) label(label []byte) {
	if !o.empty {
		o.e.out = append(o.e.out, ',')
	}
	o.empty = false
	o.e.out = append(o.e.out, label...)
}

// field writes one field, if there is anything to write.
func (o *object) field(f *field) {
	switch _, elsewhere := o.extra.GetFields()[f.key]; {
	case o.msg.Has(f.desc):
		if f.enum != nil && !f.list && !f.mapped && o.msg.Get(f.desc).Enum() == 0 {
			return // UNSPECIFIED says nothing
		}
		o.label(f.label)
		o.e.within("."+string(f.desc.Name()), func() { o.e.value(f, o.msg.Get(f.desc)) })
	case elsewhere, f.desc.ContainingOneof() != nil && o.msg.WhichOneof(f.desc.ContainingOneof()) != nil:
	case f.valueIfUnset != "":
		o.label(f.label)
		o.e.out = appendString(o.e.out, f.valueIfUnset)
	case f.nullIfUnset:
		o.label(f.label)
		o.e.out = append(o.e.out, "null"...)
	}
}

// merge writes the additional fields. A key of a modelled field passes only while
// that field is unset.
func (o *object) merge() {
	for _, key := range sortedKeys(o.extra.GetFields()) {
		at := fmt.Sprintf("%s[%q]", additionalName, key)
		if f := o.m.byKey[key]; f != nil && f.key == key && o.isSet(f) {
			o.e.violate(at, "is set both here and in %s", f.desc.Name())
			continue
		}
		if contains(o.reserved, key) {
			o.e.violate(at, "is set by the gateway")
			continue
		}
		o.label(append(appendString(nil, key), ':'))
		o.e.within("."+at, func() { o.e.anyValue(o.extra.GetFields()[key]) })
	}
}

func (o *object) isSet(f *field) bool {
	if oneof := f.desc.ContainingOneof(); oneof != nil {
		return o.msg.WhichOneof(oneof) != nil // the raw and the parsed form share the key
	}
	return o.msg.Has(f.desc)
}

func (o *object) end() { o.e.out = append(o.e.out, '}') }

// message writes a message in its shape.
func (e *encoder) message(m *message, msg protoreflect.Message) {
	switch m.shape {
	case shapeStruct:
		s, _ := msg.Interface().(*structpb.Struct)
		e.anyStruct(s)
	case shapeValue:
		v, _ := msg.Interface().(*structpb.Value)
		e.anyValue(v)
	case shapeTime:
		e.timestamp(msg)
	case shapeUnion:
		e.union(m, msg)
	case shapeList:
		e.list(m.item, msg.Get(m.item.desc).List())
	case shapeObject, shapePage:
		if m.shorthand != nil && onlySet(msg, m.shorthand.desc) {
			e.out = appendString(e.out, msg.Get(m.shorthand.desc).String())
			return
		}
		e.object(m, msg)
	}
}

func (e *encoder) object(m *message, msg protoreflect.Message) {
	o := e.begin(m, msg)
	for _, f := range m.fields {
		o.field(f)
	}
	o.merge()
	o.end()
}

// onlySet reports whether fd is the only field of msg that is set.
func onlySet(msg protoreflect.Message, fd protoreflect.FieldDescriptor) bool {
	n := 0
	msg.Range(func(protoreflect.FieldDescriptor, protoreflect.Value) bool {
		n++
		return n < 2
	})
	return n == 1 && msg.Has(fd)
}

// union writes whichever member is set.
func (e *encoder) union(m *message, msg protoreflect.Message) {
	fd := msg.WhichOneof(m.desc.Oneofs().Get(0))
	extra := m.extra != nil && msg.Has(m.extra.desc)
	switch {
	case fd == nil && extra:
		s, _ := msg.Get(m.extra.desc).Message().Interface().(*structpb.Struct)
		e.anyStruct(s)
		return
	case fd == nil:
		e.violate("", "needs one of its members: %s", names(m.fields))
		return
	case extra:
		e.violate(string(additionalName), "must not be set beside %s", fd.Name())
		return
	}
	f := m.named(string(fd.Name()))
	e.within("."+string(fd.Name()), func() {
		if m.discriminator == "" || f.msg == nil || f.msg.shape != shapeObject {
			e.value(f, msg.Get(fd))
			return
		}
		o := e.begin(f.msg, msg.Get(fd).Message(), m.discriminator)
		if f != m.untagged {
			o.label(append(appendString(nil, m.discriminator), ':'))
			e.out = appendString(e.out, f.memberTag)
		}
		for _, inner := range f.msg.fields {
			o.field(inner)
		}
		o.merge()
		o.end()
	})
}

// value writes the value of a field that is set.
func (e *encoder) value(f *field, v protoreflect.Value) {
	switch {
	case f.mapped:
		e.mapped(f, v.Map())
	case f.list:
		e.list(f, v.List())
	default:
		e.single(f, v)
	}
}

func (e *encoder) list(f *field, list protoreflect.List) {
	e.out = append(e.out, '[')
	for i := range list.Len() {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		if f.msg == nil {
			e.single(f, list.Get(i)) // scalars name the position only when they fail
			continue
		}
		e.within("["+strconv.Itoa(i)+"]", func() { e.single(f, list.Get(i)) })
	}
	e.out = append(e.out, ']')
}

func (e *encoder) mapped(f *field, m protoreflect.Map) {
	e.out = append(e.out, '{')
	keys := make(map[string]protoreflect.MapKey, m.Len())
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys[k.String()] = k
		return true
	})
	for i, key := range sortedKeys(keys) {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.out = append(appendString(e.out, key), ':')
		e.within(fmt.Sprintf("[%q]", key), func() { e.single(f.value, m.Get(keys[key])) })
	}
	e.out = append(e.out, '}')
}

func (e *encoder) single(f *field, v protoreflect.Value) {
	switch f.kind {
	case protoreflect.MessageKind:
		e.message(f.msg, v.Message())
	case protoreflect.StringKind:
		if f.rawJSON {
			e.rawJSON(v.String())
			return
		}
		e.out = appendString(e.out, v.String())
	case protoreflect.BoolKind:
		e.out = strconv.AppendBool(e.out, v.Bool())
	case protoreflect.DoubleKind:
		e.double(v.Float())
	case protoreflect.EnumKind:
		word, ok := f.enum.words[v.Enum()]
		if !ok {
			e.violate("", "%d is no value of %s", v.Enum(), f.desc.Enum().Name())
		}
		e.out = appendString(e.out, word)
	default:
		e.out = strconv.AppendInt(e.out, v.Int(), 10)
	}
}

func (e *encoder) double(x float64) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		e.violate("", "must be a finite number: JSON has no %v", x)
		return
	}
	e.out = appendDouble(e.out, x)
}

// rawJSON passes an object on byte for byte, once it is known to be one.
func (e *encoder) rawJSON(text string) {
	s := scanner{in: []byte(text)}
	if s.peek() != '{' {
		s.fail("an object")
	}
	s.skip()
	if err := s.end(); err != nil {
		e.violate("", "must be the JSON text of an object: %v", err)
		return
	}
	e.out = append(e.out, text...)
}

func (e *encoder) timestamp(msg protoreflect.Message) {
	ts, ok := msg.Interface().(*timestamppb.Timestamp)
	if !ok || ts.CheckValid() != nil {
		e.violate("", "must be a time between the years 1 and 9999")
		return
	}
	e.out = append(e.out, '"')
	e.out = ts.AsTime().AppendFormat(e.out, time.RFC3339Nano)
	e.out = append(e.out, '"')
}

func (e *encoder) anyStruct(s *structpb.Struct) {
	e.out = append(e.out, '{')
	for i, key := range sortedKeys(s.GetFields()) {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.out = append(appendString(e.out, key), ':')
		e.anyValue(s.GetFields()[key])
	}
	e.out = append(e.out, '}')
}

func (e *encoder) anyValue(v *structpb.Value) {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_NumberValue:
		e.double(kind.NumberValue)
	case *structpb.Value_StringValue:
		e.out = appendString(e.out, kind.StringValue)
	case *structpb.Value_BoolValue:
		e.out = strconv.AppendBool(e.out, kind.BoolValue)
	case *structpb.Value_StructValue:
		e.anyStruct(kind.StructValue)
	case *structpb.Value_ListValue:
		e.out = append(e.out, '[')
		for i, item := range kind.ListValue.GetValues() {
			if i > 0 {
				e.out = append(e.out, ',')
			}
			e.anyValue(item)
		}
		e.out = append(e.out, ']')
	default: // null, and a value without a kind, which reads as null everywhere else
		e.out = append(e.out, "null"...)
	}
}
