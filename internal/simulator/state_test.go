package simulator_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// ids returns the ids of a page.
func ids(page object) []string {
	var out []string
	for _, row := range page["data"].([]any) {
		out = append(out, row.(object)["id"].(string))
	}
	return out
}

// shape is the envelope of a page: its keys with their values, but for data.
func shape(page object) object { return with(page, object{"data": nil}) }

func TestCursorPages(t *testing.T) {
	a := start(t, simulator.Options{})
	for i := range 5 {
		a.ok("POST", "/folders", object{"name": fmt.Sprint("Folder ", i), "workspace_id": "ws_abc123"})
	}
	all := ids(a.ok("GET", "/folders?workspace_id=ws_abc123", nil))
	want(t, "folders", len(all), 6)
	want(t, "oldest", all[5], "folder_abc123")

	first := a.ok("GET", "/folders?workspace_id=ws_abc123&limit=4", nil)
	if diff := cmp.Diff(object{"object": "list", "has_more": true, "next_cursor": all[3]}, shape(first)); diff != "" {
		t.Errorf("the cursor of folders is the id of the last row: %s", diff)
	}
	a.ok("DELETE", "/folders/"+all[3], nil) // The cursor outlives its row.
	second := a.ok("GET", "/folders?workspace_id=ws_abc123&limit=4&cursor="+all[3], nil)
	if diff := cmp.Diff(all[4:], ids(second)); diff != "" {
		t.Error(diff)
	}
	if second["next_cursor"] != nil || second["has_more"] != false {
		t.Errorf("end of the list: %v", shape(second))
	}
}

func TestPersonaPages(t *testing.T) {
	a := start(t, simulator.Options{})
	whole := a.ok("GET", "/personas", nil)
	if diff := cmp.Diff(object{"object": "list"}, shape(whole)); diff != "" {
		t.Errorf("envelope of the only page: %s", diff)
	}
	var got []string
	path := "/personas?limit=7"
	for page := 0; path != ""; page++ {
		if page > 9 {
			t.Fatal("the pages do not end")
		}
		list := a.ok("GET", path, nil)
		got = append(got, ids(list)...)
		path = ""
		if cursor, ok := list["next_cursor"].(string); ok {
			path = "/personas?limit=7&cursor=" + cursor
		}
	}
	if diff := cmp.Diff(ids(whole), got); diff != "" {
		t.Error(diff)
	}
}

func TestOtherEnvelopes(t *testing.T) {
	a := start(t, simulator.Options{Settings: simulator.Settings{Envelope: simulator.OffsetEnvelope, JobDuration: map[string]time.Duration{"video_analyses": 0}}})
	for range 4 {
		a.ok("POST", "/mave/chat", object{"message": "m"})
		a.ok("POST", "/video-analyses", sample(t, "create-video-analysis"))
		a.ok("POST", "/generations", sample(t, "create-generation"))
	}
	for _, tt := range []struct {
		path string
		rows int
		want object
	}{
		{"/mave/threads", 5, object{"object": "list", "total": 5.0, "limit": 20.0, "offset": 0.0, "has_more": false}},
		{"/video-analyses?limit=2&offset=1", 2, object{"object": "list", "total": 5.0, "has_more": true}},
		{"/video-analyses?offset=9", 0, object{"object": "list", "total": 5.0, "has_more": false}},
		{"/brand-voices", 1, object{"object": "list"}},
	} {
		page := a.ok("GET", tt.path, nil)
		want(t, tt.path, len(page["data"].([]any)), tt.rows)
		if diff := cmp.Diff(tt.want, shape(page)); diff != "" {
			t.Errorf("%s: %s", tt.path, diff)
		}
	}
	// The older page has an offset that the contract no longer lists.
	w := ask(a.sim, "GET", "/api/v1/generations?limit=2&offset=4", "")
	if diff := cmp.Diff(object{"object": "list", "total": 5.0, "limit": 2.0, "offset": 4.0, "has_more": false}, shape(parse(t, w.Body.String()))); diff != "" {
		t.Error(diff)
	}
}

