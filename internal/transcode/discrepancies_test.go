package transcode

import (
	"reflect"
	"testing"
)

// TestDiscrepancies goes through section 11 of the contract's README: where two
// pages of the documentation differ on the wire, both forms are read, or sent.
func TestDiscrepancies(t *testing.T) {
	const job = `id:"a" status:BRAND_VOICE_STATUS_COMPLETED`
	answers := []struct {
		topic, rpc         string
		one, wantOne       string
		another, wantOther string
		loss               []Loss // of the other form
	}{
		{
			"dates", "GetPersona",
			`{"created_at":"2024-01-27T08:54:38Z"}`, `created_at:{seconds:1706345678}`,
			`{"created_at":1706345678}`, `created_at:{seconds:1706345678}`, nil,
		},
		{
			"Mave validation", "SendMaveMessage",
			`{"content":"x","validation":{"confidence_score":0.9}}`, `content:"x" validation:{confidence_score:0.9}`,
			`{"content":"x"}`, `content:"x"`, nil,
		},
		{
			"usage names", "CreateGeneration",
			`{"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}`, `usage:{input_tokens:1 output_tokens:2 total_tokens:3}`,
			`{"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`, `usage:{prompt_tokens:1 completion_tokens:2 total_tokens:3}`, nil,
		},
		{
			"usage", "GetGeneration",
			`{"id":"g","usage":{"credits_used":12}}`, `id:"g" usage:{credits_used:12}`,
			`{"id":"g"}`, `id:"g"`, nil,
		},
		{
			"job state, case", "GetVideoAnalysis",
			`{"status":"completed"}`, `status:VIDEO_ANALYSIS_STATUS_COMPLETED`,
			`{"status":"COMPLETED"}`, `status:VIDEO_ANALYSIS_STATUS_COMPLETED`, nil,
		},
		{
			"job state, READY", "GetBrandVoice",
			`{"id":"a","status":"completed"}`, job,
			`{"id":"a","status":"READY"}`, job, nil,
		},
		{
			"video results", "GetVideoAnalysis",
			`{"results":{"metrics":{"ad_effectiveness":{"score":7}}},"chunks":[{"index":0}]}`,
			`results:{metrics:{ad_effectiveness:{score:7}}} chunks:{index:0}`,
			`{"results":{"full_video_metrics":{"overall_score":7},"chunks":[{"index":0}]}}`,
			`results:{full_video_metrics:{fields:{key:"overall_score" value:{number_value:7}}} chunks:{index:0}}`, nil,
		},
		{
			"video chat answer", "ChatVideoAnalysis",
			`{"id":"r","object":"response","created_at":5,"output":[{"type":"message","content":[{"type":"output_text","text":"x"}]}]}`,
			`id:"r" object:"response" created_at:{seconds:5} output:{message:{content:{output_text:{text:"x"}}}}`,
			`{"id":"c","object":"chat.completion","created":5,"choices":[{"message":{"content":"x"}}]}`,
			`id:"c" object:"chat.completion" created_at:{seconds:5} output:{message:{content:{output_text:{text:"x"}}}}`, nil,
		},
		{
			"meeting_url", "CreateMeeting",
			`{"meeting_url":{"platform":"zoom"}}`, `meeting_url:{object:{fields:{key:"platform" value:{string_value:"zoom"}}}}`,
			`{"meeting_url":"https://zoom.example.com/j/1"}`, `meeting_url:{url:"https://zoom.example.com/j/1"}`, nil,
		},
		{
			"urls of a brand voice", "GetBrandVoice",
			`{"sources":{"urls":[{"id":"s","url":"https://a"}]}}`, `sources:{urls:{id:"s" url:"https://a"}}`,
			`{"sources":{"urls":["https://a"]}}`, `sources:{urls:{url:"https://a"}}`, nil,
		},
		{
			"key_points of a story", "GetNewsStory",
			`{"key_points":[{"point":"p","references":["r"]}],"history":[{"key_points":[{"point":"q"}]}]}`,
			`key_points:{point:"p" references:"r"} history:{key_points:{point:"q"}}`,
			`{"key_points":["p"],"history":[{"key_points":["q"]}]}`, `key_points:{point:"p"} history:{key_points:{point:"q"}}`, nil,
		},
		{
			"persona object", "CreatePersona",
			`{"object":"custom_persona"}`, `object:"custom_persona"`,
			`{"object":"persona"}`, `object:"persona"`, nil,
		},
		{
			"generation, app", "GetGeneration",
			`{"app":{"id":"a","name":"Blog"},"content":"x","content_type":"markdown"}`,
			`app:{id:"a" name:"Blog"} content:"x" content_type:GENERATION_CONTENT_TYPE_MARKDOWN`,
			`{"app":"Blog","content_type":"MARKDOWN"}`,
			`content_type:GENERATION_CONTENT_TYPE_MARKDOWN additional_fields:{fields:{key:"app" value:{string_value:"Blog"}}}`,
			[]Loss{{"app", WrongType, 1}},
		},
		{
			"generation, markdown", "GetGeneration",
			`{"output":"# x"}`, `output:"# x"`,
			`{"markdown":"# x"}`, `additional_fields:{fields:{key:"markdown" value:{string_value:"# x"}}}`,
			[]Loss{{"markdown", UnknownField, 1}},
		},
		{
			"lists with an offset", "ListGenerations",
			`{"object":"list","data":[],"has_more":false,"next_cursor":null}`, ``,
			`{"object":"list","data":[],"total":0,"limit":20,"offset":0,"has_more":false}`, `total_size:0`, nil,
		},
	}
	for _, tt := range answers {
		t.Run(tt.topic, func(t *testing.T) {
			a, out := decoded(t, planOf(t, tt.rpc), tt.one)
			checkMessage(t, out, tt.wantOne)
			if a.Losses != nil {
				t.Errorf("losses %v", a.Losses)
			}
			a, out = decoded(t, planOf(t, tt.rpc), tt.another)
			checkMessage(t, out, tt.wantOther)
			if !reflect.DeepEqual(a.Losses, tt.loss) {
				t.Errorf("losses %v, want %v", a.Losses, tt.loss)
			}
		})
	}

	requests := []struct {
		topic, rpc         string
		one, wantOne       string
		another, wantOther string
	}{
		{
			"persona_id in responses", "CreateResponse",
			`model:"mavera-1" persona_id:"p"`, `{"model":"mavera-1","persona_id":"p"}`,
			`model:"mavera-1"`, `{"model":"mavera-1"}`,
		},
		{
			"JSON schema format", "CreateResponse",
			`text:{format:{json_schema:{name:"n" schema:{} strict:true}}}`, `{"text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{}}}}`,
			`text:{format:{json_schema:{json_schema:{name:"n" schema_json:"{}"}}}}`, `{"text":{"format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}}}`,
		},
		{
			"token limit", "CreateResponse",
			`max_output_tokens:9`, `{"max_output_tokens":9}`,
			`additional_fields:{fields:{key:"max_tokens" value:{number_value:9}}}`, `{"max_tokens":9}`,
		},
		{
			"video source", "CreateVideoAnalysis",
			`video_url:"https://v"`, `{"video_url":"https://v"}`,
			`asset_id:"file_1"`, `{"asset_id":"file_1"}`,
		},
		{
			"urls of a brand voice", "CreateBrandVoice",
			`urls:{url:"https://a" description:"d"}`, `{"urls":[{"url":"https://a","description":"d"}]}`,
			`urls:{url:"https://a"}`, `{"urls":["https://a"]}`,
		},
		{
			"workspace_id", "CreateVideoAnalysis",
			`workspace_id:"w"`, `{"workspace_id":"w"}`,
			``, `{}`,
		},
	}
	for _, tt := range requests {
		t.Run(tt.topic, func(t *testing.T) {
			p := planOf(t, tt.rpc)
			checkBody(t, tt.rpc, input(t, p, tt.one), tt.wantOne)
			checkBody(t, tt.rpc, input(t, p, tt.another), tt.wantOther)
		})
	}
}
