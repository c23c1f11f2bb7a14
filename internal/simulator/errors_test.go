package simulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

func TestAuthentication(t *testing.T) {
	const revoked, expired, lapsed = "mvra_live_revoked_0000000000000000", "mvra_live_expired_0000000000000000", "mvra_live_lapsed_00000000000000000"
	a := start(t, simulator.Options{Keys: map[string]simulator.KeyState{
		simulator.DemoKey: simulator.KeyValid, revoked: simulator.KeyRevoked, expired: simulator.KeyExpired, lapsed: simulator.KeyLapsed,
	}})
	for _, tt := range []struct{ name, header, want string }{
		{"none", "", `[401,"missing_api_key",null]`},
		{"no key after the scheme", "Bearer ", `[401,"missing_api_key",null]`},
		{"another scheme", "Basic " + simulator.DemoKey, `[401,"invalid_api_key",null]`},
		{"unknown", "Bearer mvra_live_unknown", `[401,"invalid_api_key",null]`},
		{"revoked", "Bearer " + revoked, `[401,"revoked_api_key",null]`},
		{"expired", "Bearer " + expired, `[401,"expired_api_key",null]`},
		{"lapsed", "Bearer " + lapsed, `[402,"credits_exhausted",null]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &api{t: t, sim: a.sim, server: a.server}
			r := a.request("GET", "/usage", nil)
			if tt.header != "" {
				r.Header.Set("Authorization", tt.header)
			}
			_, a.key, _ = strings.Cut(tt.header, " ")
			res, err := a.server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if got := res.Header.Get("X-RateLimit-Limit"); (got == "") != (res.StatusCode == http.StatusUnauthorized) {
				t.Errorf("status %d with X-RateLimit-Limit %q", res.StatusCode, got)
			}
			if !strings.HasPrefix(tt.header, "Basic") {
				want(t, "answer", a.refused("GET", "/usage", nil), tt.want)
			}
		})
	}
	want(t, "length of the demo key", len(simulator.DemoKey) >= 32 && strings.HasPrefix(simulator.DemoKey, "mvra_live_"), true)
}

func TestRefusals(t *testing.T) {
	a := start(t, simulator.Options{})
	running := a.ok("POST", "/video-analyses", sample(t, "create-video-analysis"))["id"].(string)
	waiting := a.ok("POST", "/meetings", object{"meeting_url": "https://meet.google.com/abc"})["id"].(string)
	response, persona := sample(t, "create-response.text"), sample(t, "create-persona")
	video, file := sample(t, "create-video-analysis"), sample(t, "create-file")
	link, group := sample(t, "create-file-upload-url"), sample(t, "create-focus-group")
	generation := sample(t, "create-generation")
	for _, tt := range []struct {
		name, method, path string
		body               any
		want               string
	}{
		{"not JSON", "POST", "/responses", "{", `[400,"invalid_field",null]`},
		{"text after the JSON", "POST", "/responses", "{}{}", `[400,"invalid_field",null]`},
		{"no object", "POST", "/responses", "[]", `[400,"invalid_field",null]`},
		{"missing model", "POST", "/responses", with(response, object{"model": nil}), `[400,"missing_field","model"]`},
		{"null is missing", "POST", "/responses", `{"model":"mavera-1","input":null,"persona_id":"p"}`, `[400,"missing_field","input"]`},
		{"missing persona", "POST", "/responses", with(response, object{"persona_id": nil}), `[400,"missing_field","persona_id"]`},
		{"other model", "POST", "/responses", with(response, object{"model": "gpt"}), `[400,"invalid_model","model"]`},
		{"unknown persona", "POST", "/responses", with(response, object{"persona_id": "nobody"}), `[400,"invalid_persona","persona_id"]`},
		{"temperature", "POST", "/responses", with(response, object{"temperature": 2.5}), `[400,"invalid_field","temperature"]`},
		{"type of a flag", "POST", "/responses", with(response, object{"stream": "yes"}), `[400,"invalid_field","stream"]`},
		{"fraction", "POST", "/responses", with(response, object{"max_output_tokens": 1.5}), `[400,"invalid_field","max_output_tokens"]`},
		{"nested", "POST", "/responses", with(response, object{"text": object{"format": object{"type": "xml"}}}), `[400,"invalid_field","text.format.type"]`},
		{"inside a list", "POST", "/responses", with(response, object{"tools": []any{object{"type": "function", "name": "f", "description": "d"}}}), `[400,"missing_field","tools[0].parameters"]`},
		{"long input", "POST", "/responses", with(response, object{"input": strings.Repeat("x", 100001)}), `[400,"invalid_field","input"]`},
		{"no messages", "POST", "/chat/completions", object{"model": "mavera-1", "persona_id": "p", "messages": []any{}}, `[400,"invalid_field","messages"]`},
		{"unknown thread", "POST", "/mave/chat", object{"message": "m", "thread_id": "t"}, `[404,"resource_not_found","thread_id"]`},
		{"unknown workspace", "POST", "/mave/chat", object{"message": "m", "workspace_id": "w"}, `[404,"resource_not_found","workspace_id"]`},
		{"closed workspace", "POST", "/mave/chat", object{"message": "m", "workspace_id": "ws_closed"}, `[403,"forbidden",null]`},
		{"long title", "PATCH", "/mave/threads/mave_thread_abc123", object{"title": strings.Repeat("x", 101)}, `[400,"invalid_field","title"]`},
		{"patch of nothing", "PATCH", "/mave/threads/t", object{"title": "x"}, `[404,"resource_not_found",null]`},
		{"size", "GET", "/news/stories/trending?size=51", nil, `[400,"invalid_field","size"]`},
		{"no personas", "GET", "/news/stories/personalized", nil, `[400,"missing_field","persona_ids"]`},
		{"unknown persona in the query", "GET", "/news/stories/personalized?persona_ids=a,b", nil, `[400,"invalid_persona","persona_ids"]`},
		{"unknown story", "POST", "/news/stories/s/analyze", object{"persona_id": "p"}, `[404,"resource_not_found",null]`},
		{"unknown reader", "POST", "/news/stories/story_abc123/analyze", object{"persona_id": "p"}, `[400,"invalid_persona","persona_id"]`},
		{"long message", "POST", "/news/stories/story_abc123/chat", object{"message": strings.Repeat("x", 2001)}, `[400,"invalid_field","message"]`},
		{"limit", "GET", "/personas?limit=0", nil, `[400,"invalid_field","limit"]`},
		{"flag in the query", "GET", "/personas?is_custom=1", nil, `[400,"invalid_field","is_custom"]`},
		{"cursor", "GET", "/personas?cursor=zzz", nil, `[400,"invalid_field","cursor"]`},
		{"cursor of files", "GET", "/files?cursor=zzz", nil, `[400,"invalid_field","cursor"]`},
		{"pipeline", "POST", "/personas", with(persona, object{"pipeline_type": "south"}), `[400,"invalid_field","pipeline_type"]`},
		{"short name", "POST", "/personas", with(persona, object{"name": "x"}), `[400,"invalid_field","name"]`},
		{"type of a list", "POST", "/personas", with(persona, object{"goals": "one"}), `[400,"invalid_field","goals"]`},
		{"base persona", "PATCH", "/personas/clx1abc2d0001abcdef123456", object{"name": "New"}, `[403,"forbidden",null]`},
		{"base persona goes", "DELETE", "/personas/clx1abc2d0001abcdef123456", nil, `[403,"forbidden",null]`},
		{"short context", "POST", "/brand-voices", object{"label": "ab", "usage_context": "short"}, `[400,"invalid_field","usage_context"]`},
		{"no sources", "POST", "/brand-voices", object{"label": "ab", "usage_context": "long enough"}, `[400,"missing_field","urls"]`},
		{"status of voices", "GET", "/brand-voices?status=odd", nil, `[400,"invalid_field","status"]`},
		{"deleted twice", "DELETE", "/brand-voices/none", nil, `[404,"resource_not_found",null]`},
		{"no workspace", "POST", "/focus-groups", with(group, object{"workspace_id": nil}), `[400,"missing_field","workspace_id"]`},
		{"unknown project", "POST", "/focus-groups", with(group, object{"project_id": "p"}), `[404,"resource_not_found","project_id"]`},
		{"unknown respondent", "POST", "/focus-groups", with(group, object{"persona_ids": []any{"p"}}), `[400,"invalid_persona","persona_ids"]`},
		{"no video", "POST", "/video-analyses", with(video, object{"video_url": nil}), `[400,"missing_field","video_url"]`},
		{"no URL", "POST", "/video-analyses", with(video, object{"video_url": "spot.mp4"}), `[400,"invalid_field","video_url"]`},
		{"unknown file", "POST", "/video-analyses", with(video, object{"asset_id": "f"}), `[400,"invalid_field","asset_id"]`},
		{"intent", "POST", "/video-analyses", with(video, object{"primary_intent": "Odd"}), `[400,"invalid_field","primary_intent"]`},
		{"chat too early", "POST", "/video-analyses/" + running + "/chat", sample(t, "chat-video-analysis"), `[400,"invalid_field","id"]`},
		{"offset", "GET", "/video-analyses?offset=-1", nil, `[400,"invalid_field","offset"]`},
		{"large file", "POST", "/files/upload-url", with(link, object{"file_type": "image/png", "file_size": 10<<20 + 1}), `[400,"invalid_field","file_size"]`},
		{"large video", "POST", "/files/upload-url", with(link, object{"file_size": 2<<30 + 1}), `[400,"invalid_field","file_size"]`},
		{"checksum", "POST", "/files/upload-url", with(link, object{"checksum": "abc"}), `[400,"invalid_field","checksum"]`},
		{"unknown folder", "POST", "/files", with(file, object{"folder_id": "f"}), `[404,"resource_not_found","folder_id"]`},
		{"folders of no workspace", "GET", "/folders", nil, `[400,"missing_field","workspace_id"]`},
		{"hidden workspace", "GET", "/workspaces/ws_closed", nil, `[403,"forbidden",null]`},
		{"email", "POST", "/workspaces/ws_abc123/members", object{"email": "nobody"}, `[400,"invalid_field","email"]`},
		{"owner by invitation", "POST", "/workspaces/ws_abc123/members", object{"email": "a@example.com", "role": "owner"}, `[403,"forbidden",null]`},
		{"invited by a viewer", "POST", "/workspaces/ws_def456/members", object{"email": "a@example.com"}, `[403,"forbidden",null]`},
		{"owner by change", "PATCH", "/workspaces/ws_abc123/members/user_def456", object{"role": "owner"}, `[403,"forbidden",null]`},
		{"owner no more", "PATCH", "/workspaces/ws_abc123/members/user_abc123", object{"role": "viewer"}, `[403,"forbidden",null]`},
		{"unknown member", "PATCH", "/workspaces/ws_abc123/members/u", object{"role": "viewer"}, `[404,"resource_not_found",null]`},
		{"long goal", "POST", "/projects", object{"name": "p", "goal": strings.Repeat("x", 501)}, `[400,"invalid_field","goal"]`},
		{"unknown template", "POST", "/generations", with(generation, object{"app_id": "a"}), `[404,"resource_not_found","app_id"]`},
		{"unknown voice", "POST", "/generations", with(generation, object{"brand_voice_id": "b"}), `[400,"invalid_field","brand_voice_id"]`},
		{"generation without a title", "PATCH", "/generations/gen_abc123", object{}, `[400,"missing_field","title"]`},
		{"join_at", "POST", "/meetings", object{"meeting_url": "https://a.example", "join_at": "soon"}, `[400,"invalid_field","join_at"]`},
		{"transcript too early", "GET", "/meetings/" + waiting + "/transcript", nil, `[404,"resource_not_found",null]`},
		{"transcript format", "GET", "/meetings/meeting_123/transcript?format=pdf", nil, `[400,"invalid_field","format"]`},
		{"transcript time", "GET", "/meetings/meeting_123/transcript?start_time=x", nil, `[400,"invalid_field","start_time"]`},
		{"cancelled too late", "POST", "/meetings/meeting_123/cancel", object{}, `[400,"invalid_field","id"]`},
		{"unknown schema", "POST", "/meetings/meeting_123/schemas/s/run", nil, `[404,"resource_not_found",null]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &api{t: t, sim: a.sim, server: a.server, key: a.key}
			want(t, "answer", a.refused(tt.method, tt.path, tt.body), tt.want)
		})
	}
}

