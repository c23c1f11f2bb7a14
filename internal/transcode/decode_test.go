package transcode

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// decodeTest is an answer with the whole message and the losses it gives.
type decodeTest struct {
	name, rpc, body string
	want            string // text form of the message
	losses          []Loss
}

func (tt decodeTest) run(t *testing.T) {
	t.Helper()
	t.Run(tt.name, func(t *testing.T) {
		a, out := decoded(t, planOf(t, tt.rpc), tt.body)
		checkMessage(t, out, tt.want)
		if !reflect.DeepEqual(a.Losses, tt.losses) {
			t.Errorf("losses %v, want %v", a.Losses, tt.losses)
		}
	})
}

func TestDecodeScalars(t *testing.T) {
	for _, tt := range []decodeTest{
		{
			"all kinds", "GetVideoAnalysis", `{"id":"v","frames_per_chunk":3,"chunk_duration":2.5,"status":"pending"}`,
			`id:"v" frames_per_chunk:3 chunk_duration:2.5 status:VIDEO_ANALYSIS_STATUS_PENDING`, nil,
		},
		{
			"zeroes are set", "GetVideoAnalysis", `{"id":"","frames_per_chunk":0,"chunk_duration":0,"error":""}`,
			`id:"" frames_per_chunk:0 chunk_duration:0 error:""`, nil,
		},
		{"null is unset", "GetVideoAnalysis", `{"id":null,"frames_per_chunk":null,"status":null,"created_at":null,"progress":null,"chunks":null}`, ``, nil},
		{
			"integers in other forms", "GetUsage", `{"api_requests":{"total_requests":1e3,"total_tokens":5.0,"prompt_tokens":-0,"error_count":-7}}`,
			`api_requests:{total_requests:1000 total_tokens:5 prompt_tokens:0 error_count:-7}`, nil,
		},
		{
			"64 bits", "GetUsage", `{"api_requests":{"total_requests":9223372036854775807,"total_tokens":-9223372036854775808}}`,
			`api_requests:{total_requests:9223372036854775807 total_tokens:-9223372036854775808}`, nil,
		},
		{
			"beyond 64 bits", "GetUsage", `{"api_requests":{"total_requests":12345678901234567890}}`,
			`api_requests:{additional_fields:{fields:{key:"total_requests" value:{number_value:12345678901234567890}}}}`,
			[]Loss{{"api_requests.total_requests", WrongType, 1}, {"api_requests.total_requests", InexactNumber, 1}},
		},
		{
			"beyond 32 bits", "GetVideoAnalysis", `{"frames_per_chunk":2147483648}`,
			`additional_fields:{fields:{key:"frames_per_chunk" value:{number_value:2147483648}}}`,
			[]Loss{{"frames_per_chunk", WrongType, 1}},
		},
		{
			"a fraction for an integer", "GetVideoAnalysis", `{"frames_per_chunk":1.5}`,
			`additional_fields:{fields:{key:"frames_per_chunk" value:{number_value:1.5}}}`,
			[]Loss{{"frames_per_chunk", WrongType, 1}},
		},
		{
			"beyond a double", "GetVideoAnalysis", `{"chunk_duration":1e400}`,
			`additional_fields:{fields:{key:"chunk_duration" value:{string_value:"1e400"}}}`,
			[]Loss{{"chunk_duration", WrongType, 1}, {"chunk_duration", InexactNumber, 1}},
		},
		{"an integer for a double", "GetVideoAnalysis", `{"chunk_duration":4}`, `chunk_duration:4`, nil},
		{
			"numbers in strings are no numbers", "GetVideoAnalysis", `{"frames_per_chunk":"3","chunk_duration":"2.5"}`,
			`additional_fields:{fields:{key:"frames_per_chunk" value:{string_value:"3"}} fields:{key:"chunk_duration" value:{string_value:"2.5"}}}`,
			[]Loss{{"frames_per_chunk", WrongType, 1}, {"chunk_duration", WrongType, 1}},
		},
		{
			"a number for a string", "GetPersona", `{"id":7}`,
			`additional_fields:{fields:{key:"id" value:{number_value:7}}}`,
			[]Loss{{"id", WrongType, 1}},
		},
		{
			"a word for a bool", "GetPersona", `{"is_custom":"yes"}`,
			`additional_fields:{fields:{key:"is_custom" value:{string_value:"yes"}}}`,
			[]Loss{{"is_custom", WrongType, 1}},
		},
		{"half a surrogate pair", "GetPersona", `{"name":"a\ud800b"}`, `name:"a\357\277\275b"`, []Loss{{"name", InvalidText, 1}}},
		{"bytes that are no UTF-8", "GetPersona", "{\"name\":\"a\xffb\"}", `name:"a\357\277\275b"`, []Loss{{"name", InvalidText, 1}}},
		{"a long string with escapes", "GetPersona", `{"name":"` + strings.Repeat(`\n`, 200) + `"}`, `name:"` + strings.Repeat(`\n`, 200) + `"`, nil},
	} {
		tt.run(t)
	}
}

