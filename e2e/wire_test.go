//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// TestPatch shows what an update sends, without a mask and with one.
func TestPatch(t *testing.T) {
	m := startMavera(t)
	p := startProxy(t, m.base)
	g := startGateway(t, p.base)
	voice, err := g.voices.CreateBrandVoice(within(t), acme())
	if err != nil {
		t.Fatal(err)
	}
	mask := func(paths ...string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }
	for _, row := range []struct {
		name    string
		request *maverav1.UpdateBrandVoiceRequest
		want    string
	}{
		{"what is set is sent", &maverav1.UpdateBrandVoiceRequest{Label: new("Bold"), Tone: &maverav1.BrandVoiceTone{Adjectives: []string{"warm"}}}, `{"label":"Bold","tone":{"adjectives":["warm"]}}`},
		{"an empty mask is none", &maverav1.UpdateBrandVoiceRequest{Label: new("Bold"), UpdateMask: mask()}, `{"label":"Bold"}`},
		{"only what the mask names", &maverav1.UpdateBrandVoiceRequest{Label: new("Bold"), UsageContext: new("Posts and more posts"), UpdateMask: mask("label")}, `{"label":"Bold"}`},
		{"an unset list is emptied", &maverav1.UpdateBrandVoiceRequest{UpdateMask: mask("example_phrases")}, `{"example_phrases":[]}`},
		{"inside of a message", &maverav1.UpdateBrandVoiceRequest{Tone: &maverav1.BrandVoiceTone{Dos: []string{"greet"}}, UpdateMask: mask("tone.dos", "tone.donts")}, `{"tone":{"dos":["greet"],"donts":[]}}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.request.Id = voice.GetId()
			if _, err := g.voices.UpdateBrandVoice(within(t), row.request); err != nil {
				t.Fatal(err)
			}
			want := sent{"PATCH", "/api/v1/brand-voices/" + voice.GetId(), row.want}
			if diff := cmp.Diff(want, p.last()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}

	// The contract names no field that takes null, so that this goes past the proxy
	// and the simulator's checks.
	g = startGateway(t, m.base)
	m.forget()
	m.fault("PATCH /projects/{id}", object{"status": 200, "body": `{"id":"proj_abc123","name":"Autumn","usage_limit":null}`})
	project, err := g.projects.UpdateProject(within(t), &maverav1.UpdateProjectRequest{
		Id: "proj_abc123", Name: new("Autumn"), UpdateMask: mask("name", "usage_limit"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if project.GetName() != "Autumn" || project.UsageLimit != nil {
		t.Errorf("got %v", project)
	}
	requests := m.requests()
	if len(requests) != 1 || requests[0].Body != `{"name":"Autumn","usage_limit":null}` {
		t.Errorf("got %+v", requests)
	}

	m.forget()
	_, o := call(within(t), g.projects.UpdateProject, &maverav1.UpdateProjectRequest{Id: "proj_abc123", UpdateMask: mask("nme", "id", "name.first")})
	want := failure{
		Code: codes.InvalidArgument, Reason: "INVALID_REQUEST", Domain: local, Retryable: "false", Wait: "-1", Attempts: "0",
		Details: `bad update_mask: "nme" is no field that can be changed; bad update_mask: "id" is no field that can be changed; bad update_mask: "name.first" is no field that can be changed`,
	}
	if diff := cmp.Diff(want, o.failure(t)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if requests := m.requests(); len(requests) > 0 {
		t.Errorf("a bad mask led to %d requests", len(requests))
	}
}

// TestAdditionalFields sends and receives what the protos do not know.
func TestAdditionalFields(t *testing.T) {
	m := startMavera(t)
	p := startProxy(t, m.base)
	g := startGateway(t, p.base)
	extra := func(fields object) *structpb.Struct {
		s, err := structpb.NewStruct(fields)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}

	if _, err := g.projects.CreateProject(within(t), &maverav1.CreateProjectRequest{
		WorkspaceId: new(workspaceID), AdditionalFields: extra(object{"name": "By the side door", "region": object{"b": 1, "a": nil}}),
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sent{"POST", "/api/v1/projects", `{"workspace_id":"ws_abc123","name":"By the side door","region":{"a":null,"b":1}}`}, p.last()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	m.fault("GET /projects/{id}", object{"status": 200, "body": `{"id":"p-1","name":7,"region":{"a":null},"created_at":"soon","tags":["x"]}`})
	project, err := g.projects.GetProject(within(t), &maverav1.GetProjectRequest{Id: "p-1"})
	if err != nil {
		t.Fatal(err)
	}
	want := object{"name": 7.0, "region": object{"a": nil}, "created_at": "soon", "tags": []any{"x"}}
	if diff := cmp.Diff(want, project.GetAdditionalFields().AsMap()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	g.await("the first occurrence", func(l logLine) bool {
		return l.text("rpc") == "GetProject" && l.text("field") == "region" && l.text("kind") == "unknown_field"
	})
	_, metrics := g.page("/metrics")
	for field, kind := range map[string]string{"name": "wrong_type", "region": "unknown_field", "created_at": "wrong_type", "tags": "unknown_field"} {
		line := fmt.Sprintf(`mavera_gateway_unmodelled_fields_total{field=%q,kind=%q,`, field, kind)
		if got := sample(metrics, line, `rpc="mavera.v1.ProjectsService/GetProject"`); got != "1" {
			t.Errorf("%s…: %q, want 1", line, got)
		}
	}

	m.forget()
	_, o := call(within(t), g.projects.CreateProject, &maverav1.CreateProjectRequest{
		Name: new("Twice"), AdditionalFields: extra(object{"name": "again", "stream": true}),
	})
	got := o.failure(t)
	if got.Code != codes.InvalidArgument || got.Reason != "INVALID_REQUEST" {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(`bad additional_fields["name"]: is set both here and in name; bad additional_fields["stream"]: is set by the gateway`, got.Details); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if requests := m.requests(); len(requests) > 0 {
		t.Errorf("it led to %d requests", len(requests))
	}
}

// TestIDs tries to reach another route by an id.
func TestIDs(t *testing.T) {
	m, g := pair(t)
	for _, id := range []string{"", "/", "a/b", "..", ".", "../usage", "a/../../usage", "%2F", "a%2Fb", "%2e%2e", "%252F", `a\b`, "a\nb", "a%00b"} {
		_, o := call(within(t), g.personas.GetPersona, &maverav1.GetPersonaRequest{Id: id})
		f := o.failure(t)
		if f.Code != codes.InvalidArgument || f.Reason != "INVALID_REQUEST" || f.Domain != local || f.Attempts != "0" || f.Wait != "-1" {
			t.Errorf("%q: got %+v", id, f)
		}
		_, o = call(within(t), g.workspaces.UpdateWorkspaceMember, &maverav1.UpdateWorkspaceMemberRequest{
			Id: id, UserId: id, Role: maverav1.WorkspaceRole_WORKSPACE_ROLE_EDITOR,
		})
		if f := o.failure(t); f.Code != codes.InvalidArgument || f.Attempts != "0" {
			t.Errorf("%q twice: got %+v", id, f)
		}
	}
	if requests := m.requests(); len(requests) > 0 {
		t.Errorf("ids like these led to %d requests, the first: %s %s", len(requests), requests[0].Method, requests[0].Path)
	}

	// Whatever else an id has stays inside its segment.
	for id, path := range map[string]string{
		"a b":    "/api/v1/personas/a%20b",
		"a?b#c":  "/api/v1/personas/a%3Fb%23c",
		"50%":    "/api/v1/personas/50%25",
		"ärger;": "/api/v1/personas/%C3%A4rger%3B",
	} {
		m.forget()
		if f := g.getPersona(within(t), id).failure(t); f.Code != codes.NotFound {
			t.Errorf("%q: got %+v", id, f)
		}
		if requests := m.requests(); len(requests) != 1 || requests[0].Path != path || requests[0].OperationID != "getPersona" || requests[0].Query != "" {
			t.Errorf("%q: got %+v", id, requests)
		}
	}
}