// TestUnknownRoutes goes past the contract check, which would report them.
func TestUnknownRoutes(t *testing.T) {
	sim := newSimulator(t, simulator.Options{})
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/api/v1/nothing", 404},
		{"GET", "/api/v1/personas/", 404}, // A path parameter is never empty.
		{"GET", "/api/v1/personas/a/b", 404},
		{"GET", "/", 404},
		{"PUT", "/api/v1/personas", 405},
		{"GET", "/api/v1/personas/a%2Fb", 404}, // One segment: a persona that does not exist.
		{"GET", "/api/v1/personas/%2e%2e", 404},
	} {
		w := ask(sim, tt.method, tt.path, "")
		want(t, tt.method+" "+tt.path, w.Code, tt.status)
		if !strings.Contains(w.Body.String(), `"error"`) {
			t.Errorf("%s %s: body %q", tt.method, tt.path, w.Body)
		}
	}
	want(t, "operation of an escaped slash", sim.Requests()[5].OperationID, "getPersona")
}

func TestUniquePersonas(t *testing.T) {
	a := start(t, simulator.Options{Settings: simulator.Settings{UniquePersonas: true}})
	want(t, "second persona of one name", a.refused("POST", "/personas", sample(t, "create-persona")), `[422,"duplicate_name","name"]`)
}

func TestOptionsAreChecked(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options simulator.Options
		want    string
	}{
		{"reset", simulator.Options{Settings: simulator.Settings{Reset: "soon"}}, `simulator: reset: "soon" is neither "oldest" nor "empty"`},
		{"envelope", simulator.Options{Settings: simulator.Settings{Envelope: "big"}}, `simulator: envelope: "big" is neither "cursor" nor "offset"`},
		{"speed", simulator.Options{Settings: simulator.Settings{Speed: -1}}, `simulator: speed: -1 is negative`},
		{"job", simulator.Options{Settings: simulator.Settings{JobDuration: map[string]time.Duration{"films": 1}}}, `simulator: job duration: "films" is not a family of jobs`},
		{"latency", simulator.Options{Settings: simulator.Settings{Latency: map[string]time.Duration{"films": 1}}}, `simulator: latency: "films" is not a family of operations`},
		{"key", simulator.Options{Keys: map[string]simulator.KeyState{"mvra_live_secretsecret": "odd"}}, `simulator: keys: mvra_live_secr... has the unknown state "odd"`},
	} {
		_, err := simulator.New(tt.options)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}
