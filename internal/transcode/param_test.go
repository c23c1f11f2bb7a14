package transcode

import "testing"

func TestFieldPath(t *testing.T) {
	for _, tt := range []struct{ rpc, param, want string }{
		{"CreateResponse", "model", "model"},
		{"CreateResponse", "input", "input"},
		{"CreateResponse", "input[0].role", "input.items.items[0].message.role"},
		{"CreateResponse", "input.0.content", "input.items.items[0].message.content"},
		{"CreateResponse", "input[1].content[2].image_url", "input.items.items[1].message.content.parts.parts[2].input_image.image_url"},
		{"CreateResponse", "input[1].output", "input.items.items[1].function_call_output.output"},
		{"CreateResponse", "tools[3].parameters", "tools[3].parameters"},
		{"CreateResponse", "tools[3].parameters.type", "tools[3].parameters.type"},
		{"CreateResponse", "text.format.schema", "text.format.json_schema.schema"},
		{"CreateResponse", "tools.name", "tools.name"}, // no position in the list: as it came
		{"CreatePersona", "mcda_weights.timeToValue", "mcda_weights.time_to_value"},
		{"CreateFocusGroup", "questions[0].text", "questions[0].question"},
		{"CreateFocusGroup", "metadata.a.b", "metadata.a.b"},
		{"GetMaveThread", "threadId", "thread_id"},
		{"UpdateWorkspaceMember", "userId", "user_id"},
		{"UpdateWorkspaceMember", "user_id", "user_id"},
		{"ListFiles", "limit", "page_size"},
		{"ListFiles", "cursor", "page_token"},
		{"ListVideoAnalyses", "offset", "page_token"},
		{"ListPersonalizedNewsStories", "size", "page_size"},
		{"CreateFile", "limit", "limit"}, // no list
		{"CreateFile", "file_size.x", "file_size.x"},
		{"CreateFile", "nonsense", "nonsense"},
		{"CreateFile", "", ""},
		{"CreateFile", "[]", "[]"},
	} {
		if got := planOf(t, tt.rpc).FieldPath(tt.param); got != tt.want {
			t.Errorf("%s %s: got %s, want %s", tt.rpc, tt.param, got, tt.want)
		}
	}
}
