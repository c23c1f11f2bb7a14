package transcode

import (
	"testing"

	"github.com/mavera-gateway/mavera-gateway/internal/contract"
)

// TestChatVideoAnalysisInItsOlderForm reads a chat.completion as a Response.
func TestChatVideoAnalysisInItsOlderForm(t *testing.T) {
	completion, err := contract.Examples.ReadFile("examples/create-chat-completion.response.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []decodeTest{
		{
			"the documented chat.completion", "ChatVideoAnalysis", string(completion),
			`id:"chatcmpl_abc123def456" object:"chat.completion" created_at:{seconds:1706345678} model:"mavera-1"
			output:{message:{role:"assistant" content:{output_text:{text:"The plainer one; it promises less and so I believe it."}}}}
			usage:{prompt_tokens:150 completion_tokens:200 total_tokens:350 credits_used:3}
			additional_fields:{fields:{key:"finish_reason" value:{string_value:"stop"}}}`,
			[]Loss{{"finish_reason", UnknownField, 1}},
		},
		{
			"calls of tools", "ChatVideoAnalysis", `{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[
				{"id":"call_1","type":"function","function":{"name":"find","arguments":"{\"a\":1}","new":true}},{"id":"call_2","type":"custom"}]}}]}`,
			`object:"chat.completion"
			output:{function_call:{call_id:"call_1" name:"find" arguments:"{\"a\":1}" additional_fields:{fields:{key:"new" value:{bool_value:true}}}}}
			output:{additional_fields:{fields:{key:"id" value:{string_value:"call_2"}} fields:{key:"type" value:{string_value:"custom"}}}}`,
			[]Loss{{"output.new", UnknownField, 1}, {"output.type", UnknownEnum, 1}},
		},
		{
			"text and calls", "ChatVideoAnalysis", `{"object":"chat.completion","choices":[{"message":{"content":"x","tool_calls":[{"id":"c","function":{"name":"f"}}]}}]}`,
			`object:"chat.completion" output:{message:{content:{output_text:{text:"x"}}}} output:{function_call:{call_id:"c" name:"f"}}`, nil,
		},
		{
			"what a Response does not know", "ChatVideoAnalysis", `{"object":"chat.completion","system_fingerprint":"fp","analysis":{"confidence":7},
				"choices":[{"message":{"role":"assistant","content":"<b>","parsed":{"k":1},"audio":2},"logprobs":null},{"index":1}]}`,
			`object:"chat.completion" analysis:{confidence:7} parsed:{fields:{key:"k" value:{number_value:1}}}
			output:{message:{role:"assistant" content:{output_text:{text:"<b>"}} additional_fields:{fields:{key:"audio" value:{number_value:2}}}}}
			additional_fields:{fields:{key:"choices" value:{list_value:{values:{struct_value:{fields:{key:"index" value:{number_value:1}}}}}}}
				fields:{key:"logprobs" value:{null_value:NULL_VALUE}} fields:{key:"system_fingerprint" value:{string_value:"fp"}}}`,
			[]Loss{{"choices", UnknownField, 1}, {"logprobs", UnknownField, 1}, {"output.audio", UnknownField, 1}, {"system_fingerprint", UnknownField, 1}},
		},
		{
			"a chat.completion without a choice", "ChatVideoAnalysis", `{"object":"chat.completion","choices":[]}`,
			`object:"chat.completion" additional_fields:{fields:{key:"choices" value:{list_value:{}}}}`,
			[]Loss{{"choices", UnknownField, 1}},
		},
		{
			"a Response that speaks of it", "ChatVideoAnalysis", `{"object":"response","id":"chat.completion","choices":[1]}`,
			`object:"response" id:"chat.completion" additional_fields:{fields:{key:"choices" value:{list_value:{values:{number_value:1}}}}}`,
			[]Loss{{"choices", UnknownField, 1}},
		},
		{
			"another RPC", "CreateResponse", `{"object":"chat.completion","created":1}`,
			`object:"chat.completion" additional_fields:{fields:{key:"created" value:{number_value:1}}}`,
			[]Loss{{"created", UnknownField, 1}},
		},
	} {
		tt.run(t)
	}
}
