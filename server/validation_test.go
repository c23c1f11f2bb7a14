package server

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// TestValidation holds requests against constraints and translation together.
// "required" is judged after additional_fields have been merged.
func TestValidation(t *testing.T) {
	plans, err := transcode.Compile(transcode.Services()...)
	if err != nil {
		t.Fatal(err)
	}
	validator, err := newValidator(plans)
	if err != nil {
		t.Fatal(err)
	}
	byRPC := map[string]*transcode.Plan{}
	for _, p := range plans {
		byRPC[p.RPC] = p
	}
	extra := func(fields map[string]any) *structpb.Struct {
		s, err := structpb.NewStruct(fields)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	respond := func(tool *maverav1.FunctionTool) *maverav1.CreateResponseRequest {
		return &maverav1.CreateResponseRequest{
			Model: "m", Input: &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: "?"}}, Tools: []*maverav1.FunctionTool{tool},
		}
	}

	for _, row := range []struct {
		name, rpc string
		request   proto.Message
		want      []string // "field: description"
	}{
		{"complete", "CreateFolder", &maverav1.CreateFolderRequest{Name: "F", WorkspaceId: "ws"}, nil},
		{"nothing", "CreateFolder", &maverav1.CreateFolderRequest{}, []string{"name: value is required", "workspace_id: value is required"}},
		{"required by the side door", "CreateFolder", &maverav1.CreateFolderRequest{
			AdditionalFields: extra(map[string]any{"name": "F", "workspace_id": "ws"}),
		}, nil},
		{"one of two by the side door", "CreateFolder", &maverav1.CreateFolderRequest{AdditionalFields: extra(map[string]any{"name": "F"})}, []string{
			"workspace_id: value is required",
		}},
		{"both doors", "CreateFolder", &maverav1.CreateFolderRequest{
			Name: "F", WorkspaceId: "ws", AdditionalFields: extra(map[string]any{"name": "G", "stream": false}),
		}, []string{
			`additional_fields["name"]: is set both here and in name`, `additional_fields["stream"]: is set by the gateway`,
		}},
		{"an empty id is one fault", "GetPersona", &maverav1.GetPersonaRequest{}, []string{"id: value is required"}},
		{"an id never comes by the side door", "UpdateFolder", &maverav1.UpdateFolderRequest{AdditionalFields: extra(map[string]any{"id": "f-1"})}, []string{
			`id: must not be empty`, `additional_fields["id"]: is set by the gateway`,
		}},
		{"constraint and translation", "InviteWorkspaceMember", &maverav1.InviteWorkspaceMemberRequest{
			Id: "a/b", Email: "nobody", Role: new(maverav1.WorkspaceRole(99)),
		}, []string{
			"email: must be a valid email address", "role: value must be one of the defined enum values",
			"id: must not hold a slash, a backslash or their escaped forms",
		}},
		{"a tool", "CreateResponse", respond(&maverav1.FunctionTool{
			Name: "f", Description: "d", ParametersForm: &maverav1.FunctionTool_ParametersJson{ParametersJson: `{"b":1,"a":2}`},
		}), nil},
		{"a tool without parameters", "CreateResponse", respond(&maverav1.FunctionTool{Name: "f", Description: "d"}), []string{
			"tools[0].parameters_form: exactly one field is required in oneof",
		}},
		{"a tool with parameters by the side door", "CreateResponse", respond(&maverav1.FunctionTool{
			Name: "f", AdditionalFields: extra(map[string]any{"parameters": map[string]any{}, "description": "d"}),
		}), nil},
		{"a tool's field by the request's side door", "CreateResponse", &maverav1.CreateResponseRequest{
			Model: "m", Input: &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: "?"}},
			Tools:            []*maverav1.FunctionTool{{Name: "f", Description: "d"}},
			AdditionalFields: extra(map[string]any{"parameters": map[string]any{}}),
		}, []string{"tools[0].parameters_form: exactly one field is required in oneof"}},
		{"JSON that is none", "CreateResponse", respond(&maverav1.FunctionTool{
			Name: "f", Description: "d", ParametersForm: &maverav1.FunctionTool_ParametersJson{ParametersJson: `{"a":`},
		}), []string{"tools[0].parameters_json: must be the JSON text of an object: invalid JSON at byte 5: expected a value"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &call{plan: byRPC[row.rpc]}
			err := validation{validator}.check(c, row.request)
			var got []string
			if failure := (*mavera.Failure)(nil); errors.As(err, &failure) {
				for _, v := range failure.Violations {
					got = append(got, v.Field+": "+v.Description)
				}
				if failure.Reason != "INVALID_REQUEST" {
					t.Errorf("got %v", failure)
				}
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if (c.request == nil) != (row.want != nil) {
				t.Errorf("the translated request is %v", c.request)
			}
		})
	}
}

// TestIdentity names callers and their keys.
func TestIdentity(t *testing.T) {
	for _, row := range []struct {
		name   string
		md     metadata.MD
		allow  bool
		caller string
		key    string
		want   string // the violation
	}{
		{"nobody", nil, false, "", "", ""},
		{"a name", metadata.MD{callerKey: {"job"}}, false, "job", "", ""},
		{"the longest", metadata.MD{callerKey: {strings.Repeat("c", 64)}}, false, strings.Repeat("c", 64), "", ""},
		{"too long", metadata.MD{callerKey: {strings.Repeat("c", 65)}}, false, "", "", "metadata:x-caller-id: must have 1 to 64 visible ASCII characters"},
		{"empty", metadata.MD{callerKey: {""}}, false, "", "", "metadata:x-caller-id: must have 1 to 64 visible ASCII characters"},
		{"what looks verified", metadata.MD{callerKey: {"spiffe://example.org/admin"}}, false, "", "", "metadata:x-caller-id: must not start with spiffe: or dns:, which are for verified identities"},
		{"a key", metadata.MD{apiKeyKey: {testKey}}, true, "", testKey, ""},
		{"a key, not allowed", metadata.MD{apiKeyKey: {testKey}}, false, "", "", "metadata:x-mavera-api-key: is not accepted here: this gateway uses its own key (allow_caller_keys)"},
		{"an empty key", metadata.MD{apiKeyKey: {" "}}, true, "", "", "metadata:x-mavera-api-key: the key is empty"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := record{}
			ctx := r.begin(metadata.NewIncomingContext(t.Context(), row.md), "/p.S/M")
			c := callOf(ctx)
			i := newIdentity(Options{AllowCallerKeys: row.allow})
			ctx, err := i.identify(ctx, "/p.S/M")
			got := ""
			if failure := (*mavera.Failure)(nil); errors.As(err, &failure) {
				got = failure.Violations[0].Field + ": " + failure.Violations[0].Description
			}
			if got != row.want || c.caller != row.caller {
				t.Errorf("caller %q, violation %q", c.caller, got)
			}
			if row.key != "" {
				if key, own := i.options.keyOf(ctx); !own || key.Reveal() != row.key {
					t.Errorf("key %v, own %v", key, own)
				}
			}
		})
	}
}
