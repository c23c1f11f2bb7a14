package contract_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	optionsv1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/options/v1"
)

// unmodelled are properties and parameters without a field of their own, as
// "<schema or operation>.<key>", "*" for any, with the reason.
var unmodelled = map[string]string{
	"*.stream": "unary RPCs ask for whole answers; streams are RPCs of their own",
}

// pagingParameters are the query parameters that page_size and page_token stand
// for.
var pagingParameters = []string{"cursor", "limit", "offset", "size"}

// envelopeFields are the properties of a list that next_page_token and
// total_size stand for.
var envelopeFields = []string{"has_more", "limit", "next_cursor", "object", "offset", "total"}

// unnamed are fields that no property of the contract has, with the reason.
// Fields of the gateway itself are in gatewayFields.
var unnamed = map[string]string{
	"mavera.v1.VideoAnalysisResults.chunks":             "x-also-seen: the feature page has them here",
	"mavera.v1.VideoAnalysisResults.full_video_metrics": "x-also-seen: the feature page has it in place of metrics",
}

// gatewayFields are fields that the gateway answers to and the wire never has.
var gatewayFields = []protoreflect.Name{
	"additional_fields", "next_page_token", "page_size", "page_token", "total_size", "unknown", "update_mask",
}

// freeStrings are properties with an enum that the proto keeps as free strings,
// with the reason. An enum of one word is a constant and always a string.
var freeStrings = map[string]string{
	"MeetingBot.join_type": "a plain string in GetMeeting, and both answer a Meeting",
}

// joined are query parameters of one string that holds a list.
var joined = []string{"listPersonalizedNewsStories.persona_ids"}

// operationCount guards against operations that are lost unseen. It stands here
// only: all other tests count those of openapi.yaml.
const operationCount = 65

// TestEveryOperationIsCovered walks openapi.yaml and holds the protos against it:
// routes, options, every parameter and property, every enum word, and exactly
// the documented constraints.
func TestEveryOperationIsCovered(t *testing.T) {
	s := loadSpec(t)
	rpcs := unaryRPCs()
	w := &walk{
		spec:     s,
		seen:     map[protoreflect.FullName]bool{},
		bodiless: map[protoreflect.FullName]bool{},
		rules:    map[protoreflect.FullName][]string{},
		excused:  map[string]bool{},
	}
	ops := s.operations()
	if len(ops) != operationCount {
		t.Errorf("openapi.yaml has %d operations, want %d: when that is meant, change operationCount and the number in the READMEs", len(ops), operationCount)
	}
	for _, op := range ops {
		t.Run(op.id, func(t *testing.T) {
			name := protoreflect.Name(strings.ToUpper(op.id[:1]) + op.id[1:])
			found := rpcs[name]
			if len(found) != 1 {
				t.Fatalf("%s: %d unary RPCs are named %s, want exactly one", op.id, len(found), name)
			}
			delete(rpcs, name)
			w.operation(t, op, found[0])
		})
	}
	w.streams(t, ops)
	for name := range rpcs {
		t.Errorf("RPC %s has no operation in openapi.yaml", name)
	}
	w.checkRules(t)
	w.checkFields(t)
	for _, table := range []map[string]string{unmodelled, unnamed, freeStrings, tolerated} {
		for key, reason := range table {
			if !w.excused[key] {
				t.Errorf("nothing needs the exception of %s any more: %s", key, reason)
			}
		}
	}
}

// excuse reports whether a table of exceptions has a key, and notes its use.
func (w *walk) excuse(table map[string]string, key string) bool {
	_, ok := table[key]
	if ok {
		w.excused[key] = true
	}
	return ok
}

// unaryRPCs returns the RPCs of mavera.v1 that stream nothing, by name.
func unaryRPCs() map[protoreflect.Name][]protoreflect.MethodDescriptor {
	out := map[protoreflect.Name][]protoreflect.MethodDescriptor{}
	eachMethod(func(m protoreflect.MethodDescriptor) {
		if !isStream(m) {
			out[m.Name()] = append(out[m.Name()], m)
		}
	})
	return out
}

// walk goes through the contract and the protos side by side.
type walk struct {
	spec *spec
	op   string // operation at hand
	// seen holds the fields that stand for something in the contract, and the
	// messages that were reached.
	seen map[protoreflect.FullName]bool
	// bodiless holds the requests that have no JSON body.
	bodiless map[protoreflect.FullName]bool
	// rules holds the constraints that the contract documents, by field or oneof.
	rules map[protoreflect.FullName][]string
	// excused holds the exceptions that were needed.
	excused map[string]bool
	// asked says that a request is at hand, not an answer.
	asked bool
}