func TestDecodeEnums(t *testing.T) {
	for _, tt := range []decodeTest{
		{"any case", "GetVideoAnalysis", `{"status":"COMPLETED"}`, `status:VIDEO_ANALYSIS_STATUS_COMPLETED`, nil},
		{"an alias", "GetBrandVoice", `{"status":"READY"}`, `status:BRAND_VOICE_STATUS_COMPLETED`, nil},
		{"an escaped word", "GetBrandVoice", `{"status":"\u0050ENDING"}`, `status:BRAND_VOICE_STATUS_PENDING`, nil},
		{
			"an unknown word", "GetBrandVoice", `{"status":"Archived"}`,
			`additional_fields:{fields:{key:"status" value:{string_value:"Archived"}}}`,
			[]Loss{{"status", UnknownEnum, 1}},
		},
		{
			"UNSPECIFIED is no word", "GetBrandVoice", `{"status":"unspecified"}`,
			`additional_fields:{fields:{key:"status" value:{string_value:"unspecified"}}}`,
			[]Loss{{"status", UnknownEnum, 1}},
		},
		{
			"a number", "GetBrandVoice", `{"status":1}`,
			`additional_fields:{fields:{key:"status" value:{number_value:1}}}`,
			[]Loss{{"status", WrongType, 1}},
		},
	} {
		tt.run(t)
	}
}

func TestDecodeTimes(t *testing.T) {
	for _, tt := range []struct{ json, want string }{
		{`1706345678`, `created_at:{seconds:1706345678}`},
		{`1706345678.25`, `created_at:{seconds:1706345678 nanos:250000000}`},
		{`-1.5`, `created_at:{seconds:-2 nanos:500000000}`},
		{`1.7e9`, `created_at:{seconds:1700000000}`},
		{`0`, `created_at:{}`},
		{`"2024-01-27T08:54:38Z"`, `created_at:{seconds:1706345678}`},
		{`"2024-01-27T08:54:38.123456789Z"`, `created_at:{seconds:1706345678 nanos:123456789}`},
		{`"2024-01-27T10:54:38.5+02:00"`, `created_at:{seconds:1706345678 nanos:500000000}`},
		{`"2024-01-27T10:54:38+0200"`, `created_at:{seconds:1706345678}`},
		{`"2024-01-27T08:54:38"`, `created_at:{seconds:1706345678}`},
		{`"2024-01-27 08:54:38"`, `created_at:{seconds:1706345678}`},
		{`"2024-01-27 08:54:38Z"`, `created_at:{seconds:1706345678}`},
		{`"2024-01-27T08:54Z"`, `created_at:{seconds:1706345640}`},
		{`"2024-01-27"`, `created_at:{seconds:1706313600}`},
		{`null`, ``},
	} {
		decodeTest{tt.json, "GetPersona", `{"created_at":` + tt.json + `}`, tt.want, nil}.run(t)
	}
	for _, tt := range []struct{ json, want string }{
		{`"yesterday"`, `{string_value:"yesterday"}`},
		{`"2024-13-01"`, `{string_value:"2024-13-01"}`},
		{`""`, `{string_value:""}`},
		{`true`, `{bool_value:true}`},
		{`1e15`, `{number_value:1e15}`},                   // beyond the year 9999
		{`1706345678000`, `{number_value:1706345678000}`}, // milliseconds are not guessed
	} {
		decodeTest{
			tt.json, "GetPersona", `{"created_at":` + tt.json + `}`,
			`additional_fields:{fields:{key:"created_at" value:` + tt.want + `}}`,
			[]Loss{{"created_at", WrongType, 1}},
		}.run(t)
	}
}

