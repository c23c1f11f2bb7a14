package transcode

import "testing"

func TestQuery(t *testing.T) {
	tests := []struct{ name, rpc, in, want string }{
		{"nothing set", "ListFiles", ``, "/files"},
		{
			"strings and bools", "ListFiles", `workspace_id:"ws_1" is_favorite:false search:"a b&c=é+%"`,
			"/files?workspace_id=ws_1&is_favorite=false&search=a+b%26c%3D%C3%A9%2B%25",
		},
		{"an empty string that is set", "ListFiles", `search:""`, "/files?search="},
		{"an enum", "ListVideoAnalyses", `status:VIDEO_ANALYSIS_STATUS_FAILED`, "/video-analyses?status=failed"},
		{"UNSPECIFIED", "ListVideoAnalyses", `status:VIDEO_ANALYSIS_STATUS_UNSPECIFIED`, "/video-analyses"},
		{"doubles", "GetMeetingTranscript", `id:"m" start_time:0 end_time:90.5`, "/meetings/m/transcript?start_time=0&end_time=90.5"},
		{"a list", "ListPersonalizedNewsStories", `persona_ids:"a" persona_ids:"b c"`, "/news/stories/personalized?persona_ids=a%2Cb+c"},
		{"no list", "ListPersonalizedNewsStories", ``, "/news/stories/personalized"},
		{"the page last", "ListFolders", `page_size:7 workspace_id:"w"`, "/folders?workspace_id=w&limit=7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := planOf(t, tt.rpc)
			r, err := p.Request(input(t, p, tt.in))
			if err != nil || r.Target != tt.want || r.Body != nil {
				t.Errorf("got %+v, %v, want %s", r, err, tt.want)
			}
		})
	}
}

func TestQueryRefusals(t *testing.T) {
	tests := []struct {
		rpc, in string
		want    Violation
	}{
		{"ListVideoAnalyses", `status:99`, Violation{"status", "99 is no value of VideoAnalysisStatus"}},
		{"GetMeetingTranscript", `id:"m" end_time:inf`, Violation{"end_time", "must be a finite number: JSON has no +Inf"}},
		{"ListPersonalizedNewsStories", `persona_ids:"a" persona_ids:"b,c"`, Violation{"persona_ids[1]", "must not hold a comma"}},
		{"ListFiles", `page_size:-1`, Violation{"page_size", "must not be negative"}},
		{"ListFiles", `page_token:"x"`, Violation{"page_token", "is not a token that this RPC gave for these filters"}},
	}
	for _, tt := range tests {
		checkRefused(t, tt.rpc, input(t, planOf(t, tt.rpc), tt.in), tt.want)
	}
}