func (w *walk) operation(t *testing.T, op operation, rpc protoreflect.MethodDescriptor) {
	t.Helper()
	w.op = op.id
	w.route(t, op, rpc)
	w.options(t, op, rpc)
	w.request(t, op, rpc.Input())
	answer := property{key: "answer", schema: w.spec.resolve(op.answer), owner: op.id}
	w.value(t, answer, slot{message: rpc.Output()})
}

// request checks parameters and body against a request message.
func (w *walk) request(t *testing.T, op operation, input protoreflect.MessageDescriptor) {
	t.Helper()
	w.asked = true
	w.seen[input.FullName()] = true
	w.bodiless[input.FullName()] = op.body == nil
	additional := input.Fields().ByName("additional_fields") != nil
	if additional != (op.body != nil) {
		t.Errorf("%s: %s has additional_fields: %t, want it exactly with a body", op.id, input.Name(), additional)
	}
	if mask := input.Fields().ByName("update_mask") != nil; mask != (op.method == "PATCH") {
		t.Errorf("%s: %s has update_mask: %t, want it exactly with PATCH", op.id, input.Name(), mask)
	}
	paged := false
	for _, p := range op.parameters {
		key := p["name"].(string)
		if p["in"] == "query" && slices.Contains(pagingParameters, key) {
			paged = true
			continue
		}
		isInferred := op.inferred || inferred(p)
		required := p["required"] == true && (!isInferred || p["in"] == "path")
		if p["in"] == "path" {
			key = snake(key)
		}
		w.property(t, property{
			key: key, schema: w.spec.resolve(p["schema"].(node)), owner: op.id, inferred: isInferred, required: required,
		}, input)
	}
	if paged && input.Fields().ByName("page_token") == nil {
		t.Errorf("%s: the list is paged, but %s has no page_token", op.id, input.Name())
	}
	if op.body != nil {
		w.object(t, op.body, input, op.inferred, "")
	}
	w.asked = false
}

// route checks method, path and body of the HTTP rule. The contract names path
// parameters in camelCase, the protos in snake_case.
func (w *walk) route(t *testing.T, op operation, rpc protoreflect.MethodDescriptor) {
	t.Helper()
	if got, want := routeOf(t, rpc), op.route(); got != want {
		t.Errorf("%s: route %q, want %q", op.id, got, want)
	}
	rule, _ := proto.GetExtension(rpc.Options(), annotations.E_Http).(*annotations.HttpRule)
	body := ""
	if op.body != nil {
		body = "*"
	}
	if rule.GetBody() != body {
		t.Errorf("%s: body %q, want %q", op.id, rule.GetBody(), body)
	}
}

// routeOf is method and path of an RPC's HTTP rule.
func routeOf(t *testing.T, rpc protoreflect.MethodDescriptor) string {
	t.Helper()
	rule, _ := proto.GetExtension(rpc.Options(), annotations.E_Http).(*annotations.HttpRule)
	field := rule.ProtoReflect().WhichOneof(rule.ProtoReflect().Descriptor().Oneofs().ByName("pattern"))
	if field == nil {
		t.Fatalf("%s has no google.api.http", rpc.FullName())
	}
	return strings.ToUpper(string(field.Name())) + " " + rule.ProtoReflect().Get(field).String()
}

func (w *walk) options(t *testing.T, op operation, rpc protoreflect.MethodDescriptor) {
	t.Helper()
	levels := map[any]descriptorpb.MethodOptions_IdempotencyLevel{
		"safe":           descriptorpb.MethodOptions_NO_SIDE_EFFECTS,
		"idempotent":     descriptorpb.MethodOptions_IDEMPOTENT,
		"non_idempotent": descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN,
	}
	level := rpc.Options().(*descriptorpb.MethodOptions).GetIdempotencyLevel()
	if want, ok := levels[op.gateway["idempotency"]]; !ok || level != want {
		t.Errorf("%s: idempotency_level %s, want that of %v", op.id, level, op.gateway["idempotency"])
	}
	call, _ := proto.GetExtension(rpc.Options(), optionsv1.E_Call).(*optionsv1.Call)
	if call.GetFamily() != op.gateway["family"] {
		t.Errorf("%s: family %q, want %q", op.id, call.GetFamily(), op.gateway["family"])
	}
	billed := op.gateway["cost"] != 0
	if call.GetBilled() != billed {
		t.Errorf("%s: billed %t, want %t (cost %v)", op.id, call.GetBilled(), billed, op.gateway["cost"])
	}
	attempt, total := 60*time.Second, 120*time.Second
	if billed && op.gateway["family"] == "mave" {
		attempt, total = 180*time.Second, 300*time.Second
	}
	if got := call.GetAttemptTimeout().AsDuration(); got != attempt {
		t.Errorf("%s: attempt_timeout %s, want %s", op.id, got, attempt)
	}
	if isStream(rpc) {
		total = 0
	}
	if got := call.GetTotalTimeout().AsDuration(); got != total {
		t.Errorf("%s: total_timeout %s, want %s", op.id, got, total)
	}
	paged := rpc.Input().Fields().ByName("page_token") != nil
	if paged != (call.GetPaging() != nil) {
		t.Errorf("%s: page_token %t, but paging %t", op.id, paged, call.GetPaging() != nil)
	}
	envelopes := map[any]optionsv1.Paging_Envelope{
		"cursor":  optionsv1.Paging_ENVELOPE_CURSOR,
		"counted": optionsv1.Paging_ENVELOPE_OFFSET,
		"bare":    optionsv1.Paging_ENVELOPE_BARE,
	}
	envelope, list := w.spec.resolve(op.answer)["x-envelope"]
	if list && call.GetPaging().GetEnvelope() != envelopes[envelope] {
		t.Errorf("%s: envelope %s, want that of %v", op.id, call.GetPaging().GetEnvelope(), envelope)
	}
}

