package contract_test

import (
	"fmt"
	"slices"
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/options/v1"
)

// tolerated are documented requirements that are not refused, with the reason.
var tolerated = map[string]string{
	"mavera.v1.CreateResponseRequest.persona_id":       "optional on the feature page: generic answers without it",
	"mavera.v1.CreateChatCompletionRequest.persona_id": "optional in the introduction of the same page",
	"mavera.v1.StreamResponseRequest.persona_id":       "as CreateResponseRequest",
	"mavera.v1.StreamChatCompletionRequest.persona_id": "as CreateChatCompletionRequest",
	"mavera.v1.CreateVideoAnalysisRequest.video_url":   "the guides send asset_id in its place",
	"mavera.v1.ResponseOutputText.text":                "as a part of the input its shape is inferred",
}

// ownRules are constraints that do not come from the contract, with the reason.
var ownRules = map[protoreflect.FullName][]string{
	// Sent as one comma-separated string.
	"mavera.v1.ListPersonalizedNewsStoriesRequest.persona_ids": {
		`repeated.items.string.min_len=1`, `repeated.items.string.not_contains=,`,
	},
}

// document notes the constraints that the contract documents for a field.
func (w *walk) document(t *testing.T, p property, fd protoreflect.FieldDescriptor) {
	t.Helper()
	if constant, ok := p.schema["const"].(string); ok && !isObject(p.schema) {
		if got := fieldOption(fd).GetValueIfUnset(); got != constant {
			t.Errorf("%s: %s.%s: value_if_unset %q, want %q", w.op, p.owner, p.key, got, constant)
		}
		return
	}
	note := func(d protoreflect.Descriptor, rule string) {
		if !slices.Contains(w.rules[d.FullName()], rule) {
			w.rules[d.FullName()] = append(w.rules[d.FullName()], rule)
		}
	}
	if p.required && !w.excuse(tolerated, string(fd.FullName())) {
		switch oneof := fd.ContainingOneof(); {
		case nullable(p.schema):
			if !fieldOption(fd).GetNullIfUnset() {
				t.Errorf("%s: %s.%s is required and nullable, but not null_if_unset", w.op, p.owner, p.key)
			}
		case oneof != nil && !oneof.IsSynthetic():
			note(oneof, "required=true")
		case fd.IsList():
			if p.schema["minItems"] == nil {
				note(fd, "repeated.min_items=1")
			}
		default:
			note(fd, "required=true")
			if m := fd.Message(); m != nil && jsonOption(m).GetShape() == optionsv1.Json_SHAPE_UNION &&
				m.Fields().ByName("additional_fields") == nil {
				note(m.Oneofs().Get(0), "required=true")
			}
		}
	}
	if p.inferred || p.schema["x-range-source"] == "inferred" {
		return
	}
	kind := fd.Kind().String()
	for key, rule := range map[string]string{
		"minLength": "string.min_len", "maxLength": "string.max_len",
		"minItems": "repeated.min_items", "maxItems": "repeated.max_items",
		"minimum": kind + ".gte", "maximum": kind + ".lte",
	} {
		if limit, ok := p.schema[key]; ok {
			note(fd, fmt.Sprintf("%s=%v", rule, limit))
		}
	}
	if format := p.schema["format"]; format == "uri" || format == "email" {
		note(fd, fmt.Sprintf("string.%s=true", format))
	}
}

// checkRules compares the constraints of all fields with the documented ones.
func (w *walk) checkRules(t *testing.T) {
	t.Helper()
	eachMessage(func(md protoreflect.MessageDescriptor) {
		for i := range md.Oneofs().Len() {
			oneof := md.Oneofs().Get(i)
			if !oneof.IsSynthetic() {
				rules, _ := proto.GetExtension(oneof.Options(), validate.E_Oneof).(*validate.OneofRules)
				w.compareRules(t, oneof, rules.ProtoReflect(), nil)
			}
		}
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			own := ownRules[fd.FullName()]
			if fd.Name() == "page_size" {
				own = []string{"int32.gte=0"} // AIP-158: negative sizes are refused.
			}
			rules, _ := proto.GetExtension(fd.Options(), validate.E_Field).(*validate.FieldRules)
			w.compareRules(t, fd, rules.ProtoReflect(), own)
		}
	})
}

func (w *walk) compareRules(t *testing.T, d protoreflect.Descriptor, rules protoreflect.Message, own []string) {
	t.Helper()
	got := flatten(rules, "")
	// A number without a name has no spelling, whatever the contract says of the
	// words: others go in additional_fields.
	got = slices.DeleteFunc(got, func(rule string) bool { return rule == "enum.defined_only=true" })
	want := append(slices.Clone(own), w.rules[d.FullName()]...)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: buf.validate has %q, the contract documents %q", d.FullName(), got, want)
	}
}

// flatten writes the rules that are set as "string.max_len=100".
func flatten(rules protoreflect.Message, prefix string) []string {
	var out []string
	rules.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := prefix + string(fd.Name())
		if fd.Message() != nil && !fd.IsList() {
			out = append(out, flatten(v.Message(), name+".")...)
		} else {
			out = append(out, fmt.Sprintf("%s=%v", name, v))
		}
		return true
	})
	return out
}
