package transcode

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/options/v1"
)

// additionalName is the field that keeps what a message does not model.
const additionalName = "additional_fields"

// shape is how a message stands in JSON.
type shape int

const (
	shapeObject shape = iota // an object, key by key
	shapeUnion               // the value of the one set member
	shapeList                // an array
	shapePage                // a list envelope of the upstream
	shapeStruct              // google.protobuf.Struct: any object
	shapeValue               // google.protobuf.Value: any value
	shapeTime                // google.protobuf.Timestamp: Unix seconds or ISO 8601
	shapeEvent               // a server-sent event
)

// message is what the codec knows about a message.
type message struct {
	desc  protoreflect.MessageDescriptor
	shape shape

	fields    []*field          // in order of declaration, without additional_fields
	byKey     map[string]*field // JSON key or alias to field
	byNumber  []*field          // additional_fields among them
	first     guess             // the field that objects begin with
	constants []*field          // fields that are sent even when they are unset
	extra     *field            // additional_fields, or nil

	shorthand          *field // the field that a plain string stands for, or nil
	discriminator      string // of a union
	discriminatorLabel []byte // ,"key":
	untagged           *field // member of a union without a discriminator, or nil
	unknown            *field // member of an event that takes what no other does
	byTag              map[string]*field
	text, number       *field // members of a union by JSON type, or nil
	boolean, list      *field
	objects            []*field
	item               *field     // the field of a list, or the rows of a page
	page               pageFields // of a page
}

// field is what the codec knows about a field.
type field struct {
	desc   protoreflect.FieldDescriptor
	name   string // of the proto field
	key    string // JSON key
	label  []byte // ,"key":
	quoted string // "key":
	next   guess  // the field that comes after this one
	tag    []byte // tag of the wire format, of type bytes for packed lists
	index  int    // position in the message, for sets

	kind   protoreflect.Kind
	list   bool
	packed bool     // a list that is one field of the wire format
	mapped bool     // a map with string keys
	single bool     // neither a list nor a map
	plain  bool     // a scalar of which every value can be written
	msg    *message // of a message field
	enum   *enum    // of an enum field
	value  *field   // of a map field: the value

	rawJSON      bool
	twin         *field // other form of the same key, raw or parsed, or nil
	credits      bool
	ending       Ending
	nullIfUnset  bool
	valueIfUnset []byte
	memberTag    []byte // value of the discriminator
}

// schemas compiles messages, each once; they may refer to themselves.
type schemas struct {
	messages map[protoreflect.FullName]*message
	enums    map[protoreflect.FullName]*enum
}

func (s *schemas) message(desc protoreflect.MessageDescriptor) (*message, error) {
	if m, ok := s.messages[desc.FullName()]; ok {
		return m, nil
	}
	m := &message{desc: desc}
	s.messages[desc.FullName()] = m
	switch name := desc.FullName(); name {
	case "google.protobuf.Struct":
		m.shape = shapeStruct
		return m, nil
	case "google.protobuf.Value":
		m.shape = shapeValue
		return m, nil
	case "google.protobuf.Timestamp":
		m.shape = shapeTime
		return m, nil
	case fieldMaskName: // read by the encoder itself
	default:
		if name.Parent() == "google.protobuf" {
			return nil, fmt.Errorf("%s has no JSON form here", name)
		}
	}
	if err := s.compile(m); err != nil {
		return nil, fmt.Errorf("message %s: %w", desc.FullName(), err)
	}
	return m, nil
}

func (s *schemas) compile(m *message) error {
	opts, _ := proto.GetExtension(m.desc.Options(), optionsv1.E_Json).(*optionsv1.Json)
	m.shape = shapeOf(m.desc, opts)
	if err := s.compileFields(m); err != nil {
		return err
	}
	if name := opts.GetShorthand(); name != "" {
		m.shorthand = m.named(name)
		if m.shorthand == nil || m.shorthand.kind != protoreflect.StringKind || m.shorthand.list || m.shape != shapeObject {
			return fmt.Errorf("shorthand %q is not a string field of an object", name)
		}
	}
	switch m.shape {
	case shapeUnion:
		return m.compileUnion(opts)
	case shapeList:
		if len(m.fields) != 1 || !m.fields[0].list || m.extra != nil {
			return errors.New("a list has one repeated field")
		}
		m.item = m.fields[0]
	case shapePage:
		return m.compilePage()
	case shapeEvent:
		return m.compileEvent(opts)
	case shapeObject, shapeStruct, shapeValue, shapeTime:
	}
	return nil
}

