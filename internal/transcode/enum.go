package transcode

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/options/v1"
)

// enum knows the spellings of an enum.
type enum struct {
	byWord map[string]protoreflect.EnumNumber // lower-case
	words  map[protoreflect.EnumNumber][]byte
}

// number finds the value of a word, whatever its case.
func (e *enum) number(word []byte) (protoreflect.EnumNumber, bool) {
	for i, c := range word {
		if 'A' <= c && c <= 'Z' {
			word[i] = c + 'a' - 'A'
		}
	}
	n, ok := e.byWord[string(word)]
	return n, ok
}

// enum learns the spellings: the value's name without the enum's prefix in lower
// case, unless an option says otherwise.
func (s *schemas) enum(desc protoreflect.EnumDescriptor) (*enum, error) {
	if e, ok := s.enums[desc.FullName()]; ok {
		return e, nil
	}
	e := &enum{byWord: make(map[string]protoreflect.EnumNumber), words: make(map[protoreflect.EnumNumber][]byte)}
	s.enums[desc.FullName()] = e
	prefix := enumPrefix(desc.Name())
	for i := range desc.Values().Len() {
		vd := desc.Values().Get(i)
		if vd.Number() == 0 {
			continue
		}
		opts, _ := proto.GetExtension(vd.Options(), optionsv1.E_Value).(*optionsv1.Value)
		name, ok := strings.CutPrefix(string(vd.Name()), prefix)
		if !ok {
			return nil, fmt.Errorf("enum value %s lacks the prefix %s", vd.Name(), prefix)
		}
		word := strings.ToLower(name)
		if opts.GetName() != "" {
			word = opts.GetName()
		}
		e.words[vd.Number()] = []byte(word)
		for _, w := range append([]string{word}, opts.GetAliases()...) {
			w = strings.ToLower(w)
			if _, taken := e.byWord[w]; taken {
				return nil, fmt.Errorf("enum %s spells two values %q", desc.FullName(), w)
			}
			e.byWord[w] = vd.Number()
		}
	}
	return e, nil
}

// enumPrefix is the prefix of an enum's values by buf's rule
// ENUM_VALUE_PREFIX: FooBar has FOO_BAR_.
func enumPrefix(name protoreflect.Name) string {
	var b strings.Builder
	for i, r := range string(name) {
		if i > 0 && 'A' <= r && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String()) + "_"
}
