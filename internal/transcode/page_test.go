package transcode

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// A pageStep is one call of a list: what the request must look like, what the
// upstream answers, and what comes of it. The token of a step is used by the
// next one.
type pageStep struct {
	target  string
	body    string
	want    string // the answer without its token
	more    bool   // whether it has one
	wantErr string
}

// runPages walks a list to its end, with the fields of in in each request.
func runPages(t *testing.T, rpc, in string, steps []pageStep) {
	t.Helper()
	p := planOf(t, rpc)
	token := ""
	for i, step := range steps {
		req := input(t, p, in)
		if token != "" {
			req.ProtoReflect().Set(p.pageToken.desc, protoreflect.ValueOfString(token))
		}
		r, err := p.Request(req)
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if r.Target != step.target {
			t.Errorf("step %d: asked %s, want %s", i, r.Target, step.target)
		}
		a, err := p.Answer(r, []byte(step.body))
		if step.wantErr != "" {
			var malformed *MalformedAnswerError
			if !errors.As(err, &malformed) || err.Error() != step.wantErr {
				t.Errorf("step %d: error %v, want %s", i, err, step.wantErr)
			}
			return
		}
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		out := newOutput(t, p)
		if err := a.Unmarshal(out); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		token = takeToken(out)
		if (token != "") != step.more {
			t.Errorf("step %d: token %q, want one: %v", i, token, step.more)
		}
		checkMessage(t, out, step.want)
	}
}

// takeToken removes the token of the page, which may be inside a folder.
func takeToken(out proto.Message) string {
	page := out.ProtoReflect()
	if folder, ok := out.(*maverav1.Folder); ok {
		page = folder.GetFiles().ProtoReflect()
	}
	fd := page.Descriptor().Fields().ByName("next_page_token")
	token := page.Get(fd).String()
	if token != "" {
		page.Clear(fd)
	}
	return token
}