// object checks that md has a field for every property of schema. The property
// named discriminator tells md from its siblings in a union and needs no field.
func (w *walk) object(t *testing.T, schema node, md protoreflect.MessageDescriptor, isInferred bool, discriminator string) {
	t.Helper()
	w.seen[md.FullName()] = true
	schema = w.spec.resolve(schema)
	_, list := schema["x-envelope"]
	for _, p := range w.spec.properties(schema, string(md.Name()), isInferred) {
		switch {
		case p.key == discriminator && p.schema["const"] != nil:
		case list && slices.Contains(envelopeFields, p.key):
		case w.excuse(unmodelled, "*."+p.key), w.excuse(unmodelled, p.owner+"."+p.key):
		default:
			w.property(t, p, md)
		}
	}
}

func (w *walk) property(t *testing.T, p property, md protoreflect.MessageDescriptor) {
	t.Helper()
	fd := fieldByKey(md, p.key)
	if fd == nil {
		t.Errorf("%s: %s.%s has no field in %s", w.op, p.owner, p.key, md.FullName())
		return
	}
	w.seen[fd.FullName()] = true
	if w.asked {
		w.document(t, p, fd)
	}
	// Once is enough for each way to come here, and aggregates hold aggregates.
	visit := protoreflect.FullName(fmt.Sprint(fd.FullName(), p.owner, p.inferred, w.asked))
	if !w.seen[visit] {
		w.seen[visit] = true
		w.value(t, p, slot{field: fd, message: fd.Message(), many: fd.IsList()})
	}
}

// slot is a place for a value: a field, one element of a list or a map, or the
// message of an answer, which has no field.
type slot struct {
	field   protoreflect.FieldDescriptor
	message protoreflect.MessageDescriptor
	many    bool
}

func (s slot) is(name protoreflect.FullName) bool {
	return s.message != nil && s.message.FullName() == name
}

func (s slot) shape() optionsv1.Json_Shape {
	if s.message == nil {
		return optionsv1.Json_SHAPE_UNSPECIFIED
	}
	return jsonOption(s.message).GetShape()
}

// value checks that a slot has a place for every form of the schema of p.
func (w *walk) value(t *testing.T, p property, to slot) {
	t.Helper()
	for _, form := range w.spec.forms(p.schema) {
		q := property{key: p.key, schema: form, owner: p.owner, inferred: p.inferred || inferred(form)}
		if !w.fits(t, q, to) {
			t.Errorf("%s: %s.%s: no place for a value of type %v", w.op, p.owner, p.key, form["type"])
		}
	}
}

// fits reports whether a slot holds one form of a schema, and checks what is
// inside that form.
func (w *walk) fits(t *testing.T, p property, to slot) bool {
	t.Helper()
	switch {
	case isTimestamp(p.schema):
		return to.is("google.protobuf.Timestamp")
	case to.is("google.protobuf.Value"):
		return true
	case p.schema["type"] == "array":
		return w.array(t, p, to)
	case to.many:
		return slices.Contains(joined, p.owner+"."+p.key)
	case to.field != nil && to.field.IsMap():
		values, ok := p.schema["additionalProperties"].(node)
		if ok {
			value := to.field.MapValue()
			w.value(t, p.with(w.spec.resolve(values)), slot{field: value, message: value.Message()})
		}
		return ok
	case to.shape() == optionsv1.Json_SHAPE_UNION:
		return w.union(t, p, to.message)
	case to.is("google.protobuf.Struct"):
		return p.schema["type"] == "object" && !isObject(p.schema)
	case to.message != nil && p.schema["type"] == "string":
		return jsonOption(to.message).GetShorthand() != ""
	case to.message != nil:
		w.object(t, p.schema, to.message, p.inferred, "")
		return isObject(p.schema)
	default:
		return w.scalar(t, p, to.field)
	}
}