func TestDecodeShapes(t *testing.T) {
	for _, tt := range []decodeTest{
		{
			"lists and objects", "GetVideoAnalysis", `{"progress":{"total_chunks":3},"chunks":[{"index":0},{"index":1,"metrics":{"emotional":{}}}]}`,
			`progress:{total_chunks:3} chunks:{index:0} chunks:{index:1 metrics:{emotional:{}}}`, nil,
		},
		{
			"a list with another element", "GetBrandVoice", `{"tone":{"dos":["a",1],"donts":["b",null]}}`,
			`tone:{additional_fields:{
				fields:{key:"dos" value:{list_value:{values:{string_value:"a"} values:{number_value:1}}}}
				fields:{key:"donts" value:{list_value:{values:{string_value:"b"} values:{null_value:NULL_VALUE}}}}}}`,
			[]Loss{{"tone.dos", WrongType, 1}, {"tone.donts", WrongType, 1}},
		},
		{
			"an object for a list", "GetBrandVoice", `{"tone":{"dos":{}}}`,
			`tone:{additional_fields:{fields:{key:"dos" value:{struct_value:{}}}}}`,
			[]Loss{{"tone.dos", WrongType, 1}},
		},
		{
			"a string for an object", "GetBrandVoice", `{"tone":"warm"}`,
			`additional_fields:{fields:{key:"tone" value:{string_value:"warm"}}}`,
			[]Loss{{"tone", WrongType, 1}},
		},
		{
			"maps", "CreateFileUploadUrl", `{"headers":{"Content-Type":"video/mp4","x\u002da":""}}`,
			`headers:{key:"Content-Type" value:"video/mp4"} headers:{key:"x-a" value:""}`, nil,
		},
		{
			"a map with another value", "CreateFileUploadUrl", `{"headers":{"a":"b","n":1}}`,
			`additional_fields:{fields:{key:"headers" value:{struct_value:{fields:{key:"a" value:{string_value:"b"}} fields:{key:"n" value:{number_value:1}}}}}}`,
			[]Loss{{"headers", WrongType, 1}},
		},
		{
			"messages that hold themselves", "GetFocusGroup", `{"results":[{"aggregate":{"items":{"a":{"mean":1,"distribution":{"x":0.5}}}}}]}`,
			`results:{aggregate:{items:{key:"a" value:{mean:1 distribution:{key:"x" value:0.5}}}}}`, nil,
		},
		{
			"aliases", "GetFocusGroup", `{"question_results":[{"stats":{"mean":2},"answers":[{"answer":null}]}]}`,
			`results:{aggregate:{mean:2} respondents:{answer:{null_value:NULL_VALUE}}}`, nil,
		},
		{
			"an alias beside the key: the first wins", "GetFocusGroup", `{"questions":[{"question":"a","text":"b"}]}`,
			`questions:{question:"a" additional_fields:{fields:{key:"text" value:{string_value:"b"}}}}`,
			[]Loss{{"questions.text", UnknownField, 1}},
		},
		{
			"null says nothing, so the alias counts", "GetFocusGroup", `{"questions":[{"question":null,"text":"b","prompt":null}]}`,
			`questions:{question:"b"}`, nil,
		},
		{
			"a key that comes twice: the first wins", "GetPersona", `{"id":"a","id":"b"}`,
			`id:"a" additional_fields:{fields:{key:"id" value:{string_value:"b"}}}`,
			[]Loss{{"id", UnknownField, 1}},
		},
		{
			"a key that comes twice, first with another type", "GetPersona", `{"id":1,"id":"b"}`,
			`id:"b" additional_fields:{fields:{key:"id" value:{number_value:1}}}`,
			[]Loss{{"id", WrongType, 1}},
		},
		{
			"escaped keys", "GetPersona", `{"\u0069d":"a","\u00e9":1}`,
			`id:"a" additional_fields:{fields:{key:"é" value:{number_value:1}}}`,
			[]Loss{{"é", UnknownField, 1}},
		},
		{
			"shorthands", "GetNewsStory", `{"key_points":["a",{"point":"b","references":["r"]}]}`,
			`key_points:{point:"a"} key_points:{point:"b" references:"r"}`, nil,
		},
		{
			"unions by type", "GetMeeting", `{"meeting_url":{"a":[1]}}`,
			`meeting_url:{object:{fields:{key:"a" value:{list_value:{values:{number_value:1}}}}}}`, nil,
		},
		{
			"no member of the type", "GetMeeting", `{"meeting_url":["u"]}`,
			`additional_fields:{fields:{key:"meeting_url" value:{list_value:{values:{string_value:"u"}}}}}`,
			[]Loss{{"meeting_url", WrongType, 1}},
		},
		{"empty", "GetPersona", ` {} `, ``, nil},
	} {
		tt.run(t)
	}
}