func TestCredits(t *testing.T) {
	a := start(t, simulator.Options{Settings: simulator.Settings{Credits: 500}})
	used := func() float64 {
		t.Helper()
		usage := a.ok("GET", "/usage", nil)
		credits := usage["credits"].(object)
		want(t, "sum", credits["used"].(float64)+credits["remaining"].(float64), 500)
		want(t, "both places", usage["api_requests"].(object)["credits_used"], credits["used"])
		return credits["used"].(float64)
	}
	want(t, "persona", a.ok("POST", "/personas", sample(t, "create-persona"))["credits_charged"], any(300.0))
	want(t, "used", used(), 300)
	a.ok("POST", "/brand-voices", sample(t, "create-brand-voice"))
	want(t, "used", used(), 350)
	group := a.ok("POST", "/focus-groups", with(sample(t, "create-focus-group"), object{"sample_size": 50}))
	want(t, "focus group of 50 and 5 questions", group["usage"].(object)["credits_used"], any(100.0))
	want(t, "used", used(), 450)
	want(t, "video beyond the balance", a.refused("POST", "/video-analyses", sample(t, "create-video-analysis")), `[402,"credits_exhausted",null]`)
	want(t, "used after the refusal", used(), 450)
	var sum float64
	for {
		status, _, text := a.send("POST", "/mave/chat", object{"message": "How do buyers under thirty in Germany see refillable packaging?"})
		if status == http.StatusPaymentRequired {
			break
		}
		sum += parse(t, text)["usage"].(object)["credits_used"].(float64)
	}
	want(t, "Mave calls", sum, 48)
	want(t, "used", used(), 498)
	if err := a.sim.ChangeSettings(func(s *simulator.Settings) { s.Credits = -1 }); err != nil {
		t.Fatal(err)
	}
	want(t, "no credits at all", a.refused("POST", "/responses", sample(t, "create-response.text")), `[402,"credits_exhausted",null]`)
}

func TestBudgets(t *testing.T) {
	a := start(t, simulator.Options{})
	space := a.ok("POST", "/workspaces", object{"name": "Small", "usage_limit": 20})["id"].(string)
	ask := object{"message": "m", "workspace_id": space}
	a.ok("POST", "/mave/chat", ask)
	want(t, "past the ceiling of the workspace", a.refused("POST", "/mave/chat", ask), `[402,"budget_exceeded",null]`)
	a.ok("POST", "/mave/chat", object{"message": "m"}) // Another workspace.

	project := a.ok("POST", "/projects", object{"name": "p", "usage_limit": 60})["id"].(string)
	group := with(sample(t, "create-focus-group"), object{"project_id": project, "questions": nil})
	a.ok("POST", "/focus-groups", group)
	want(t, "credits of the project", a.ok("GET", "/projects/"+project, nil)["credits_used_14d"], any(50.0))
	want(t, "past the ceiling of the project", a.refused("POST", "/focus-groups", group), `[402,"budget_exceeded",null]`)
	a.ok("PATCH", "/projects/"+project, object{"usage_limit": 100})
	a.ok("POST", "/focus-groups", group)
}

func TestUsageCountsCalls(t *testing.T) {
	a := start(t, simulator.Options{})
	response := a.ok("POST", "/responses", sample(t, "create-response.text"))
	a.refused("GET", "/personas/none", nil)
	requests := a.ok("GET", "/usage", nil)["api_requests"].(object)
	want(t, "requests", requests["total_requests"], any(2.0))
	want(t, "errors", requests["error_count"], any(1.0))
	want(t, "tokens", requests["total_tokens"], response["usage"].(object)["total_tokens"])
}

func TestSeedRepeats(t *testing.T) {
	answers := func(seed uint64) string {
		sim := newSimulator(t, simulator.Options{Seed: seed, Now: func() time.Time { return time.Unix(1700000000, 0) }})
		return ask(sim, "POST", "/api/v1/workspaces", `{"name":"n"}`).Body.String() +
			ask(sim, "POST", "/api/v1/responses", `{"model":"mavera-1","persona_id":"clx1abc2d0001abcdef123456","input":"hi"}`).Body.String()
	}
	want(t, "same seed", answers(7), answers(7))
	if answers(7) == answers(8) {
		t.Error("another seed gives the same ids")
	}
}