func (p property) with(schema node) property {
	return property{key: p.key + "[]", schema: schema, owner: p.owner, inferred: p.inferred || inferred(schema)}
}

// array fits into a repeated field, or into the member of a union that wraps one.
func (w *walk) array(t *testing.T, p property, to slot) bool {
	t.Helper()
	if to.many {
		w.value(t, p.with(w.spec.resolve(p.schema["items"].(node))), slot{field: to.field, message: to.message})
		return true
	}
	switch to.shape() {
	case optionsv1.Json_SHAPE_LIST:
		w.seen[to.message.FullName()] = true
		list := to.message.Fields().Get(0)
		w.seen[list.FullName()] = true
		return w.array(t, p, slot{field: list, message: list.Message(), many: list.IsList()})
	case optionsv1.Json_SHAPE_UNION:
		return w.union(t, p, to.message)
	default:
		return false
	}
}

// union finds the member of a union that a form of its schema goes to: objects by
// the discriminator where there is one, all else by the JSON type.
func (w *walk) union(t *testing.T, p property, md protoreflect.MessageDescriptor) bool {
	t.Helper()
	w.seen[md.FullName()] = true
	discriminator := jsonOption(md).GetDiscriminator()
	var tag any
	if discriminator != "" && isObject(p.schema) {
		for _, q := range w.spec.properties(p.schema, p.owner, p.inferred) {
			if q.key == discriminator {
				tag = q.schema["const"]
			}
		}
	}
	members := md.Oneofs().Get(0).Fields()
	for i := range members.Len() {
		fd := members.Get(i)
		option := fieldOption(fd)
		to := slot{field: fd, message: fd.Message()}
		list := to.shape() == optionsv1.Json_SHAPE_LIST
		var matches bool
		switch p.schema["type"] {
		case "array":
			matches = list
		case "object":
			matches = fd.Message() != nil && !list
			if discriminator != "" {
				matches = tag == first(option.GetTag(), string(fd.Name()))
			}
		default:
			matches = fd.Message() == nil
		}
		if !matches {
			continue
		}
		w.seen[fd.FullName()] = true
		if w.asked {
			w.document(t, p, fd)
		}
		if discriminator != "" {
			w.object(t, p.schema, fd.Message(), p.inferred, discriminator)
			return true
		}
		return w.fits(t, p, to)
	}
	return false
}

// scalar checks the kind of a field and that it knows every word of an enum.
func (w *walk) scalar(t *testing.T, p property, fd protoreflect.FieldDescriptor) bool {
	t.Helper()
	words, _ := p.schema["enum"].([]any)
	if fd.Enum() != nil {
		for _, word := range words {
			if !slices.Contains(spellings(fd.Enum()), word.(string)) {
				t.Errorf("%s: %s.%s: %s has no value %q", w.op, p.owner, p.key, fd.Enum().FullName(), word)
			}
		}
		return len(words) > 0
	}
	if len(words) > 1 && !w.excuse(freeStrings, p.owner+"."+p.key) {
		return false
	}
	kinds := map[any][]protoreflect.Kind{
		"string":  {protoreflect.StringKind},
		"integer": {protoreflect.Int32Kind, protoreflect.Int64Kind},
		"number":  {protoreflect.DoubleKind},
		"boolean": {protoreflect.BoolKind},
	}
	return slices.Contains(kinds[p.schema["type"]], fd.Kind())
}

// checkFields checks that no field of a message that was reached stands for
// nothing, and that every object keeps what is not modelled.
func (w *walk) checkFields(t *testing.T) {
	t.Helper()
	eachMessage(func(md protoreflect.MessageDescriptor) {
		if !w.seen[md.FullName()] {
			return
		}
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			if !w.seen[fd.FullName()] && !fieldOption(fd).GetRawJson() && !slices.Contains(gatewayFields, fd.Name()) &&
				!w.excuse(unnamed, string(fd.FullName())) {
				t.Errorf("%s stands for nothing in openapi.yaml", fd.FullName())
			}
		}
		option := jsonOption(md)
		if w.bodiless[md.FullName()] || option.GetShape() == optionsv1.Json_SHAPE_EVENT || option.GetShape() == optionsv1.Json_SHAPE_LIST ||
			option.GetShape() == optionsv1.Json_SHAPE_UNION && option.GetDiscriminator() == "" {
			return
		}
		fd := md.Fields().ByName("additional_fields")
		if fd == nil || fd.Number() != 100 || fd.Message() == nil || fd.Message().FullName() != "google.protobuf.Struct" {
			t.Errorf("%s maps an object, want google.protobuf.Struct additional_fields = 100", md.FullName())
		}
	})
}