func TestDecodeUnions(t *testing.T) {
	for _, tt := range []decodeTest{
		{
			"by discriminator", "CreateResponse", `{"output":[{"type":"message","id":"m"},{"id":"f","type":"FUNCTION_CALL"}]}`,
			`output:{message:{id:"m"}} output:{function_call:{id:"f"}}`, nil,
		},
		{"an escaped discriminator", "CreateResponse", `{"output":[{"id":"m","\u0074ype":"m\u0065ssage"}]}`, `output:{message:{id:"m"}}`, nil},
		{
			"after a nested one", "CreateResponse", `{"output":[{"content":[{"text":"x","type":"output_text"}],"type":"message"}]}`,
			`output:{message:{content:{output_text:{text:"x"}}}}`, nil,
		},
		{
			"of an unknown kind", "CreateResponse", `{"output":[{"type":"reasoning","summary":[1]}]}`,
			`output:{additional_fields:{fields:{key:"type" value:{string_value:"reasoning"}} fields:{key:"summary" value:{list_value:{values:{number_value:1}}}}}}`,
			[]Loss{{"output.type", UnknownEnum, 1}},
		},
		{
			"without a discriminator", "CreateResponse", `{"output":[{"id":"m"}]}`,
			`output:{additional_fields:{fields:{key:"id" value:{string_value:"m"}}}}`,
			[]Loss{{"output.type", UnknownEnum, 1}},
		},
		{
			"with one that is no word", "CreateResponse", `{"output":[{"type":1}]}`,
			`output:{additional_fields:{fields:{key:"type" value:{number_value:1}}}}`,
			[]Loss{{"output.type", UnknownEnum, 1}},
		},
		{
			"with two", "CreateResponse", `{"output":[{"type":"message","type":"reasoning"}]}`,
			`output:{message:{additional_fields:{fields:{key:"type" value:{string_value:"reasoning"}}}}}`,
			[]Loss{{"output.type", UnknownField, 1}},
		},
		{
			"no object", "CreateResponse", `{"output":["x"]}`,
			`additional_fields:{fields:{key:"output" value:{list_value:{values:{string_value:"x"}}}}}`,
			[]Loss{{"output", WrongType, 1}},
		},
	} {
		tt.run(t)
	}
}

func TestDecodeFreeForm(t *testing.T) {
	for _, tt := range []decodeTest{
		{
			"every kind", "GetFile", `{"metadata":{"n":null,"b":true,"i":-1,"f":0.1,"s":"x","l":[[],{}],"o":{"k":"v"}}}`,
			`metadata:{fields:{key:"n" value:{null_value:NULL_VALUE}} fields:{key:"b" value:{bool_value:true}} fields:{key:"i" value:{number_value:-1}}
				fields:{key:"f" value:{number_value:0.1}} fields:{key:"s" value:{string_value:"x"}}
				fields:{key:"l" value:{list_value:{values:{list_value:{}} values:{struct_value:{}}}}}
				fields:{key:"o" value:{struct_value:{fields:{key:"k" value:{string_value:"v"}}}}}}`, nil,
		},
		{
			"numbers that a double holds", "GetFile", `{"metadata":{"a":9007199254740993.0e-16,"b":1.0000000000000000000,"c":9007199254740992,"d":100000000000000000000}}`,
			`metadata:{fields:{key:"a" value:{number_value:0.9007199254740993}} fields:{key:"b" value:{number_value:1}}
				fields:{key:"c" value:{number_value:9007199254740992}} fields:{key:"d" value:{number_value:1e20}}}`, nil,
		},
		{
			"numbers that it does not", "GetFile", `{"metadata":{"a":9007199254740993,"b":0.12345678901234567890,"c":1e400,"d":-1e400}}`,
			`metadata:{fields:{key:"a" value:{number_value:9007199254740992}} fields:{key:"b" value:{number_value:0.12345678901234568}}
				fields:{key:"c" value:{string_value:"1e400"}} fields:{key:"d" value:{string_value:"-1e400"}}}`,
			[]Loss{{"metadata", InexactNumber, 4}},
		},
		{
			"of a key that comes twice the last wins", "GetFile", `{"metadata":{"a":1,"a":2}}`,
			`metadata:{fields:{key:"a" value:{number_value:2}}}`, nil,
		},
		{
			"unknown keys", "GetFile", `{"x":{"y":[1]},"z":null}`,
			`additional_fields:{fields:{key:"x" value:{struct_value:{fields:{key:"y" value:{list_value:{values:{number_value:1}}}}}}} fields:{key:"z" value:{null_value:NULL_VALUE}}}`,
			[]Loss{{"x", UnknownField, 1}, {"z", UnknownField, 1}},
		},
	} {
		tt.run(t)
	}
}