func TestFreeFormIsKept(t *testing.T) {
	sim := newSimulator(t, simulator.Options{})
	const metadata = `{"a":{"deep":[1,null,1.50]},"big":12345678901234567890,"ü":"<&>"}`
	w := ask(sim, "POST", "/api/v1/files", `{"name":"n","type":"t/t","url":"https://a.example/f","workspace_id":"ws_abc123","file_size":1,"odd":1,"metadata":`+metadata+`}`)
	if !strings.Contains(w.Body.String(), `"metadata":`+metadata) {
		t.Errorf("metadata changed: %s", w.Body)
	}
	if strings.Contains(w.Body.String(), `"odd"`) {
		t.Errorf("an unknown field came back: %s", w.Body)
	}
}

func TestDateForms(t *testing.T) {
	a := start(t, simulator.Options{Now: func() time.Time { return time.Unix(1706345678, 250e6) }})
	for path, want := range map[string]any{
		"/workspaces/" + a.ok("POST", "/workspaces", object{"name": "n"})["id"].(string):                            "2024-01-27T08:54:38.250Z",
		"/personas/" + a.ok("POST", "/personas", sample(t, "create-persona"))["id"].(string):                        1706345678.0,
		"/video-analyses/" + a.ok("POST", "/video-analyses", sample(t, "create-video-analysis"))["id"].(string):     1706345678.0,
		"/folders/" + a.ok("POST", "/folders", object{"name": "n", "workspace_id": "ws_abc123"})["id"].(string):     "2024-01-27T08:54:38.250Z",
		"/focus-groups/" + a.ok("POST", "/focus-groups", with(sample(t, "create-focus-group"), nil))["id"].(string): "2024-01-27T08:54:38.250Z",
		"/meetings/" + a.ok("POST", "/meetings", object{"meeting_url": "https://teams.example/x"})["id"].(string):   "2024-01-27T08:54:38.250Z",
		"/brand-voices/" + a.ok("POST", "/brand-voices", sample(t, "create-brand-voice"))["id"].(string):            "2024-01-27T08:54:38.250Z",
		"/mave/threads/" + fmt.Sprint(a.ok("POST", "/mave/chat", sample(t, "send-mave-message"))["thread_id"]):      "2024-01-27T08:54:38.250Z",
		"/projects/" + a.ok("POST", "/projects", sample(t, "create-project"))["id"].(string):                        "2024-01-27T08:54:38.250Z",
		"/generations/" + a.ok("POST", "/generations", sample(t, "create-generation"))["id"].(string):               "2024-01-27T08:54:38.250Z",
		"/files/" + a.ok("POST", "/files", with(sample(t, "create-file"), object{"folder_id": nil}))["id"].(string): "2024-01-27T08:54:38.250Z",
	} {
		if got := a.ok("GET", path, nil)["created_at"]; got != want {
			t.Errorf("%s: created_at %v, want %v", path, got, want)
		}
	}
}

// TestFocusGroupResults has a question of every type that the contract names.
func TestFocusGroupResults(t *testing.T) {
	a := start(t, simulator.Options{Settings: simulator.Settings{JobDuration: map[string]time.Duration{"focus_groups": 0}}})
	for kind, keys := range map[string][]string{
		"NPS":                   {"nps_score", "promoters", "passives", "detractors", "mean", "distribution"},
		"LIKERT":                {"mean", "median", "std_dev", "distribution"},
		"rating":                {"mean", "median", "std_dev", "distribution"}, // Case does not matter.
		"SLIDER":                {"mean", "median", "std_dev"},
		"MULTIPLE_CHOICE":       {"distribution", "percentages"},
		"YES_NO":                {"distribution", "percentages"},
		"RANKING":               {"ranking"},
		"MAX_DIFF":              {"utilities"},
		"CONJOINT":              {"utilities"},
		"MATRIX":                {"items"},
		"SEMANTIC_DIFFERENTIAL": {"items"},
		"OPEN_ENDED":            {"themes", "summary"},
	} {
		group := a.ok("POST", "/focus-groups", object{"workspace_id": "ws_abc123", "sample_size": 12, "questions": []any{
			object{"type": kind, "question": "?", "options": []any{"Red", object{"id": "g", "label": "Green"}, "Blue"}},
		}})
		got := a.ok("GET", "/focus-groups/"+group["id"].(string), nil)["results"].([]any)[0].(object)
		want(t, kind, len(got["respondents"].([]any)), 12)
		for _, key := range keys {
			if _, ok := got["aggregate"].(object)[key]; !ok {
				t.Errorf("%s: the aggregate has no %s: %v", kind, key, got["aggregate"])
			}
		}
	}
}
