package transcode

import (
	"strconv"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

const protoHeader = `syntax = "proto3";
package bad.v1;
import "google/api/annotations.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "mavera/options/v1/options.proto";
import "mavera/v1/common.proto";
import "mavera/v1/mave.proto";
import "mavera/v1/responses.proto";
`

// services compiles proto source and returns its services.
func services(t *testing.T, source string) []protoreflect.ServiceDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.CompositeResolver{
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"bad.proto": protoHeader + source})},
		protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			desc, err := protoregistry.GlobalFiles.FindFileByPath(path)
			return protocompile.SearchResult{Desc: desc}, err
		}),
	}}
	files, err := compiler.Compile(t.Context(), "bad.proto")
	if err != nil {
		t.Fatal(err)
	}
	// Through bytes, so that the options have the types of the generated code.
	text, err := proto.Marshal(protodesc.ToFileDescriptorProto(files[0]))
	if err != nil {
		t.Fatal(err)
	}
	var plain descriptorpb.FileDescriptorProto
	if err := proto.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	file, err := protodesc.NewFile(&plain, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	var out []protoreflect.ServiceDescriptor
	for i := range file.Services().Len() {
		out = append(out, file.Services().Get(i))
	}
	return out
}

const (
	callOption = `option (mavera.options.v1.call) = {family: "f" attempt_timeout: {seconds: 1} total_timeout: {seconds: 2}};`
	safeOption = `option idempotency_level = NO_SIDE_EFFECTS;`
	extraField = `google.protobuf.Struct additional_fields = 100;`
)

// rpc is a service with one RPC that has the given options.
func rpc(options ...string) string {
	return "service S { rpc R(Q) returns (A) { " + strings.Join(options, "\n") + " } }\n"
}

// get, post and patch are sound RPCs: what is wrong is elsewhere then.
func get(path string) string {
	return rpc(`option (google.api.http) = {get: "`+path+`"};`, safeOption, callOption)
}

func post() string {
	return rpc(`option (google.api.http) = {post: "/a" body: "*"};`, callOption)
}

func patch() string {
	return rpc(`option (google.api.http) = {patch: "/a" body: "*"};`, callOption)
}

// stream is an RPC that streams, sound but for what is elsewhere.
func stream(in, out, rule string) string {
	level := ""
	if strings.HasPrefix(rule, "get") {
		level = safeOption
	}
	return "service S { rpc R(" + in + ") returns (" + out + ") { option (google.api.http) = {" + rule + "};" + level +
		`option (mavera.options.v1.call) = {family: "f" attempt_timeout: {seconds: 1}};` + " } }\n"
}

// list is a sound RPC of a list but for its paging option and what is elsewhere.
func list(paging string) string {
	return rpc(`option (google.api.http) = {get: "/a"};`, safeOption,
		`option (mavera.options.v1.call) = {family: "f" attempt_timeout: {seconds: 1} total_timeout: {seconds: 2} paging: {`+paging+`}};`)
}

