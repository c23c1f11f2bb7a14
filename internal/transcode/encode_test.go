package transcode

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// checkBody compares the body byte for byte.
func checkBody(t *testing.T, rpc string, in proto.Message, want string) {
	t.Helper()
	r, err := planOf(t, rpc).Request(in)
	if err != nil {
		t.Errorf("%v: %v", in, err)
		return
	}
	if string(r.Body) != want {
		t.Errorf("%v:\ngot  %s\nwant %s", in, r.Body, want)
	}
}

// checkRefused compares all the violations.
func checkRefused(t *testing.T, rpc string, in proto.Message, want ...Violation) {
	t.Helper()
	r, err := planOf(t, rpc).Request(in)
	var refused *InvalidRequestError
	if !errors.As(err, &refused) || !reflect.DeepEqual(refused.Violations, want) || r != nil {
		t.Errorf("%v:\ngot  %v, %v\nwant %v", in, r, err, want)
	}
}

func TestEncode(t *testing.T) {
	tests := []struct{ name, rpc, in, want string }{
		{"nothing set", "CreatePersona", ``, `{}`},
		{
			"optional zeroes are sent", "CreateResponse", `temperature:0 analysis_mode:false instructions:"" max_output_tokens:0`,
			`{"instructions":"","analysis_mode":false,"temperature":0,"max_output_tokens":0}`,
		},
		{"required zeroes are not", "CreateFile", `name:"" file_size:0`, `{}`},
		{"the path is not in the body", "UpdatePersona", `id:"p" name:"n"`, `{"name":"n"}`},
		{"enums by their words", "CreateVideoAnalysis", `primary_intent:VIDEO_INTENT_PERSUASIVE secondary_intent:VIDEO_INTENT_UNSPECIFIED`, `{"primary_intent":"Persuasive"}`},
		{"other keys than the field's", "CreatePersona", `mcda_weights:{time_to_value:5 price:1}`, `{"mcda_weights":{"price":1,"timeToValue":5}}`},
		{"64 bits as a number", "CreateProject", `budget_alert:9223372036854775807 usage_limit:-1`, `{"budget_alert":9223372036854775807,"usage_limit":-1}`},
		{
			"doubles", "CreateResponse", `temperature:0.1 top_p:1e-7 frequency_penalty:-2 presence_penalty:1e21`,
			`{"temperature":0.1,"top_p":1e-07,"frequency_penalty":-2,"presence_penalty":1e+21}`,
		},
		{"strings", "SendMaveMessage", `message:"\"\\\n\r\t\001\177 é😀 </script>"`, `{"message":"\"\\\n\r\t\u0001` + "\x7f" + ` é😀 </script>"}`},
		{"empty messages and lists", "CreateBrandVoice", `tone:{} urls:{}`, `{"urls":[{}],"tone":{}}`},
		{"a time", "CreateMeeting", `join_at:{seconds:1706345678}`, `{"join_at":"2024-01-27T08:54:38.000Z"}`},
		{"a time to the nanosecond", "CreateMeeting", `join_at:{seconds:1706345678 nanos:1}`, `{"join_at":"2024-01-27T08:54:38.000000001Z"}`},
		{"1970", "CreateMeeting", `join_at:{}`, `{"join_at":"1970-01-01T00:00:00.000Z"}`},

		{
			"a struct, sorted", "CreateFile", `metadata:{fields:{key:"b" value:{number_value:1}} fields:{key:"a" value:{list_value:{values:{null_value:NULL_VALUE} values:{bool_value:true} values:{}}}} fields:{key:"é" value:{struct_value:{}}}}`,
			`{"metadata":{"a":[null,true,null],"b":1,"é":{}}}`,
		},
		{
			"raw JSON, byte for byte", "CreateResponse", `tools:{type:"function" name:"f" parameters_json:" {\"b\" : 1.0,\n\"a\":\"\\u00e9\"} "}`,
			`{"tools":[{"type":"function","name":"f","parameters": {"b" : 1.0,` + "\n" + `"a":"\u00e9"} }]}`,
		},
		{
			"the same as a struct", "CreateResponse", `tools:{type:"function" name:"f" parameters:{fields:{key:"b" value:{number_value:1}}}}`,
			`{"tools":[{"type":"function","name":"f","parameters":{"b":1}}]}`,
		},
		{"a constant", "CreateResponse", `tools:{name:"f"}`, `{"tools":[{"name":"f","type":"function"}]}`},
		{
			"a constant from additional_fields", "CreateResponse", `tools:{name:"f" additional_fields:{fields:{key:"type" value:{string_value:"web_search"}}}}`,
			`{"tools":[{"name":"f","type":"web_search"}]}`,
		},
		{
			"null when unset", "CreateChatCompletion", `messages:{role:CHAT_ROLE_ASSISTANT} messages:{role:CHAT_ROLE_USER content:"x"}`,
			`{"messages":[{"role":"assistant","content":null},{"role":"user","content":"x"}]}`,
		},

		{
			"a shorthand", "CreateBrandVoice", `urls:{url:"https://a"} urls:{url:"https://b" name:"B"} urls:{additional_fields:{}} urls:{url:""}`,
			`{"urls":["https://a",{"url":"https://b","name":"B"},{},""]}`,
		},
		{
			"a shorthand with more", "CreateBrandVoice", `urls:{url:"https://a" additional_fields:{fields:{key:"k" value:{number_value:1}}}}`,
			`{"urls":[{"url":"https://a","k":1}]}`,
		},
		{"a union's text", "CreateResponse", `input:{text:"x"} tool_choice:{mode:TOOL_CHOICE_MODE_NONE}`, `{"input":"x","tool_choice":"none"}`},
		{"a union's list, empty and not", "CreateResponse", `input:{items:{}}`, `{"input":[]}`},
		{
			"objects with a discriminator", "CreateResponse", `input:{items:{items:{message:{role:RESPONSE_ROLE_USER content:{parts:{parts:{input_text:{text:"x"}}}}}} items:{function_call:{call_id:"c"}}}}`,
			`{"input":[{"role":"user","content":[{"type":"input_text","text":"x"}]},{"type":"function_call","call_id":"c"}]}`,
		},
		{
			"an object of another kind", "CreateResponse", `input:{items:{items:{additional_fields:{fields:{key:"type" value:{string_value:"reasoning"}}}}}}`,
			`{"input":[{"type":"reasoning"}]}`,
		},

		{
			"additional fields", "CreateProject", `name:"n" additional_fields:{fields:{key:"z" value:{number_value:1}} fields:{key:"a\"" value:{bool_value:false}}}`,
			`{"name":"n","a\"":false,"z":1}`,
		},
		{"an unset field from additional_fields", "CreateProject", `additional_fields:{fields:{key:"name" value:{number_value:1}}}`, `{"name":1}`},
		{"an UNSPECIFIED one", "CreateWorkspace", `type:WORKSPACE_TYPE_UNSPECIFIED additional_fields:{fields:{key:"type" value:{string_value:"AGENCY"}}}`, `{"type":"AGENCY"}`},
		{"a list or a message", "CreateBrandVoice", `additional_fields:{fields:{key:"urls" value:{string_value:"u"}} fields:{key:"tone" value:{string_value:"t"}}}`, `{"tone":"t","urls":"u"}`},
		{
			"raw or parsed, if neither is set", "CreateResponse", `tools:{type:"t" additional_fields:{fields:{key:"parameters" value:{bool_value:true}}}}`,
			`{"tools":[{"type":"t","parameters":true}]}`,
		},
		{"stream inside a part", "CreateResponse", `tools:{type:"t" additional_fields:{fields:{key:"stream" value:{bool_value:true}}}}`, `{"tools":[{"type":"t","stream":true}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := planOf(t, tt.rpc)
			in := input(t, p, tt.in)
			for _, f := range p.pathFields {
				if !in.ProtoReflect().Has(f.desc) {
					t.Fatalf("the fixture lacks %s", f.name)
				}
			}
			checkBody(t, tt.rpc, in, tt.want)
		})
	}
}

func TestEncodeRefusals(t *testing.T) {
	tests := []struct {
		name, rpc, in string
		want          []Violation
	}{
		{"NaN and infinity", "CreateResponse", `temperature:nan top_p:-inf`, []Violation{
			{"temperature", "must be a finite number: JSON has no NaN"},
			{"top_p", "must be a finite number: JSON has no -Inf"},
		}},
		{"NaN inside a struct", "CreateFile", `metadata:{fields:{key:"a b" value:{list_value:{values:{} values:{number_value:inf}}}}}`, []Violation{
			{`metadata["a b"][1]`, "must be a finite number: JSON has no +Inf"},
		}},
		{"an enum value that is none", "CreateResponse", `reasoning_effort:77 input:{items:{items:{message:{role:9}}}}`, []Violation{
			{"input.items.items[0].message.role", "9 is no value of ResponseRole"},
			{"reasoning_effort", "77 is no value of ReasoningEffort"},
		}},
		{"a time out of range", "CreateMeeting", `join_at:{seconds:253402300800}`, []Violation{
			{"join_at", "must be a time between the years 1 and 9999"},
		}},
		{"a time of negative nanoseconds", "CreateMeeting", `join_at:{nanos:-1}`, []Violation{
			{"join_at", "must be a time between the years 1 and 9999"},
		}},
		{"raw JSON that is none", "CreateResponse", `tools:{} tools:{parameters_json:"{\"a\":}"} tools:{parameters_json:"[]"} tools:{parameters_json:""} tools:{parameters_json:"{} {}"}`, []Violation{
			{"tools[1].parameters_json", "must be the JSON text of an object: invalid JSON at byte 5: expected a number"},
			{"tools[2].parameters_json", "must be the JSON text of an object: invalid JSON at byte 0: expected an object"},
			{"tools[3].parameters_json", "must be the JSON text of an object: invalid JSON at byte 0: expected an object"},
			{"tools[4].parameters_json", "must be the JSON text of an object: invalid JSON at byte 3: expected the end"},
		}},
		{"a union without a member", "CreateResponse", `input:{} tool_choice:{}`, []Violation{
			{"input", "needs one of its members: text, items"},
			{"tool_choice", "needs one of its members: mode, function"},
		}},
		{"a union with a member and more", "CreateResponse", `input:{items:{items:{message:{} additional_fields:{}}}}`, []Violation{
			{"input.items.items[0].additional_fields", "must not be set beside message"},
		}},
		{"a key that is set twice", "CreateResponse", `model:"m" additional_fields:{fields:{key:"model" value:{string_value:"x"}}}`, []Violation{
			{`additional_fields["model"]`, "is set both here and in model"},
		}},
		{"and deeper", "CreatePersona", `mcda_weights:{time_to_value:0 additional_fields:{fields:{key:"timeToValue" value:{number_value:1}}}}`, []Violation{
			{`mcda_weights.additional_fields["timeToValue"]`, "is set both here and in time_to_value"},
		}},
		{"the raw form and the key", "CreateResponse", `tools:{parameters_json:"{}" additional_fields:{fields:{key:"parameters" value:{}}}}`, []Violation{
			{`tools[0].additional_fields["parameters"]`, "is set both here and in parameters"},
		}},
		{"keys of the gateway", "UpdatePersona", `id:"p" additional_fields:{fields:{key:"id" value:{string_value:"q"}} fields:{key:"stream" value:{bool_value:true}} fields:{key:"update_mask" value:{}}}`, []Violation{
			{`additional_fields["id"]`, "is set both here and in id"},
			{`additional_fields["stream"]`, "is set by the gateway"},
			{`additional_fields["update_mask"]`, "is set by the gateway"},
		}},
		{"the discriminator", "CreateResponse", `input:{items:{items:{message:{additional_fields:{fields:{key:"type" value:{string_value:"x"}}}}}}}`, []Violation{
			{`input.items.items[0].message.additional_fields["type"]`, "is set by the gateway"},
		}},
		{"all faults at once", "UpdatePersona", `id:".." name:"n" additional_fields:{fields:{key:"name" value:{}} fields:{key:"x" value:{number_value:nan}}}`, []Violation{
			{"id", `must not be "." or ".."`},
			{`additional_fields["name"]`, "is set both here and in name"},
			{`additional_fields["x"]`, "must be a finite number: JSON has no NaN"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkRefused(t, tt.rpc, input(t, planOf(t, tt.rpc), tt.in), tt.want...)
		})
	}
}

func TestRequestOfAnotherRPC(t *testing.T) {
	_, err := planOf(t, "GetPersona").Request(&maverav1.GetFileRequest{Id: "a"})
	if want := "GetPersona takes mavera.v1.GetPersonaRequest, not mavera.v1.GetFileRequest"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRequestThatProtobufRefuses(t *testing.T) {
	_, err := planOf(t, "CreateProject").Request(&maverav1.CreateProjectRequest{Name: proto.String("\xff")})
	if want := "CreateProject: string field contains invalid UTF-8"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestInvalidRequestError(t *testing.T) {
	err := &InvalidRequestError{Violations: []Violation{{"id", "must not be empty"}, {"tools[0].name", "is odd"}}}
	if got, want := err.Error(), "id: must not be empty; tools[0].name: is odd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAppendDouble(t *testing.T) {
	for _, tt := range []struct {
		x    float64
		want string
	}{
		{0, "0"},
		{math.Copysign(0, -1), "0"},
		{1, "1"},
		{-1.5, "-1.5"},
		{0.1, "0.1"},
		{9007199254740991, "9007199254740991"},
		{9007199254740992, "9007199254740992"},
		{123456789012345680000, "123456789012345680000"},
		{1e21, "1e+21"},
		{1e-6, "0.000001"},
		{1e-7, "1e-07"},
		{math.MaxFloat64, "1.7976931348623157e+308"},
		{math.SmallestNonzeroFloat64, "5e-324"},
	} {
		if got := string(appendDouble(nil, tt.x)); got != tt.want {
			t.Errorf("%g: got %s, want %s", tt.x, got, tt.want)
		}
	}
}