// shapeOf is known before the fields are: messages may refer to themselves.
func shapeOf(desc protoreflect.MessageDescriptor, opts *optionsv1.Json) shape {
	switch {
	case opts.GetShape() == optionsv1.Json_SHAPE_UNION:
		return shapeUnion
	case opts.GetShape() == optionsv1.Json_SHAPE_LIST:
		return shapeList
	case opts.GetShape() == optionsv1.Json_SHAPE_EVENT:
		return shapeEvent
	case desc.Fields().ByName("next_page_token") != nil:
		return shapePage
	}
	return shapeObject
}

func (s *schemas) compileFields(m *message) error {
	m.byKey = make(map[string]*field)
	for i := range m.desc.Fields().Len() {
		fd := m.desc.Fields().Get(i)
		f, err := s.field(fd)
		if err != nil {
			return fmt.Errorf("field %s: %w", fd.Name(), err)
		}
		if n := int(fd.Number()); n >= len(m.byNumber) {
			m.byNumber = append(m.byNumber, make([]*field, n+1-len(m.byNumber))...)
		}
		m.byNumber[fd.Number()] = f
		if fd.Name() == additionalName {
			if f.list || f.msg == nil || f.msg.shape != shapeStruct {
				return fmt.Errorf("field %s must be a google.protobuf.Struct", fd.Name())
			}
			m.extra = f
			continue
		}
		f.index = len(m.fields)
		m.fields = append(m.fields, f)
		if f.nullIfUnset || len(f.valueIfUnset) > 0 {
			m.constants = append(m.constants, f)
		}
		if err := m.addKeys(f); err != nil {
			return err
		}
	}
	if len(m.fields) > maxFields {
		return fmt.Errorf("%d fields are more than the codec's %d", len(m.fields), maxFields)
	}
	return nil
}

// addKeys makes a field known by its JSON key and the aliases. Only the raw and
// the parsed form of a value share a key; reading takes the parsed one.
func (m *message) addKeys(f *field) error {
	for _, key := range append([]string{f.key}, fieldOptions(f.desc).GetAliases()...) {
		other, taken := m.byKey[key]
		switch {
		case !taken:
			m.byKey[key] = f
		case f.rawJSON != other.rawJSON && f.desc.ContainingOneof() == other.desc.ContainingOneof():
			f.twin, other.twin = other, f
			if other.rawJSON {
				m.byKey[key] = f
			}
		default:
			return fmt.Errorf("fields %s and %s share the JSON key %q", other.name, f.name, key)
		}
	}
	return nil
}

// numbered finds the field of a tag of the wire format.
func (m *message) numbered(tag uint64) *field {
	if n := tag >> 3; n < uint64(len(m.byNumber)) {
		return m.byNumber[n]
	}
	return nil
}