// TestCompileErrors: every mistake in the protos is found at the start and names
// the RPC and the field.
func TestCompileErrors(t *testing.T) {
	const (
		empty    = "message Q {} message A {}\n"
		event    = "option (mavera.options.v1.json) = {shape: SHAPE_EVENT};"
		pageable = "message Q { int32 page_size = 1; string page_token = 2; }\n"
		item     = "message I { string id = 1; }\n"
	)
	tests := []struct{ name, source, want string }{
		{"no route", rpc(callOption) + empty, "rpc bad.v1.S.R: option (google.api.http) is missing"},
		{"no call", rpc(`option (google.api.http) = {get: "/a"};`, safeOption) + empty, "rpc bad.v1.S.R: option (mavera.options.v1.call) is missing"},
		{
			"no family", rpc(`option (google.api.http) = {get: "/a"};`, safeOption, `option (mavera.options.v1.call) = {attempt_timeout: {seconds: 1}};`) + empty,
			"rpc bad.v1.S.R: option (mavera.options.v1.call) names no family",
		},
		{
			"no attempt timeout", rpc(`option (google.api.http) = {get: "/a"};`, safeOption, `option (mavera.options.v1.call) = {family: "f" total_timeout: {seconds: 1}};`) + empty,
			"rpc bad.v1.S.R: option (mavera.options.v1.call) has no attempt_timeout",
		},
		{
			"a short total timeout", rpc(`option (google.api.http) = {get: "/a"};`, safeOption, `option (mavera.options.v1.call) = {family: "f" attempt_timeout: {seconds: 2} total_timeout: {seconds: 1}};`) + empty,
			"rpc bad.v1.S.R: option (mavera.options.v1.call): total_timeout is below attempt_timeout",
		},
		{"GET that is not safe", rpc(`option (google.api.http) = {get: "/a"};`, callOption) + empty, "rpc bad.v1.S.R: GET with idempotency_level IDEMPOTENCY_UNKNOWN: GET, and nothing else, has NO_SIDE_EFFECTS"},
		{"safe that is no GET", rpc(`option (google.api.http) = {post: "/a"};`, safeOption, callOption) + empty, "rpc bad.v1.S.R: POST with idempotency_level NO_SIDE_EFFECTS: GET, and nothing else, has NO_SIDE_EFFECTS"},
		{"a custom method", rpc(`option (google.api.http) = {custom: {kind: "HEAD" path: "/a"}};`, callOption) + empty, "rpc bad.v1.S.R: option (google.api.http) is missing"},
		{
			"two bindings", rpc(`option (google.api.http) = {get: "/a" additional_bindings: {get: "/b"}};`, safeOption, callOption) + empty,
			"rpc bad.v1.S.R: option (google.api.http): additional_bindings and response_body have no meaning here",
		},
		{"a bad path", get("/a/{id=*}") + empty, `rpc bad.v1.S.R: path "/a/{id=*}": segment "{id=*}" is no variable of one segment`},
		{"a body that is one field", rpc(`option (google.api.http) = {post: "/a" body: "id"};`, callOption) + empty, `rpc bad.v1.S.R: body "id": only "*" or none`},
		{"GET with a body", rpc(`option (google.api.http) = {get: "/a" body: "*"};`, safeOption, callOption) + empty, "rpc bad.v1.S.R: GET has no body"},
		{
			"a stream both ways", stream("stream Q", "stream A", `post: "/a" body: "*"`) + empty,
			"rpc bad.v1.S.R: a stream in both directions has no meaning here",
		},
		{"a client stream of a PUT", stream("stream Q", "A", `put: "/a" body: "*"`) + empty, "rpc bad.v1.S.R: a client stream is for a POST, not a PUT"},
		{"a server stream of a DELETE", stream("Q", "stream A", `delete: "/a"`) + empty, "rpc bad.v1.S.R: a server stream is for a POST or a GET, not a DELETE"},
		{
			"a stream with a total timeout", "service S { rpc R(Q) returns (stream A) { " + `option (google.api.http) = {post: "/a" body: "*"};` + callOption + " } }" + empty,
			"rpc bad.v1.S.R: option (mavera.options.v1.call): a stream has no total_timeout",
		},
		{
			"a stream without a sibling", stream("mavera.v1.CreateResponseRequest", "stream mavera.v1.ResponseStreamEvent", `post: "/a" body: "*"`),
			"rpc bad.v1.S.R: streams, but no unary RPC has its route, POST /a",
		},
		{
			"events that are none", stream("Q", "stream A", `post: "/a" body: "*"`) + empty,
			"rpc bad.v1.S.R: the answer must be an event",
		},
		{"a unary event", get("/a") + "message Q {} message A { " + event + " oneof e { mavera.v1.UnknownEvent u = 1; } }", "rpc bad.v1.S.R: the answer must be an object"},
		{
			"an event in an answer", get("/a") + "message Q {} message A { mavera.v1.MaveStreamEvent e = 1; }",
			"rpc bad.v1.S.R: message bad.v1.A: field e: an event stands in nothing else",
		},
		{
			"an event without a oneof", stream("Q", "stream A", `post: "/a"`) + "message Q {} message A { " + event + " mavera.v1.UnknownEvent u = 1; }",
			"rpc bad.v1.S.R: message bad.v1.A: an event has one oneof and nothing else",
		},
		{
			"an event that keeps more", stream("Q", "stream A", `post: "/a"`) + "message Q {} message A { " + event + " oneof e { mavera.v1.UnknownEvent u = 1; } " + extraField + " }",
			"rpc bad.v1.S.R: message bad.v1.A: an event has one oneof and nothing else",
		},
		{
			"an event of text", stream("Q", "stream A", `post: "/a"`) + "message Q {} message A { " + event + " oneof e { string s = 1; } }",
			"rpc bad.v1.S.R: message bad.v1.A: field s of an event is no object in its oneof",
		},
		{
			"an event for known ones only", stream("Q", "stream A", `post: "/a"`) + "message Q {} message A { " + event + " oneof e { mavera.v1.Usage u = 1; } }",
			"rpc bad.v1.S.R: message bad.v1.A: an event has a member mavera.v1.UnknownEvent",
		},
		{
			"two events of one name", stream("Q", "stream A", `post: "/a"`) + "message Q {} message A { " + event +
				` oneof e { mavera.v1.Usage u = 1; mavera.v1.Usage v = 2 [(mavera.options.v1.field).tag = "u"]; } }`,
			`rpc bad.v1.S.R: message bad.v1.A: two members have the tag "u"`,
		},
		{
			"an upload of other messages", stream("stream Q", "A", `post: "/a" body: "*"`) + empty,
			"rpc bad.v1.S.R: Q is no oneof of a message metadata and bytes chunk",
		},
		{
			"an upload that is not a oneof", stream("stream Q", "A", `post: "/a" body: "*"`) + "message Q { A metadata = 1; bytes chunk = 2; } message A {}",
			"rpc bad.v1.S.R: Q is no oneof of a message metadata and bytes chunk",
		},
		{
			"every RPC that is wrong", `service S { rpc R(Q) returns (A) { ` + callOption + ` } rpc T(Q) returns (A) { option (google.api.http) = {get: "/a"}; } }` + empty,
			"rpc bad.v1.S.R: option (google.api.http) is missing\nrpc bad.v1.S.T: option (mavera.options.v1.call) is missing",
		},
		{"no Go type", get("/a") + empty, "rpc bad.v1.S.R: no Go type for bad.v1.Q: proto: not found"},

		{"an unknown path variable", get("/a/{id}") + empty, `rpc bad.v1.S.R: path variable "id" is no string field of Q`},
		{"a path variable that is no string", get("/a/{id}") + "message Q { int32 id = 1; } message A {}", `rpc bad.v1.S.R: path variable "id" is no string field of Q`},
		{"a path variable twice", get("/a/{id}/b/{id}") + "message Q { string id = 1; } message A {}", `rpc bad.v1.S.R: path variable "id" occurs twice`},
		{"a message in the query", get("/a") + item + "message Q { I item = 1; } message A {}", "rpc bad.v1.S.R: field item cannot travel in a query"},
		{"a map in the query", get("/a") + "message Q { map<string, string> m = 1; } message A {}", "rpc bad.v1.S.R: field m cannot travel in a query"},
		{"additional_fields without a body", get("/a") + "message Q { " + extraField + " } message A {}", "rpc bad.v1.S.R: Q has additional_fields but no body to carry them"},
		{"a body without additional_fields", post() + empty, "rpc bad.v1.S.R: Q lacks additional_fields"},
		{
			"additional_fields of another type", post() + "message Q { string additional_fields = 1; } message A {}",
			"rpc bad.v1.S.R: message bad.v1.Q: field additional_fields must be a google.protobuf.Struct",
		},
		{
			"a request that is no object", post() + `message Q { option (mavera.options.v1.json) = {shape: SHAPE_LIST}; repeated string s = 1; } message A {}`,
			"rpc bad.v1.S.R: the request must be an object",
		},
		{
			"an answer that is no object", post() + `message Q { ` + extraField + ` } message A { option (mavera.options.v1.json) = {shape: SHAPE_LIST}; repeated string s = 1; }`,
			"rpc bad.v1.S.R: the answer must be an object",
		},
		{
			"update_mask of a POST", post() + "message Q { google.protobuf.FieldMask update_mask = 1; " + extraField + " } message A {}",
			"rpc bad.v1.S.R: update_mask is a google.protobuf.FieldMask of a PATCH",
		},
		{
			"update_mask of another type", patch() + "message Q { string update_mask = 1; " + extraField + " } message A {}",
			"rpc bad.v1.S.R: update_mask is a google.protobuf.FieldMask of a PATCH",
		},

		{"page_size without page_token", get("/a") + "message Q { int32 page_size = 1; } message A {}", "rpc bad.v1.S.R: page_size, page_token and the option paging go together"},
		{"pages without the option", get("/a") + pageable + "message A {}", "rpc bad.v1.S.R: page_size, page_token and the option paging go together"},
		{"the option without pages", list("envelope: ENVELOPE_BARE") + empty, "rpc bad.v1.S.R: page_size, page_token and the option paging go together"},
		{
			"page_size of another type", list("envelope: ENVELOPE_BARE") + "message Q { int64 page_size = 1; string page_token = 2; } message A {}",
			"rpc bad.v1.S.R: page_size, page_token and the option paging go together",
		},
		{"pages of a body", post() + "message Q { int32 page_size = 1; string page_token = 2; " + extraField + " } message A {}", "rpc bad.v1.S.R: a list is asked for without a body"},
		{"an answer that is no page", list("envelope: ENVELOPE_BARE") + pageable + "message A {}", "rpc bad.v1.S.R: paging: A is no page"},
		{
			"a page that lacks a field", list("envelope: ENVELOPE_BARE") + pageable + "message A { string next_page_token = 1; }",
			"rpc bad.v1.S.R: message bad.v1.A: a page has the fields data, next_page_token, total_size and additional_fields",
		},
		{"a page in an unknown field", list(`envelope: ENVELOPE_BARE field: "files"`) + pageable + "message A {}", `rpc bad.v1.S.R: paging: A has no field "files"`},
		{
			"no envelope", list("") + pageable + item + "message A { repeated I data = 1; string next_page_token = 2; optional int32 total_size = 3; " + extraField + " }",
			"rpc bad.v1.S.R: paging: the envelope is missing",
		},

		{
			"two fields of one key", get("/a") + `message Q {} message A { optional string a = 1; optional string b = 2 [(mavera.options.v1.field).name = "a"]; }`,
			`rpc bad.v1.S.R: message bad.v1.A: fields a and b share the JSON key "a"`,
		},
		{
			"two fields of one alias", get("/a") + `message Q {} message A { string a = 1 [(mavera.options.v1.field).aliases = "c"]; string b = 2 [(mavera.options.v1.field).aliases = "c"]; }`,
			`rpc bad.v1.S.R: message bad.v1.A: fields a and b share the JSON key "c"`,
		},
		{
			"a key that JSON escapes", get("/a") + `message Q {} message A { string a = 1 [(mavera.options.v1.field).name = "a\"b"]; }`,
			`rpc bad.v1.S.R: message bad.v1.A: field a: the JSON key "a\"b" would have to be escaped`,
		},
		{
			"raw JSON outside a oneof", get("/a") + `message Q {} message A { string a_json = 1 [(mavera.options.v1.field).raw_json = true]; }`,
			"rpc bad.v1.S.R: message bad.v1.A: field a_json: raw_json is for a string in a oneof whose name ends in _json",
		},
		{"bytes", get("/a") + "message Q {} message A { bytes b = 1; }", "rpc bad.v1.S.R: message bad.v1.A: field b: kind bytes has no JSON form here"},
		{"unsigned numbers", get("/a") + "message Q { uint32 n = 1; } message A {}", "rpc bad.v1.S.R: message bad.v1.Q: field n: kind uint32 has no JSON form here"},
		{"a map with number keys", get("/a") + "message Q {} message A { map<int32, string> m = 1; }", "rpc bad.v1.S.R: message bad.v1.A: field m: map keys must be strings"},
		{"a well-known type", get("/a") + "message Q {} message A { google.protobuf.Duration d = 1; }", "rpc bad.v1.S.R: message bad.v1.A: field d: google.protobuf.Duration has no JSON form here"},
		{
			"an unknown shorthand", get("/a") + `message Q {} message A { I i = 1; } message I { option (mavera.options.v1.json) = {shorthand: "x"}; }`,
			`rpc bad.v1.S.R: message bad.v1.A: field i: message bad.v1.I: shorthand "x" is not a string field of an object`,
		},
		{
			"a list of two fields", get("/a") + `message Q {} message A { I i = 1; } message I { option (mavera.options.v1.json) = {shape: SHAPE_LIST}; repeated string a = 1; repeated string b = 2; }`,
			"rpc bad.v1.S.R: message bad.v1.A: field i: message bad.v1.I: a list has one repeated field",
		},
		{
			"an enum value of another prefix", get("/a") + "message Q {} message A { E e = 1; } enum E { E_UNSPECIFIED = 0; OTHER = 1; }",
			"rpc bad.v1.S.R: message bad.v1.A: field e: enum value OTHER lacks the prefix E_",
		},
		{
			"an enum of two equal words", get("/a") + `message Q {} message A { E e = 1; } enum E { E_UNSPECIFIED = 0; E_A = 1; E_B = 2 [(mavera.options.v1.value).aliases = "A"]; }`,
			`rpc bad.v1.S.R: message bad.v1.A: field e: enum bad.v1.E spells two values "a"`,
		},

		{
			"a union without a oneof", get("/a") + `message Q {} message A { U u = 1; } message U { option (mavera.options.v1.json) = {shape: SHAPE_UNION}; string s = 1; }`,
			"rpc bad.v1.S.R: message bad.v1.A: field u: message bad.v1.U: a union has one oneof",
		},
		{
			"a member outside the oneof", get("/a") + `message Q {} message A { U u = 1; } message U { option (mavera.options.v1.json) = {shape: SHAPE_UNION}; oneof f { string s = 1; } bool b = 2; }`,
			"rpc bad.v1.S.R: message bad.v1.A: field u: message bad.v1.U: field b of a union is not in its oneof",
		},
		{
			"two strings", get("/a") + `message Q {} message A { U u = 1; } message U { option (mavera.options.v1.json) = {shape: SHAPE_UNION}; oneof f { string s = 1; string t = 2; } }`,
			"rpc bad.v1.S.R: message bad.v1.A: field u: message bad.v1.U: members s and t are read from the same JSON type",
		},
		{
			"two objects without a discriminator", get("/a") + item + `message Q {} message A { U u = 1; } message U { option (mavera.options.v1.json) = {shape: SHAPE_UNION}; oneof f { I s = 1; I t = 2; } }`,
			"rpc bad.v1.S.R: message bad.v1.A: field u: message bad.v1.U: a union of several objects needs a discriminator",
		},
		{
			"two objects of one tag", get("/a") + item + `message Q {} message A { U u = 1; } message U { option (mavera.options.v1.json) = {shape: SHAPE_UNION discriminator: "type"};
			oneof f { I s = 1; I t = 2 [(mavera.options.v1.field).tag = "S"]; } }`,
			`rpc bad.v1.S.R: message bad.v1.A: field u: message bad.v1.U: two members have the tag "s"`,
		},
		{
			"a member that has the discriminator", get("/a") + item + `message Q {} message A { U u = 1; } message U { option (mavera.options.v1.json) = {shape: SHAPE_UNION discriminator: "id"}; oneof f { I s = 1; } }`,
			`rpc bad.v1.S.R: message bad.v1.A: field u: message bad.v1.U: member s has the discriminator "id" as a field`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Compile(services(t, tt.source)...)
			if err == nil {
				t.Fatalf("compiled to %v", got)
			}
			// protobuf puts a no-break space into its errors now and then, on purpose.
			if text := strings.ReplaceAll(err.Error(), "\u00a0", " "); text != tt.want {
				t.Errorf("got  %s\nwant %s", text, tt.want)
			}
		})
	}
}

