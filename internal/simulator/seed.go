package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/contract"
)

// The workspaces of the seed. In the first the caller is owner, in the second
// viewer, to the third the caller has no access.
const (
	defaultWorkspace = "ws_abc123"
	viewerWorkspace  = "ws_def456"
	closedWorkspace  = "ws_closed"
)

// callerID is the user that every key belongs to.
const callerID = "user_abc123"

// state is everything that calls can change.
type state struct {
	ids     *ids
	started time.Time // Begin of the billing period.
	ledger  ledger
	uploads map[string]*upload
	scripts map[string][]Outcome // How the next jobs end, by family.
	members map[string]*table    // By workspace.

	threads, stories, personas, voices, focusGroups, videos   *table
	files, folders, workspaces, invitations, projects         *table
	apps, generations, meetings, meetingSchemas, schemaResult *table
}

// newState returns the seed: what the examples of the contract show, and enough
// personas for several pages.
func newState(seed uint64, now time.Time) *state {
	st := &state{
		ids:     newIDs(seed),
		started: time.Date(now.UTC().Year(), now.UTC().Month(), 1, 0, 0, 0, 0, time.UTC),
		ledger:  ledger{workspaces: map[string]float64{}, projects: map[string]float64{}},
		uploads: map[string]*upload{}, scripts: map[string][]Outcome{}, members: map[string]*table{},
		threads: newTable(), stories: newTable(), personas: newTable(), voices: newTable(), focusGroups: newTable(),
		videos: newTable(), files: newTable(), folders: newTable(), workspaces: newTable(), invitations: newTable(),
		projects: newTable(), apps: newTable(), generations: newTable(), meetings: newTable(),
		meetingSchemas: newTable(), schemaResult: newTable(),
	}
	st.seedWorkspaces()
	st.seedPersonas()
	st.seedNews()
	st.seedWork()
	return st
}

// seedTime is when everything in the seed was made, that of the samples.
func seedTime() time.Time { return time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC) }

// example reads an example of the contract. The examples are embedded and
// checked, so that one which cannot be read is a mistake in this package.
func example(name string) object {
	data, err := contract.Examples.ReadFile("examples/" + name + ".response.json")
	if err != nil {
		panic(fmt.Sprintf("simulator: seed: %v", err))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var out object
	if err := d.Decode(&out); err != nil {
		panic(fmt.Sprintf("simulator: seed: %s: %v", name, err))
	}
	return out
}

// put adds a document of the seed to a table.
func put(t *table, doc object) *record {
	return t.add(&record{id: text(doc, "id"), doc: doc, created: seedTime(), updated: seedTime()})
}

// finished is a job that ended long ago.
func finished() *job { return &job{begin: seedTime(), duration: 1, outcome: Completes} }

func (st *state) seedWorkspaces() {
	open := example("create-workspace")
	open["budget_alert"], open["usage_limit"] = nil, nil
	for _, doc := range []object{
		open,
		with(open, object{"id": viewerWorkspace, "name": "Agency space", "type": "marketing_agency", "role": "viewer", "is_owner": false}),
		with(open, object{"id": closedWorkspace, "name": "Closed space", "role": "", "is_owner": false}),
	} {
		put(st.workspaces, doc)
		st.members[text(doc, "id")] = newTable()
	}
	for _, m := range []struct{ workspace, user, email, role string }{
		{defaultWorkspace, callerID, "ana@example.com", "owner"},
		{defaultWorkspace, "user_def456", "ben@example.com", "analyst"},
		{viewerWorkspace, "user_ghi789", "cleo@example.com", "owner"},
		{viewerWorkspace, callerID, "ana@example.com", "viewer"},
	} {
		st.addMember(m.workspace, m.user, m.email, m.role, seedTime())
	}
	put(st.projects, example("create-project"))
	st.projects.byID["proj_abc123"].doc["usage_limit"] = nil
}

func (st *state) addMember(workspace, user, email, role string, joined time.Time) {
	st.members[workspace].add(&record{id: user, created: joined, doc: object{
		"object": "workspace.member", "user_id": user, "email": email, "role": role, "status": "active", "joined_at": iso(joined),
	}})
}

func (st *state) seedPersonas() {
	base := example("get-persona")
	for i, name := range strings.Split("Millennial Parent,Gen X Professional,Baby Boomer,Retail Buyer,Hospital Administrator,"+
		"Small Business Owner,Software Engineer,Commuter,First-time Home Buyer,Frequent Flyer,Teacher,Nurse,Restaurant Owner,"+
		"Amateur Athlete,Gamer,Student,Bank Customer,Farmer,Logistics Manager,Data Scientist,Journalist,Investor,Car Enthusiast,Traveller", ",") {
		category := "Generational"
		if i > 2 {
			category = "IndustrySpecific"
		}
		put(st.personas, with(base, object{
			"id": fmt.Sprintf("clb%dabc2d%04dabcdef123456", i%10, i), "name": name, "category": category,
			"description": "Base persona: " + name + ".", "is_expert": i%4 == 3,
		}))
	}
	put(st.personas, base)
	put(st.personas, example("create-persona"))
}

func (st *state) seedNews() {
	story := example("get-news-story")
	for i, name := range []string{"Rail strike ends after talks", "New battery plant announced"} {
		put(st.stories, with(story, object{
			"id": fmt.Sprintf("story_def%d", i), "name": name, "slug": strings.ReplaceAll(strings.ToLower(name), " ", "-"),
			"summary": name + ", the parties said on Monday.", "short_summary": name + ".", "categories": []any{"business", "technology"},
		}))
	}
	put(st.stories, story)
}

func (st *state) seedWork() {
	thread := example("get-mave-thread")
	put(st.threads, thread)
	put(st.voices, example("get-brand-voice.completed")).job = finished()
	put(st.focusGroups, example("get-focus-group.completed")).job = finished()
	put(st.videos, example("get-video-analysis.completed")).job = finished()
	put(st.folders, example("create-folder"))
	put(st.files, example("create-file"))
	for _, app := range objects(example("list-generation-apps"), "data") {
		put(st.apps, app)
	}
	generation := example("create-generation")
	delete(generation, "usage")
	put(st.generations, generation)
	put(st.meetings, example("get-meeting")).job = finished()
	put(st.meetingSchemas, with(example("run-meeting-schema"), object{"id": "schema_abc123"}))
	st.ledger.minutes = 45
}
