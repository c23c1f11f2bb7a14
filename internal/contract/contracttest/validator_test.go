package contracttest_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/oasdiff/yaml"

	"github.com/mavera-gateway/mavera-gateway/internal/contract"
	"github.com/mavera-gateway/mavera-gateway/internal/contract/contracttest"
)

func load(t *testing.T) *contracttest.Validator {
	t.Helper()
	v, err := contracttest.Load()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// links returns, for each example file, the JSON pointers of the schemas that
// stand beside a link to it.
func links(t *testing.T) map[string][]string {
	t.Helper()
	text, err := yaml.YAMLToJSON(contract.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	var walk func(where string, node any)
	walk = func(where string, node any) {
		switch node := node.(type) {
		case []any:
			for _, child := range node {
				walk(where, child) // No link of the contract is below a list.
			}
		case map[string]any:
			if examples, ok := node["examples"].(map[string]any); ok && node["schema"] != nil {
				for _, e := range examples {
					if file, ok := e.(map[string]any)["externalValue"].(string); ok {
						file = strings.TrimPrefix(file, "./")
						found[file] = append(found[file], where+"/schema")
					}
				}
			}
			for key, child := range node {
				walk(where+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(key), child)
			}
		}
	}
	walk("", doc)
	return found
}

func TestEveryExampleMatchesItsSchema(t *testing.T) {
	v := load(t)
	linked := links(t)
	var files []string
	err := fs.WalkDir(contract.Examples, "examples", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 90 {
		t.Fatalf("only %d example files are embedded", len(files))
	}
	for _, file := range files {
		text, err := contract.Examples.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(linked[file]) == 0 {
			t.Errorf("%s: openapi.yaml does not link it", file)
		}
		for _, where := range linked[file] {
			check := v.Check
			if strings.HasSuffix(file, ".sse") {
				check = v.Stream
			}
			if err := check(where, text); err != nil {
				t.Errorf("%s against %s: %v", file, where, err)
			}
		}
		delete(linked, file)
	}
	for file := range linked {
		t.Errorf("openapi.yaml links %s, which does not exist", file)
	}
}

func TestOperations(t *testing.T) {
	v := load(t)
	ops := v.Operations()
	if got, want := len(ops), bytes.Count(contract.OpenAPI, []byte("operationId: ")); got != want {
		t.Errorf("%d operations, openapi.yaml has %d", got, want)
	}
	if !sort.SliceIsSorted(ops, func(i, j int) bool { return ops[i].ID < ops[j].ID }) {
		t.Error("operations are not ordered by id")
	}
}

func TestFind(t *testing.T) {
	v := load(t)
	for _, tt := range []struct {
		method, path string
		want         string
		params       map[string]string
	}{
		{"GET", "/personas", "listPersonas", map[string]string{}},
		{"POST", "/files/upload-url", "createFileUploadUrl", map[string]string{}},
		{"GET", "/news/stories/trending", "listTrendingNewsStories", map[string]string{}}, // A literal wins over {id}.
		{"GET", "/news/stories/a%2Fb", "getNewsStory", map[string]string{"id": "a/b"}},
		{"POST", "/meetings/m1/schemas/s1/run", "runMeetingSchema", map[string]string{"id": "m1", "schemaId": "s1"}},
	} {
		op, params, err := v.Find(tt.method, tt.path)
		if err != nil {
			t.Errorf("%s %s: %v", tt.method, tt.path, err)
			continue
		}
		if op.ID != tt.want || !cmp.Equal(params, tt.params) {
			t.Errorf("%s %s: got %s %v, want %s %v", tt.method, tt.path, op.ID, params, tt.want, tt.params)
		}
	}
	for _, bad := range [][2]string{{"PUT", "/personas"}, {"GET", "/personas/"}, {"GET", "/personas/a/b"}, {"GET", "/"}, {"GET", ""}} {
		if op, _, err := v.Find(bad[0], bad[1]); err == nil {
			t.Errorf("%s %q: found %s", bad[0], bad[1], op.ID)
		}
	}
}

func TestRequest(t *testing.T) {
	v := load(t)
	persona := `"model":"mavera-1","persona_id":"p"`
	for _, tt := range []struct {
		name, method, target, body string
		wantErr                    string // "" when valid.
	}{
		{name: "query", method: "GET", target: "/personas?limit=100&is_custom=true"},
		{name: "limit is too large", method: "GET", target: "/personas?limit=101", wantErr: "limit"},
		{name: "limit is no number", method: "GET", target: "/personas?limit=x", wantErr: "limit"},
		{name: "boolean is a word", method: "GET", target: "/personas?is_custom=yes", wantErr: "is_custom"},
		{name: "unknown query parameter", method: "GET", target: "/personas?page=2", wantErr: `"page" is not in the contract`},
		{name: "missing query parameter", method: "GET", target: "/folders", wantErr: "workspace_id"},
		{name: "enum in the query", method: "GET", target: "/video-analyses?status=gone", wantErr: "status"},
		{name: "input as text", method: "POST", target: "/responses", body: `{` + persona + `,"input":"hi"}`},
		{name: "input as items", method: "POST", target: "/responses", body: `{` + persona + `,"input":[{"role":"user","content":[{"type":"input_text","text":"x"}]},{"type":"function_call_output","call_id":"c","output":"{}"}]}`},
		{name: "input as number", method: "POST", target: "/responses", body: `{` + persona + `,"input":1}`, wantErr: "/input"},
		{name: "const is checked inside oneOf", method: "POST", target: "/responses", body: `{` + persona + `,"input":"x","tools":[{"type":"web","name":"a","description":"b","parameters":{}}]}`, wantErr: "/tools/0/type"},
		{name: "missing field", method: "POST", target: "/responses", body: `{"model":"mavera-1","input":"x"}`, wantErr: "persona_id"},
		{name: "null where not allowed", method: "POST", target: "/responses", body: `{` + persona + `,"input":"x","instructions":null}`, wantErr: "/instructions"},
		{name: "not JSON", method: "POST", target: "/responses", body: `{`, wantErr: "not JSON"},
		{name: "no body", method: "POST", target: "/responses", wantErr: "required and missing"},
		{name: "optional body", method: "POST", target: "/meetings/m/cancel"},
		{name: "body where none belongs", method: "POST", target: "/files/f/favorite", body: `{}`, wantErr: "takes none"},
		{name: "format", method: "POST", target: "/meetings", body: `{"meeting_url":"https://a.example","join_at":"tomorrow"}`, wantErr: "/join_at"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.target, nil)
			r.Header.Set("Content-Type", "application/json")
			wantError(t, v.Request(r, []byte(tt.body)), tt.wantErr)
		})
	}
	t.Run("content type", func(t *testing.T) {
		r := httptest.NewRequest("POST", "/workspaces", nil)
		wantError(t, v.Request(r, []byte(`{"name":"a"}`)), "content type")
	})
}

func TestAnswer(t *testing.T) {
	v := load(t)
	const bv = `"id":"b","object":"brand_voice","label":"l","usage_context":"u"`
	for _, tt := range []struct {
		name, method, target, media, body string
		status                            int
		header                            [2]string
		wantErr                           string
	}{
		{name: "null is one of the types", method: "GET", target: "/brand-voices/b", status: 200, body: `{` + bv + `,"status":"failed","error":null,"tone":null}`},
		{name: "null is none of the types", method: "GET", target: "/brand-voices/b", status: 200, body: `{` + bv + `,"status":null}`, wantErr: "/status"},
		{name: "enum", method: "GET", target: "/brand-voices/b", status: 200, body: `{` + bv + `,"status":"odd"}`, wantErr: "/status"},
		{name: "time in Unix seconds", method: "GET", target: "/brand-voices/b", status: 200, body: `{` + bv + `,"status":"failed","created_at":1}`},
		{name: "time in another form", method: "GET", target: "/brand-voices/b", status: 200, body: `{` + bv + `,"status":"failed","created_at":"now"}`, wantErr: "/created_at"},
		{name: "error", method: "GET", target: "/brand-voices/b", status: 404, body: `{"error":{"message":"m","type":"t","code":"c","param":null}}`},
		{name: "undeclared status is an error too", method: "GET", target: "/brand-voices/b", status: 418, body: `{"error":{"message":"m","type":"t"}}`, wantErr: "code"},
		{name: "header", method: "GET", target: "/usage", status: 200, body: `{}`, header: [2]string{"X-RateLimit-Limit", "many"}, wantErr: "X-RateLimit-Limit"},
		{name: "content type", method: "GET", target: "/usage", status: 200, media: "text/html", body: `{}`, wantErr: "content type"},
		{name: "empty body", method: "GET", target: "/usage", status: 200, wantErr: "not JSON"},
		{name: "union by enum", method: "GET", target: "/personas/p", status: 200, body: `{"id":"p","object":"file","name":"n"}`, wantErr: "oneOf"},
		{name: "stream", method: "POST", target: "/responses", status: 200, media: "text/event-stream; charset=utf-8", body: "event: error\ndata: {\"type\":\"error\",\"code\":null}\n\ndata: [DONE]\n\n"},
		{name: "stream with an unknown event", method: "POST", target: "/responses", status: 200, media: "text/event-stream", body: "data: {\"type\":\"news\"}\n\n", wantErr: "event 0"},
		{name: "stream whose names differ", method: "POST", target: "/responses", status: 200, media: "text/event-stream", body: "event: oops\ndata: {\"type\":\"error\"}\n\n", wantErr: `says "oops"`},
		{name: "stream that goes on", method: "POST", target: "/responses", status: 200, media: "text/event-stream", body: "data: [DONE]\n\ndata: {\"type\":\"error\"}\n\n", wantErr: "not the last"},
		{name: "stream without events", method: "POST", target: "/responses", status: 200, media: "text/event-stream", wantErr: "without events"},
		{name: "stream of open payload", method: "POST", target: "/generations", status: 200, media: "text/event-stream", body: "data: anything\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{"Content-Type": {"application/json"}}
			if tt.media != "" {
				header.Set("Content-Type", tt.media)
			}
			if tt.header[0] != "" {
				header.Set(tt.header[0], tt.header[1])
			}
			wantError(t, v.Answer(httptest.NewRequest(tt.method, tt.target, nil), tt.status, header, []byte(tt.body)), tt.wantErr)
		})
	}
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	switch {
	case part == "" && err != nil:
		t.Errorf("unexpected: %v", err)
	case part != "" && err == nil:
		t.Errorf("no error, want one about %q", part)
	case part != "" && !strings.Contains(err.Error(), part):
		t.Errorf("got %v, want it to name %q", err, part)
	}
}

func TestEvents(t *testing.T) {
	got := contracttest.Events([]byte(": comment\r\n\r\nevent: a\r\ndata: 1\r\ndata:2\r\n\r\nid: 7\n\ndata\n\n"))
	want := []contracttest.Event{{Name: "a", Data: "1\n2"}, {Data: ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
