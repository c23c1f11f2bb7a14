package simulator_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mavera-gateway/mavera-gateway/internal/contract/contracttest"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// TestEveryOperation calls every operation with success; Wrap holds each
// request and answer against the contract.
func TestEveryOperation(t *testing.T) {
	a := start(t, simulator.Options{Settings: simulator.Settings{
		Credits:     100000,
		JobDuration: map[string]time.Duration{"focus_groups": 0, "video_analyses": 0, "brand_voices": 0, "meetings": 0},
	}})
	id := func(o object) string { return fmt.Sprint(o["id"]) }

	for _, name := range []string{"text", "tool-call", "tool-output", "structured", "analysis"} {
		want(t, name, a.ok("POST", "/responses", sample(t, "create-response."+name))["status"], any("completed"))
	}
	want(t, "chat", a.ok("POST", "/chat/completions", sample(t, "create-chat-completion"))["object"], any("chat.completion"))

	message := a.ok("POST", "/mave/chat", sample(t, "send-mave-message"))
	thread := fmt.Sprint(message["thread_id"])
	a.ok("POST", "/mave/chat", object{"message": "And in France?", "thread_id": thread})
	want(t, "threads", len(a.ok("GET", "/mave/threads?search=BUYERS&limit=10&workspace_id=ws_abc123", nil)["data"].([]any)), 1)
	detail := a.ok("GET", "/mave/threads/"+thread, nil)
	want(t, "messages", len(detail["messages"].([]any)), 4)
	want(t, "credits of the thread", detail["credits_used"], any(24+12*0.6))
	want(t, "title", a.ok("PATCH", "/mave/threads/"+thread, sample(t, "update-mave-thread"))["title"], any("Refills: Germany and France"))
	want(t, "deleted", a.ok("DELETE", "/mave/threads/"+thread, nil)["deleted"], any(true))
	want(t, "gone", a.refused("GET", "/mave/threads/"+thread, nil), `[404,"resource_not_found",null]`)

	want(t, "trending", len(a.ok("GET", "/news/stories/trending?category=technology&size=1", nil)["data"].([]any)), 1)
	a.ok("GET", "/news/stories/personalized?persona_ids=clx1abc2d0001abcdef123456,clx2abc2d0002abcdef123456", nil)
	if _, there := a.ok("GET", "/news/stories/story_abc123?include_history=false", nil)["history"]; there {
		t.Error("history was not left out")
	}
	a.ok("GET", "/news/stories/story_abc123", nil)
	a.ok("POST", "/news/stories/story_abc123/analyze", sample(t, "analyze-news-story"))
	a.ok("POST", "/news/stories/story_abc123/chat", sample(t, "chat-news-story"))

	a.ok("GET", "/personas?is_custom=true&category=IndustrySpecific&search=cmo", nil)
	persona := a.ok("POST", "/personas", with(sample(t, "create-persona"), object{"name": "Mine", "attributes": object{"n": 12345678901234567, "s": []any{"x"}}}))
	want(t, "persona", a.ok("GET", "/personas/"+id(persona), nil)["object"], any("custom_persona"))
	want(t, "base persona", a.ok("GET", "/personas/clx1abc2d0001abcdef123456", nil)["object"], any("persona"))
	patched := a.ok("PATCH", "/personas/"+id(persona), sample(t, "update-persona"))
	if diff := cmp.Diff([]any{"Enter two new markets"}, patched["details"].(object)["goals"]); diff != "" {
		t.Error(diff)
	}
	a.ok("DELETE", "/personas/"+id(persona), nil)

	voice := a.ok("POST", "/brand-voices", sample(t, "create-brand-voice"))
	a.ok("GET", "/brand-voices?workspace_id=ws_abc123&status=completed", nil)
	want(t, "voice", a.ok("GET", "/brand-voices/"+id(voice), nil)["status"], any("completed"))
	a.ok("PATCH", "/brand-voices/"+id(voice), sample(t, "update-brand-voice"))
	a.ok("DELETE", "/brand-voices/"+id(voice), nil)

	group := a.ok("POST", "/focus-groups", sample(t, "create-focus-group"))
	a.ok("GET", "/focus-groups?workspace_id=ws_abc123&status=completed&limit=1", nil)
	want(t, "results", len(a.ok("GET", "/focus-groups/"+id(group), nil)["results"].([]any)), 5)

	video := a.ok("POST", "/video-analyses", sample(t, "create-video-analysis"))
	a.ok("GET", "/video-analyses?status=completed&limit=1&offset=1", nil)
	want(t, "chunks", len(a.ok("GET", "/video-analyses/"+id(video), nil)["chunks"].([]any)), 15)
	a.ok("POST", "/video-analyses/"+id(video)+"/chat", sample(t, "chat-video-analysis"))

	a.ok("POST", "/files/upload-url", sample(t, "create-file-upload-url"))
	file := a.ok("POST", "/files", sample(t, "create-file"))
	a.ok("GET", "/files?workspace_id=ws_abc123&folder_id=folder_abc123&type=video&search=SPOT", nil)
	a.ok("GET", "/files/"+id(file), nil)
	want(t, "favourite", a.ok("POST", "/files/"+id(file)+"/favorite", nil)["is_favorite"], any(true))
	want(t, "favourites", len(a.ok("GET", "/files?is_favorite=true", nil)["data"].([]any)), 1)

	folder := a.ok("POST", "/folders", sample(t, "create-folder"))
	a.ok("GET", "/folders?workspace_id=ws_abc123&search=spring", nil)
	want(t, "files of the folder", len(a.ok("GET", "/folders/folder_abc123?limit=1", nil)["files"].(object)["data"].([]any)), 1)
	want(t, "name", a.ok("PATCH", "/folders/"+id(folder), object{"name": "Autumn"})["name"], any("Autumn"))
	a.ok("POST", "/folders/"+id(folder)+"/favorite", nil)
	a.ok("DELETE", "/folders/"+id(folder), nil)
	a.ok("DELETE", "/folders/folder_abc123", nil)
	want(t, "folder of a file whose folder is gone", a.ok("GET", "/files/"+id(file), nil)["folder"], any(nil))
	a.ok("DELETE", "/files/"+id(file), nil)

	space := a.ok("POST", "/workspaces", with(sample(t, "create-workspace"), object{"name": "New space"}))
	want(t, "workspaces", len(a.ok("GET", "/workspaces?search=new&include_members=true", nil)["data"].([]any)), 1)
	a.ok("GET", "/workspaces/"+id(space), nil)
	a.ok("POST", "/workspaces/ws_abc123/members", sample(t, "invite-workspace-member"))
	members := a.ok("GET", "/workspaces/ws_abc123/members?role=analyst&search=ben", nil)
	want(t, "members", len(members["data"].([]any)), 1)
	want(t, "invitations", len(members["pending_invitations"].([]any)), 1)
	want(t, "role", a.ok("PATCH", "/workspaces/ws_abc123/members/user_def456", sample(t, "update-workspace-member"))["role"], any("editor"))

	project := a.ok("POST", "/projects", sample(t, "create-project"))
	a.ok("GET", "/projects?workspace_id=ws_abc123", nil)
	a.ok("PATCH", "/projects/"+id(project), sample(t, "update-project"))
	want(t, "usage limit", a.ok("GET", "/projects/"+id(project), nil)["usage_limit"], any(400.0))

	a.ok("GET", "/generation-apps", nil)
	generation := a.ok("POST", "/generations", sample(t, "create-generation"))
	a.ok("GET", "/generations?app_id=blog-post-generator&search=bottle&workspace_id=ws_abc123", nil)
	a.ok("GET", "/generations/"+id(generation), nil)
	a.ok("PATCH", "/generations/"+id(generation), sample(t, "update-generation"))
	a.ok("DELETE", "/generations/"+id(generation), nil)

	meeting := a.ok("POST", "/meetings", with(sample(t, "create-meeting"), object{"join_at": nil}))
	a.ok("GET", "/meetings?workspace_id=ws_abc123", nil)
	want(t, "meeting", a.ok("GET", "/meetings/"+id(meeting), nil)["status"], any("done"))
	want(t, "text", a.ok("GET", "/meetings/"+id(meeting)+"/transcript?format=text&start_time=3", nil)["content"], any("Ben: Yes, please.\n"))
	want(t, "srt", a.ok("GET", "/meetings/"+id(meeting)+"/transcript?format=srt&end_time=4.5", nil)["content"],
		any("1\n00:00:00,000 --> 00:00:03,200\nAna: Shall we begin?\n\n"))
	a.ok("GET", "/meetings/"+id(meeting)+"/transcript", nil)
	a.ok("GET", "/meetings/"+id(meeting)+"/analysis", nil)
	run := "/meetings/" + id(meeting) + "/schemas/schema_abc123/run"
	first := a.ok("POST", run, sample(t, "run-meeting-schema"))
	want(t, "stored result", id(a.ok("POST", run, nil)), id(first))
	if id(a.ok("POST", run, object{"force_new": true})) == id(first) {
		t.Error("force_new returned the stored result")
	}
	later := a.ok("POST", "/meetings", with(sample(t, "create-meeting"), object{"join_at": time.Now().Add(time.Hour).Format(time.RFC3339)}))
	want(t, "scheduled", later["status"], any("pending"))
	cancelled := a.ok("POST", "/meetings/"+id(later)+"/cancel", sample(t, "cancel-meeting"))
	if diff := cmp.Diff(cancelled, a.ok("POST", "/meetings/"+id(later)+"/cancel", nil)); diff != "" {
		t.Errorf("a second cancel: %s", diff)
	}
	want(t, "cancelled", a.ok("GET", "/meetings/"+id(later), nil)["status"], any("cancelled"))

	a.ok("GET", "/usage", nil)

	called := map[string]bool{}
	for _, r := range a.sim.Requests() {
		if r.Status == http.StatusOK || r.Status == http.StatusCreated {
			called[r.OperationID] = true
		}
	}
	v, err := contracttest.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range v.Operations() {
		if !called[op.ID] {
			t.Errorf("%s was not called with success", op.ID)
		}
	}
}