// TestLossless finds the object of an answer, however deep, that could not hold
// what its proto does not model.
func TestLossless(t *testing.T) {
	for _, row := range []struct{ name, messages, want string }{
		{"all have a place", "message A { I i = 1; " + extraField + " } message I { repeated A a = 1; " + extraField + " }", ""},
		{"the answer has none", "message A { string id = 1; }", "message bad.v1.A is part of the answer and lacks additional_fields"},
		{
			"an object in it has none", "message A { repeated I i = 1; " + extraField + " } message I { string id = 1; }",
			"message bad.v1.I is part of the answer and lacks additional_fields",
		},
	} {
		types := &schemas{messages: make(map[protoreflect.FullName]*message), enums: make(map[protoreflect.FullName]*enum)}
		answer, err := types.message(services(t, get("/a")+"message Q {} "+row.messages)[0].Methods().Get(0).Output())
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := lossless(answer, make(map[*message]bool)); err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// TestRouteOfTwoRPCs needs RPCs that are sound otherwise, so it takes a service
// of the API twice.
func TestRouteOfTwoRPCs(t *testing.T) {
	var usage protoreflect.ServiceDescriptor
	for _, service := range Services() {
		if service.Name() == "UsageService" {
			usage = service
		}
	}
	_, err := Compile(usage, usage)
	if want := "rpc mavera.v1.UsageService.GetUsage: has the route of mavera.v1.UsageService.GetUsage, GET /usage"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestFieldLimit(t *testing.T) {
	source := get("/a") + "message Q {} message A {\n"
	for i := range maxFields + 1 {
		source += "string f" + strings.Repeat("x", i) + " = " + strconv.Itoa(i+1) + ";\n"
	}
	_, err := Compile(services(t, source+"}")...)
	if want := "rpc bad.v1.S.R: message bad.v1.A: 129 fields are more than the codec's 128"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