// TestMalformedAnswers never gives half a message.
func TestMalformedAnswers(t *testing.T) {
	tests := []struct{ name, rpc, body, want string }{
		{"nothing", "GetPersona", "", "the body is empty"},
		{"white space", "GetPersona", " \n", "the body is empty"},
		{"HTML", "GetPersona", "<html>", "the body is no Persona"},
		{"an array", "GetPersona", "[]", "the body is no Persona"},
		{"null", "GetPersona", "null", "the body is no Persona"},
		{"a string", "ListPersonas", `"x"`, "the body is no ListPersonasResponse"},
		{"an array for a list", "ListPersonas", `[{"id":"a"}]`, "the body is no ListPersonasResponse"},
		{"cut", "GetPersona", `{"id":"a","name":"b`, "invalid JSON at byte 19: expected the end of a string"},
		{"cut inside an unknown field", "GetPersona", `{"id":"a","x":[1,{"y":`, "invalid JSON at byte 22: expected a value"},
		{"cut inside a union", "CreateResponse", `{"output":[{"id":"a"`, `invalid JSON at byte 20: expected ',' or '}'`},
		{"cut inside a page", "ListPersonas", `{"data":[{"id":"a"},`, "invalid JSON at byte 20: expected a value"},
		{"two values", "GetPersona", `{"id":"a"}{"id":"b"}`, "invalid JSON at byte 10: expected the end"},
		{"garbage after it", "GetPersona", `{"id":"a"}</html>`, "invalid JSON at byte 10: expected the end"},
		{"a bad number", "GetVideoAnalysis", `{"chunk_duration":1.}`, "invalid JSON at byte 20: expected a digit"},
		{"a bad literal", "GetPersona", `{"is_custom":tru}`, "invalid JSON at byte 13: expected true"},
		{"too deep", "GetFile", `{"metadata":` + strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 301), "invalid JSON at byte 1288: expected at most 256 levels"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := planOf(t, tt.rpc).Answer(&Request{}, []byte(tt.body))
			var malformed *MalformedAnswerError
			if !errors.As(err, &malformed) || err.Error() != tt.want || a != nil {
				t.Errorf("got %v, %v, want the error %q", a, err, tt.want)
			}
		})
	}
}

func TestAnswerToDelete(t *testing.T) {
	decodeTest{"nothing", "DeletePersona", "", "", nil}.run(t)
	decodeTest{"white space", "DeletePersona", "\r\n", "", nil}.run(t)
	decodeTest{"a receipt", "DeletePersona", `{"id":"a","deleted":true}`, `id:"a" deleted:true`, nil}.run(t)
}

func TestCredits(t *testing.T) {
	tests := []struct {
		rpc, body string
		want      float64
		wantHas   bool
	}{
		{"CreateResponse", `{"usage":{"credits_used":3.5}}`, 3.5, true},
		{"CreatePersona", `{"credits_charged":300}`, 300, true},
		{"CreateResponse", `{"usage":{"credits_used":0}}`, 0, true},
		{"CreateResponse", `{"usage":{"credits_used":"3"}}`, 0, false},
		{"CreateResponse", `{"usage":null}`, 0, false},
		{"UpdatePersona", `{"credits_charged":300}`, 0, false}, // echoes what the creation cost
	}
	for _, tt := range tests {
		a, _ := decoded(t, planOf(t, tt.rpc), tt.body)
		got := 0.0
		if a.HasCredits {
			got = a.Credits
		}
		if got != tt.want || a.HasCredits != tt.wantHas {
			t.Errorf("%s %s: %v, %v, want %v, %v", tt.rpc, tt.body, got, a.HasCredits, tt.want, tt.wantHas)
		}
	}
}