func (m *message) named(name string) *field {
	i := slices.IndexFunc(m.fields, func(f *field) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return m.fields[i]
}

// compileUnion sorts the members by the JSON type they are read from.
func (m *message) compileUnion(opts *optionsv1.Json) error {
	if m.desc.Oneofs().Len() != 1 {
		return errors.New("a union has one oneof")
	}
	m.discriminate(opts)
	for _, f := range m.fields {
		if f.desc.ContainingOneof() == nil {
			return fmt.Errorf("field %s of a union is not in its oneof", f.name)
		}
		var slot **field
		switch {
		case f.msg != nil && f.msg.shape == shapeList:
			slot = &m.list
		case f.msg != nil:
			if err := m.addObject(f); err != nil {
				return err
			}
			continue
		case f.kind == protoreflect.StringKind, f.kind == protoreflect.EnumKind:
			slot = &m.text
		case f.kind == protoreflect.BoolKind:
			slot = &m.boolean
		default:
			slot = &m.number
		}
		if *slot != nil {
			return fmt.Errorf("members %s and %s are read from the same JSON type", (*slot).name, f.name)
		}
		*slot = f
	}
	if len(m.objects) > 1 && m.discriminator == "" {
		return errors.New("a union of several objects needs a discriminator")
	}
	return nil
}

// discriminate learns by what objects are told apart.
func (m *message) discriminate(opts *optionsv1.Json) {
	if key := opts.GetDiscriminator(); key != "" {
		m.discriminator = key
		m.discriminatorLabel = label([]byte(key))
	}
	m.byTag = make(map[string]*field)
}

// addObject takes in a member that is read from an object.
func (m *message) addObject(f *field) error {
	m.objects = append(m.objects, f)
	if fieldOptions(f.desc).GetUntagged() {
		m.untagged = f
	}
	tag := strings.ToLower(string(f.memberTag))
	if m.byTag[tag] != nil {
		return fmt.Errorf("two members have the tag %q", tag)
	}
	m.byTag[tag] = f
	if m.discriminator != "" && f.msg.byKey[m.discriminator] != nil {
		return fmt.Errorf("member %s has the discriminator %q as a field", f.name, m.discriminator)
	}
	return nil
}

func (s *schemas) field(fd protoreflect.FieldDescriptor) (*field, error) {
	opts := fieldOptions(fd)
	f := &field{
		desc: fd, name: string(fd.Name()), key: JSONKey(fd),
		kind: fd.Kind(), list: fd.IsList(), packed: fd.IsPacked(), mapped: fd.IsMap(), single: fd.Cardinality() != protoreflect.Repeated,
		rawJSON: opts.GetRawJson(), credits: opts.GetCredits(), ending: Ending(opts.GetEnding()),
		nullIfUnset: opts.GetNullIfUnset(), valueIfUnset: []byte(opts.GetValueIfUnset()),
		memberTag: []byte(fd.Name()),
	}
	if f.rawJSON {
		if !strings.HasSuffix(f.name, "_json") || f.kind != protoreflect.StringKind || f.list || fd.ContainingOneof() == nil {
			return nil, errors.New("raw_json is for a string in a oneof whose name ends in _json")
		}
	}
	if opts.GetTag() != "" {
		f.memberTag = []byte(opts.GetTag())
	}
	switch f.kind {
	case protoreflect.StringKind, protoreflect.BoolKind, protoreflect.Int32Kind, protoreflect.Int64Kind:
		f.plain = !f.rawJSON && !f.mapped && !f.packed
	default:
	}
	f.label = label([]byte(f.key))
	if f.quoted = string(f.label[1:]); len(f.quoted) != len(f.key)+len(`"":`) {
		return nil, fmt.Errorf("the JSON key %q would have to be escaped", f.key)
	}
	f.tag = protowire.AppendTag(nil, fd.Number(), wireType(fd))
	if f.mapped {
		if fd.MapKey().Kind() != protoreflect.StringKind {
			return nil, errors.New("map keys must be strings")
		}
		value, err := s.field(fd.MapValue())
		if err != nil {
			return nil, err
		}
		f.value = value
		return f, nil
	}
	var err error
	switch f.kind {
	case protoreflect.MessageKind:
		if f.msg, err = s.message(fd.Message()); err == nil && f.msg.shape == shapeEvent {
			err = errors.New("an event stands in nothing else")
		}
	case protoreflect.EnumKind:
		f.enum, err = s.enum(fd.Enum())
	case protoreflect.StringKind, protoreflect.BoolKind, protoreflect.DoubleKind,
		protoreflect.Int32Kind, protoreflect.Int64Kind:
	default:
		err = fmt.Errorf("kind %s has no JSON form here", f.kind)
	}
	return f, err
}

// JSONKey is the key that a field has in JSON.
func JSONKey(fd protoreflect.FieldDescriptor) string {
	opts := fieldOptions(fd)
	switch name := string(fd.Name()); {
	case opts.GetName() != "":
		return opts.GetName()
	case opts.GetRawJson():
		return strings.TrimSuffix(name, "_json")
	default:
		return name
	}
}

// label is a key as an object has it.
func label(key []byte) []byte { return append(appendString([]byte{','}, key), ':') }

func fieldOptions(fd protoreflect.FieldDescriptor) *optionsv1.Field {
	opts, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
	return opts
}

func wireType(fd protoreflect.FieldDescriptor) protowire.Type {
	if fd.IsPacked() {
		return protowire.BytesType
	}
	switch fd.Kind() {
	case protoreflect.BoolKind, protoreflect.EnumKind, protoreflect.Int32Kind, protoreflect.Int64Kind:
		return protowire.VarintType
	case protoreflect.DoubleKind:
		return protowire.Fixed64Type
	default:
		return protowire.BytesType
	}
}