func TestPages(t *testing.T) {
	tests := []struct {
		name, rpc, in string
		steps         []pageStep
	}{
		{"cursor", "ListFiles", `workspace_id:"w" page_size:2`, []pageStep{
			{target: "/files?workspace_id=w&limit=2", body: `{"object":"list","data":[{"id":"a"},{"id":"b"}],"has_more":true,"next_cursor":"b"}`, want: `data:{id:"a"} data:{id:"b"}`, more: true},
			{target: "/files?workspace_id=w&limit=2&cursor=b", body: `{"data":[{"id":"c"}],"has_more":false,"next_cursor":"c"}`, want: `data:{id:"c"}`},
		}},
		{"cursor, before the rows", "ListFiles", ``, []pageStep{
			{target: "/files", body: `{"next_cursor":"a&b","has_more":true,"data":[{"id":"a"}]}`, want: `data:{id:"a"}`, more: true},
			{target: "/files?cursor=a%26b", body: `{"data":[],"next_cursor":null}`, want: ``},
		}},
		{"cursor that is a number", "ListFiles", ``, []pageStep{
			{target: "/files", body: `{"data":[{"id":"a"}],"next_cursor":17}`, want: `data:{id:"a"}`, more: true},
			{target: "/files?cursor=17", body: `{"data":[{"id":"b"}]}`, want: `data:{id:"b"}`},
		}},
		{"cursor without has_more", "ListFiles", ``, []pageStep{
			{target: "/files", body: `{"data":[{"id":"a"}],"next_cursor":"x"}`, want: `data:{id:"a"}`, more: true},
			{target: "/files?cursor=x", body: `{"data":[{"id":"b"}],"next_cursor":""}`, want: `data:{id:"b"}`},
		}},
		{"cursor with a total: the end is not a page by offset", "ListFiles", ``, []pageStep{
			{target: "/files", body: `{"data":[{"id":"a"}],"next_cursor":"x","total":2}`, want: `data:{id:"a"} total_size:2`, more: true},
			{target: "/files?cursor=x", body: `{"data":[{"id":"b"}],"total":2}`, want: `data:{id:"b"} total_size:2`},
		}},
		{"neither has_more nor next_cursor", "ListPersonas", ``, []pageStep{
			{target: "/personas", body: `{"object":"list","data":[{"id":"a"}]}`, want: `data:{id:"a"}`},
		}},
		{"has_more alone", "ListPersonas", ``, []pageStep{
			{target: "/personas", body: `{"data":[{"id":"a"}],"has_more":true}`, want: `data:{id:"a"}`},
		}},
		{"null has_more", "ListPersonas", ``, []pageStep{
			{target: "/personas", body: `{"data":null,"has_more":null,"next_cursor":null,"total":null,"limit":null,"offset":null}`, want: ``},
		}},
		{"counted", "ListVideoAnalyses", `status:VIDEO_ANALYSIS_STATUS_PENDING page_size:1`, []pageStep{
			{target: "/video-analyses?status=pending&limit=1", body: `{"object":"list","data":[{"id":"a"}],"has_more":true,"total":3}`, want: `data:{id:"a"} total_size:3`, more: true},
			{target: "/video-analyses?status=pending&limit=1&offset=1", body: `{"data":[{"id":"b"}],"has_more":true,"total":3}`, want: `data:{id:"b"} total_size:3`, more: true},
			{target: "/video-analyses?status=pending&limit=1&offset=2", body: `{"data":[{"id":"c"}],"has_more":false,"total":3}`, want: `data:{id:"c"} total_size:3`},
		}},
		{"counted, without has_more", "ListVideoAnalyses", ``, []pageStep{
			{target: "/video-analyses", body: `{"data":[{"id":"a"}],"total":2}`, want: `data:{id:"a"} total_size:2`, more: true},
			{target: "/video-analyses?offset=1", body: `{"data":[{"id":"b"}],"total":2}`, want: `data:{id:"b"} total_size:2`},
		}},
		{"counted, without a total", "ListVideoAnalyses", ``, []pageStep{
			{target: "/video-analyses", body: `{"data":[{"id":"a"}],"has_more":true}`, want: `data:{id:"a"}`, more: true},
			{target: "/video-analyses?offset=1", body: `{"data":[],"has_more":true}`, want: ``}, // an empty page ends it
		}},
		{"offset where a cursor is documented", "ListMaveThreads", `page_size:2`, []pageStep{
			{target: "/mave/threads?limit=2", body: `{"object":"list","data":[{"id":"a"},{"id":"b"}],"total":3,"limit":2,"offset":0,"has_more":true}`, want: `data:{id:"a"} data:{id:"b"} total_size:3`, more: true},
			{target: "/mave/threads?limit=2&offset=2", body: `{"data":[{"id":"c"}],"total":3,"limit":2,"offset":2,"has_more":false}`, want: `data:{id:"c"} total_size:3`},
		}},
		{"an offset that is not obeyed", "ListMaveThreads", ``, []pageStep{
			{target: "/mave/threads", body: `{"data":[{"id":"a"}],"total":3,"offset":0,"has_more":true}`, want: `data:{id:"a"} total_size:3`, more: true},
			{target: "/mave/threads?offset=1", body: `{"data":[{"id":"a"}],"total":3,"offset":0,"has_more":true}`, wantErr: "the list repeats a cursor"},
		}},
		{"bare", "ListBrandVoices", ``, []pageStep{
			{target: "/brand-voices", body: `{"object":"list","data":[{"id":"a"},{"id":"b"}]}`, want: `data:{id:"a"} data:{id:"b"} total_size:2`},
		}},
		{"bare, cut into pages", "ListBrandVoices", `page_size:2`, []pageStep{
			{target: "/brand-voices", body: `{"data":[{"id":"a"},{"id":"b"},{"id":"c"}]}`, want: `data:{id:"a"} data:{id:"b"} total_size:3`, more: true},
			{target: "/brand-voices", body: `{"data":[{"id":"a"},{"id":"b"},{"id":"c"}]}`, want: `data:{id:"c"} total_size:3`},
		}},
		{"bare, shorter by now", "ListBrandVoices", `page_size:2`, []pageStep{
			{target: "/brand-voices", body: `{"data":[{"id":"a"},{"id":"b"},{"id":"c"}]}`, want: `data:{id:"a"} data:{id:"b"} total_size:3`, more: true},
			{target: "/brand-voices", body: `{"data":[{"id":"a"}]}`, want: `total_size:1`},
		}},
		{"bare where the upstream has begun to page", "ListBrandVoices", `page_size:2`, []pageStep{
			{target: "/brand-voices", body: `{"data":[{"id":"a"},{"id":"b"},{"id":"c"}],"has_more":true,"next_cursor":"n"}`, want: `data:{id:"a"} data:{id:"b"}`, more: true},
			{target: "/brand-voices", body: `{"data":[{"id":"a"},{"id":"b"},{"id":"c"}],"has_more":true,"next_cursor":"n"}`, want: `data:{id:"c"}`, more: true},
			{target: "/brand-voices?cursor=n", body: `{"data":[{"id":"d"},{"id":"e"},{"id":"f"}],"has_more":false}`, want: `data:{id:"d"} data:{id:"e"}`, more: true},
			{target: "/brand-voices?cursor=n", body: `{"data":[{"id":"d"},{"id":"e"},{"id":"f"}],"has_more":false}`, want: `data:{id:"f"}`},
		}},
		{"bare with a size: one row more shows whether there is a page more", "ListPersonalizedNewsStories", `persona_ids:"p" page_size:1`, []pageStep{
			{target: "/news/stories/personalized?persona_ids=p&size=2", body: `{"data":[{"id":"a"},{"id":"b"}],"personalization":{"keywords":["k"]}}`, want: `data:{id:"a"} personalization:{keywords:"k"}`, more: true},
			{target: "/news/stories/personalized?persona_ids=p&size=3", body: `{"data":[{"id":"a"},{"id":"b"}]}`, want: `data:{id:"b"}`},
		}},
		{"bare with a size, nothing said", "ListPersonalizedNewsStories", `persona_ids:"p"`, []pageStep{
			{target: "/news/stories/personalized?persona_ids=p", body: `{"data":[{"id":"a"}]}`, want: `data:{id:"a"}`},
		}},
		{"a page inside an object", "GetFolder", `id:"f" page_size:1`, []pageStep{
			{target: "/folders/f?limit=1", body: `{"id":"f","files":{"object":"list","data":[{"id":"a"}],"has_more":true,"next_cursor":"a"}}`, want: `id:"f" files:{data:{id:"a"}}`, more: true},
			{target: "/folders/f?limit=1&cursor=a", body: `{"id":"f","files":{"data":[{"id":"b"}],"has_more":false}}`, want: `id:"f" files:{data:{id:"b"}}`},
		}},
		{"a page of another form inside an object", "GetFolder", `id:"f"`, []pageStep{
			{
				target: "/folders/f", body: `{"id":"f","files":[{"id":"a"}]}`,
				want: `id:"f" additional_fields:{fields:{key:"files" value:{list_value:{values:{struct_value:{fields:{key:"id" value:{string_value:"a"}}}}}}}}`,
			},
		}},
		{"more than the largest page", "ListFiles", `page_size:2147483647`, []pageStep{
			{target: "/files?limit=100", body: `{"data":[]}`, want: ``},
		}},
		{"page_size 0 is none", "ListFiles", `page_size:0`, []pageStep{{target: "/files", body: `{"data":[]}`, want: ``}}},
		{"fields of the envelope that the proto does not model", "ListFiles", ``, []pageStep{
			{
				target: "/files", body: `{"object":"page","data":[],"has_more":"no","total":1.5,"limit":"x","offset":-1,"next_cursor":{},"took":3}`,
				want: `additional_fields:{fields:{key:"object" value:{string_value:"page"}} fields:{key:"has_more" value:{string_value:"no"}}
					fields:{key:"total" value:{number_value:1.5}} fields:{key:"limit" value:{string_value:"x"}} fields:{key:"offset" value:{number_value:-1}}
					fields:{key:"next_cursor" value:{struct_value:{}}} fields:{key:"took" value:{number_value:3}}}`,
			},
		}},
		{"keys of the gateway's own fields", "ListFiles", ``, []pageStep{
			{
				target: "/files", body: `{"data":[],"next_page_token":"x","total_size":7}`,
				want: `additional_fields:{fields:{key:"next_page_token" value:{string_value:"x"}} fields:{key:"total_size" value:{number_value:7}}}`,
			},
		}},
		{"a row that is no object: the list is kept as it came", "ListFiles", ``, []pageStep{
			{
				target: "/files", body: `{"data":[{"id":"a","new":1},7],"next_cursor":"x"}`, more: true,
				want: `additional_fields:{fields:{key:"data" value:{list_value:{values:{struct_value:{fields:{key:"id" value:{string_value:"a"}} fields:{key:"new" value:{number_value:1}}}} values:{number_value:7}}}}}`,
			},
		}},
		{"rows that are no list", "ListFiles", ``, []pageStep{
			{target: "/files", body: `{"data":{"id":"a"}}`, want: `additional_fields:{fields:{key:"data" value:{struct_value:{fields:{key:"id" value:{string_value:"a"}}}}}}`},
		}},
		{"a total that no field can hold", "ListFiles", ``, []pageStep{
			{target: "/files", body: `{"data":[],"total":4294967296}`, want: ``},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { runPages(t, tt.rpc, tt.in, tt.steps) })
	}
}

// TestCursorCircles ends lists that run in a circle, whatever its length and
// wherever it begins, within three times their length.
func TestCursorCircles(t *testing.T) {
	for _, tt := range []struct{ lead, circle int }{{0, 1}, {0, 2}, {0, 5}, {3, 1}, {3, 2}, {4, 5}, {1, 17}} {
		t.Run(fmt.Sprintf("%d pages, then a circle of %d", tt.lead, tt.circle), func(t *testing.T) {
			p := planOf(t, "ListFiles")
			in := &maverav1.ListFilesRequest{}
			for page := 0; ; page++ {
				if page > 3*(tt.lead+tt.circle)+1 {
					t.Fatalf("still going after %d pages", page)
				}
				r, err := p.Request(in)
				if err != nil {
					t.Fatal(err)
				}
				next := page
				if page >= tt.lead {
					next = tt.lead + (page-tt.lead)%tt.circle
				}
				a, err := p.Answer(r, fmt.Appendf(nil, `{"data":[{"id":"a"}],"has_more":true,"next_cursor":"c%d"}`, next))
				if err != nil {
					if !errors.Is(err, errCursorRepeats) {
						t.Errorf("page %d: %v", page, err)
					}
					return
				}
				var out maverav1.ListFilesResponse
				if err := a.Unmarshal(&out); err != nil {
					t.Fatal(err)
				}
				in.PageToken = proto.String(out.GetNextPageToken())
			}
		})
	}
}

// TestLongList follows many cursors without mistaking them for a circle.
func TestLongList(t *testing.T) {
	at := position{}
	for i := range 10000 {
		if at = at.after(fmt.Sprint(i)); at == (position{}) {
			t.Fatalf("cursor %d was taken for a repeated one", i)
		}
	}
}
