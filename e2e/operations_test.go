//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// A world is what the calls of TestOperations leave for the later ones.
type world struct {
	clients
	thread, persona, voice, group, video, file, folder, workspace, project, generation, meeting string
}

// An operation is one RPC, called with success: call returns what tells most
// about the answer.
type operation struct {
	rpc  string
	call func(context.Context, *world) (any, error)
	want any
}

const (
	workspaceID = "ws_abc123"
	personaID   = "clx1abc2d0001abcdef123456"
	storyID     = "story_abc123"
)

// TestOperations calls every unary RPC once, in an order in which each finds what it
// needs. The proxy holds both sides of every exchange against the contract, and
// the gateway's metrics say whether an answer had anything that got no field.
func TestOperations(t *testing.T) {
	m := startMavera(t)
	g := startGateway(t, startProxy(t, m.base).base)
	w := &world{clients: g.clients}

	var called []string
	for _, op := range slices.Concat(textOperations(), newsOperations(), studyOperations(), storageOperations(), teamOperations(), meetingOperations()) {
		t.Run(op.rpc, func(t *testing.T) {
			called = append(called, op.rpc)
			got, err := op.call(within(t), w)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(op.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}

	var all []string
	for _, service := range transcode.Services() {
		for i := range service.Methods().Len() {
			if method := service.Methods().Get(i); !method.IsStreamingClient() && !method.IsStreamingServer() {
				all = append(all, fmt.Sprintf("%s/%s", service.Name(), method.Name()))
			}
		}
	}
	slices.Sort(all)
	slices.Sort(called)
	if diff := cmp.Diff(all, called); diff != "" {
		t.Errorf("not every RPC is called exactly once, -RPCs +called:\n%s", diff)
	}
	operations := map[string]bool{}
	for _, r := range m.requests() {
		operations[r.OperationID] = true
	}
	if len(operations) != len(all) {
		t.Errorf("%d operations of the contract were reached, want %d", len(operations), len(all))
	}
	_, metrics := g.page("/metrics")
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "mavera_gateway_unmodelled_fields_total") {
			t.Errorf("a field is lost: %s", line)
		}
	}
	if !strings.Contains(metrics, `mavera_gateway_credits_used_total{caller="127.0.0.1",family="mave"`) {
		t.Errorf("/metrics does not count credits:\n%s", metrics)
	}
}

func textOperations() []operation {
	return []operation{
		{"ResponsesService/CreateResponse", func(ctx context.Context, w *world) (any, error) {
			r, err := w.responses.CreateResponse(ctx, &maverav1.CreateResponseRequest{
				Model: "mavera-1", PersonaId: new(personaID), Temperature: new(0.0),
				Input: &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: "Which slogan would you trust?"}},
			})
			return []any{r.GetObject(), r.GetStatus(), r.GetOutput()[0].GetMessage().GetContent()[0].GetOutputText().GetText() != "", r.GetUsage().GetCreditsUsed() > 0}, err
		}, []any{"response", maverav1.ResponseStatus_RESPONSE_STATUS_COMPLETED, true, true}},
		{"ChatService/CreateChatCompletion", func(ctx context.Context, w *world) (any, error) {
			c, err := w.chat.CreateChatCompletion(ctx, &maverav1.CreateChatCompletionRequest{
				Model: "mavera-1", PersonaId: new(personaID), AnalysisMode: new(false),
				Messages: []*maverav1.ChatMessage{{Role: maverav1.ChatRole_CHAT_ROLE_USER, Content: "Which slogan would you trust?"}},
			})
			return []any{c.GetObject(), c.GetChoices()[0].GetFinishReason()}, err
		}, []any{"chat.completion", "stop"}},
		{"MaveService/SendMaveMessage", func(ctx context.Context, w *world) (any, error) {
			r, err := w.mave.SendMaveMessage(ctx, &maverav1.SendMaveMessageRequest{Message: "How do buyers under 30 see refills?", WorkspaceId: new(workspaceID)})
			w.thread = r.GetThreadId()
			return []any{r.GetRole(), r.GetUsage().GetCreditsUsed() >= 10}, err
		}, []any{"assistant", true}},
		{"MaveService/ListMaveThreads", func(ctx context.Context, w *world) (any, error) {
			r, err := w.mave.ListMaveThreads(ctx, &maverav1.ListMaveThreadsRequest{WorkspaceId: new(workspaceID), PageSize: new(int32(1))})
			return r.GetData()[0].GetId() == w.thread, err
		}, true},
		{"MaveService/GetMaveThread", func(ctx context.Context, w *world) (any, error) {
			r, err := w.mave.GetMaveThread(ctx, &maverav1.GetMaveThreadRequest{ThreadId: w.thread})
			return len(r.GetMessages()), err
		}, 2},
		{"MaveService/UpdateMaveThread", func(ctx context.Context, w *world) (any, error) {
			r, err := w.mave.UpdateMaveThread(ctx, &maverav1.UpdateMaveThreadRequest{ThreadId: w.thread, Title: new("Refills")})
			return r.GetTitle(), err
		}, "Refills"},
		{"MaveService/DeleteMaveThread", func(ctx context.Context, w *world) (any, error) {
			r, err := w.mave.DeleteMaveThread(ctx, &maverav1.DeleteMaveThreadRequest{ThreadId: w.thread})
			return r.GetDeleted(), err
		}, true},
		{"GenerationsService/ListGenerationApps", func(ctx context.Context, w *world) (any, error) {
			r, err := w.generations.ListGenerationApps(ctx, &maverav1.ListGenerationAppsRequest{})
			return r.GetData()[0].GetId(), err
		}, "blog-post-generator"},
		{"GenerationsService/CreateGeneration", func(ctx context.Context, w *world) (any, error) {
			input, err := structpb.NewStruct(object{"topic": "Caring for a steel bottle", "tone": "friendly", "length": "short"})
			if err != nil {
				return nil, err
			}
			r, err := w.generations.CreateGeneration(ctx, &maverav1.CreateGenerationRequest{
				AppId: "blog-post-generator", InputData: input, WorkspaceId: new(workspaceID), Title: new("Bottle care"),
			})
			w.generation = r.GetId()
			return []any{r.GetTitle(), r.GetApp().GetId(), r.GetContentType()}, err
		}, []any{"Bottle care", "blog-post-generator", maverav1.GenerationContentType_GENERATION_CONTENT_TYPE_MARKDOWN}},
		{"GenerationsService/ListGenerations", func(ctx context.Context, w *world) (any, error) {
			r, err := w.generations.ListGenerations(ctx, &maverav1.ListGenerationsRequest{Search: new("bottle care")})
			return r.GetData()[0].GetId() == w.generation, err
		}, true},
		{"GenerationsService/GetGeneration", func(ctx context.Context, w *world) (any, error) {
			r, err := w.generations.GetGeneration(ctx, &maverav1.GetGenerationRequest{Id: w.generation})
			return r.GetInputData().AsMap(), err
		}, object{"topic": "Caring for a steel bottle", "tone": "friendly", "length": "short"}},
		{"GenerationsService/UpdateGeneration", func(ctx context.Context, w *world) (any, error) {
			r, err := w.generations.UpdateGeneration(ctx, &maverav1.UpdateGenerationRequest{Id: w.generation, Title: new("Care")})
			return r.GetTitle(), err
		}, "Care"},
		{"GenerationsService/DeleteGeneration", func(ctx context.Context, w *world) (any, error) {
			r, err := w.generations.DeleteGeneration(ctx, &maverav1.DeleteGenerationRequest{Id: w.generation})
			return r.GetDeleted(), err
		}, true},
	}
}

func newsOperations() []operation {
	return []operation{
		{"NewsService/ListTrendingNewsStories", func(ctx context.Context, w *world) (any, error) {
			r, err := w.news.ListTrendingNewsStories(ctx, &maverav1.ListTrendingNewsStoriesRequest{PageSize: new(int32(1))})
			return len(r.GetData()), err
		}, 1},
		{"NewsService/ListPersonalizedNewsStories", func(ctx context.Context, w *world) (any, error) {
			r, err := w.news.ListPersonalizedNewsStories(ctx, &maverav1.ListPersonalizedNewsStoriesRequest{PersonaIds: []string{personaID, "clx2abc2d0002abcdef123456"}})
			return len(r.GetPersonalization().GetPersonas()), err
		}, 2},
		{"NewsService/GetNewsStory", func(ctx context.Context, w *world) (any, error) {
			r, err := w.news.GetNewsStory(ctx, &maverav1.GetNewsStoryRequest{Id: storyID, IncludeHistory: new(true)})
			return r.GetId(), err
		}, storyID},
		{"NewsService/AnalyzeNewsStory", func(ctx context.Context, w *world) (any, error) {
			r, err := w.news.AnalyzeNewsStory(ctx, &maverav1.AnalyzeNewsStoryRequest{Id: storyID, PersonaId: personaID})
			return []any{r.GetStoryId(), r.GetPersona().GetId()}, err
		}, []any{storyID, personaID}},
		{"NewsService/ChatNewsStory", func(ctx context.Context, w *world) (any, error) {
			r, err := w.news.ChatNewsStory(ctx, &maverav1.ChatNewsStoryRequest{
				Id: storyID, Message: "Would a deposit put you off?",
				ConversationHistory: []*maverav1.NewsChatMessage{{Role: new("user"), Content: new("What do you think?")}, {Role: new("assistant"), Content: new("Overdue.")}},
			})
			return r.GetMessage().GetRole(), err
		}, "assistant"},
	}
}

func studyOperations() []operation {
	return []operation{
		{"PersonasService/CreatePersona", func(ctx context.Context, w *world) (any, error) {
			r, err := w.personas.CreatePersona(ctx, &maverav1.CreatePersonaRequest{
				PipelineType: new(maverav1.PersonaPipelineType_PERSONA_PIPELINE_TYPE_INTERMEDIATE), Name: new("Careful buyer"),
				Type: new(maverav1.PersonaAudienceType_PERSONA_AUDIENCE_TYPE_B2B), Goals: []string{"Pay less"},
				McdaWeights: &maverav1.McdaWeights{Price: new(int32(5)), TimeToValue: new(int32(0))},
			})
			w.persona = r.GetId()
			return []any{r.GetName(), r.GetType(), r.GetCreditsCharged(), r.GetDetails().GetGoals()}, err
		}, []any{"Careful buyer", maverav1.PersonaAudienceType_PERSONA_AUDIENCE_TYPE_B2B, 300.0, []string{"Pay less"}}},
		{"PersonasService/ListPersonas", func(ctx context.Context, w *world) (any, error) {
			r, err := w.personas.ListPersonas(ctx, &maverav1.ListPersonasRequest{IsCustom: new(true), Search: new("careful")})
			return []any{len(r.GetData()), r.GetData()[0].GetId() == w.persona}, err
		}, []any{1, true}},
		{"PersonasService/GetPersona", func(ctx context.Context, w *world) (any, error) {
			r, err := w.personas.GetPersona(ctx, &maverav1.GetPersonaRequest{Id: w.persona})
			return r.GetName(), err
		}, "Careful buyer"},
		{"PersonasService/UpdatePersona", func(ctx context.Context, w *world) (any, error) {
			r, err := w.personas.UpdatePersona(ctx, &maverav1.UpdatePersonaRequest{Id: w.persona, Goals: []string{"Pay nothing"}})
			return r.GetDetails().GetGoals(), err
		}, []string{"Pay nothing"}},
		{"PersonasService/DeletePersona", func(ctx context.Context, w *world) (any, error) {
			r, err := w.personas.DeletePersona(ctx, &maverav1.DeletePersonaRequest{Id: w.persona})
			return r.GetDeleted(), err
		}, true},
		{"BrandVoicesService/CreateBrandVoice", func(ctx context.Context, w *world) (any, error) {
			r, err := w.voices.CreateBrandVoice(ctx, acme())
			w.voice = r.GetId()
			return r.GetLabel(), err
		}, "Acme"},
		{"BrandVoicesService/ListBrandVoices", func(ctx context.Context, w *world) (any, error) {
			r, err := w.voices.ListBrandVoices(ctx, &maverav1.ListBrandVoicesRequest{Status: new(maverav1.BrandVoiceStatus_BRAND_VOICE_STATUS_COMPLETED)})
			return r.GetTotalSize(), err
		}, int32(2)},
		{"BrandVoicesService/GetBrandVoice", func(ctx context.Context, w *world) (any, error) {
			r, err := w.voices.GetBrandVoice(ctx, &maverav1.GetBrandVoiceRequest{Id: w.voice})
			return r.GetStatus(), err
		}, maverav1.BrandVoiceStatus_BRAND_VOICE_STATUS_COMPLETED},
		{"BrandVoicesService/UpdateBrandVoice", func(ctx context.Context, w *world) (any, error) {
			r, err := w.voices.UpdateBrandVoice(ctx, &maverav1.UpdateBrandVoiceRequest{Id: w.voice, Tone: &maverav1.BrandVoiceTone{Adjectives: []string{"warm"}}})
			return r.GetTone().GetAdjectives(), err
		}, []string{"warm"}},
		{"BrandVoicesService/DeleteBrandVoice", func(ctx context.Context, w *world) (any, error) {
			r, err := w.voices.DeleteBrandVoice(ctx, &maverav1.DeleteBrandVoiceRequest{Id: w.voice})
			return r.GetDeleted(), err
		}, true},
		{"FocusGroupsService/CreateFocusGroup", func(ctx context.Context, w *world) (any, error) {
			r, err := w.groups.CreateFocusGroup(ctx, &maverav1.CreateFocusGroupRequest{
				WorkspaceId: new(workspaceID), Name: new("Bottle test"), PersonaIds: []string{personaID}, SampleSize: new(int32(10)),
				Questions: []*maverav1.FocusGroupQuestion{{
					Id: new("q1"), Type: new("NPS"), Question: new("Would you recommend it?"),
					Scale: &maverav1.FocusGroupScale{Min: new(0.0), Max: new(10.0)},
				}},
				Stimulus: &maverav1.FocusGroupStimulus{Form: &maverav1.FocusGroupStimulus_Object{
					Object: &maverav1.FocusGroupStimulusObject{Type: new("text"), Content: new("Power for every day.")},
				}},
			})
			w.group = r.GetId()
			return r.GetName(), err
		}, "Bottle test"},
		{"FocusGroupsService/ListFocusGroups", func(ctx context.Context, w *world) (any, error) {
			r, err := w.groups.ListFocusGroups(ctx, &maverav1.ListFocusGroupsRequest{Status: new("completed"), PageSize: new(int32(1))})
			return r.GetData()[0].GetId() == w.group, err
		}, true},
		{"FocusGroupsService/GetFocusGroup", func(ctx context.Context, w *world) (any, error) {
			r, err := w.groups.GetFocusGroup(ctx, &maverav1.GetFocusGroupRequest{Id: w.group})
			return []any{r.GetStatus(), len(r.GetResults())}, err
		}, []any{"completed", 1}},
		{"VideoAnalysesService/CreateVideoAnalysis", func(ctx context.Context, w *world) (any, error) {
			r, err := w.videos.CreateVideoAnalysis(ctx, &maverav1.CreateVideoAnalysisRequest{
				VideoUrl: new("https://bucket.example.com/spot.mp4"), Title: "Spring spot", Brand: "Example Co", Product: "Example Bottle",
				PrimaryIntent: maverav1.VideoIntent_VIDEO_INTENT_PERSUASIVE, Goal: "Raise awareness among students",
			})
			w.video = r.GetId()
			return r.GetPrimaryIntent(), err
		}, "Persuasive"},
		{"VideoAnalysesService/ListVideoAnalyses", func(ctx context.Context, w *world) (any, error) {
			r, err := w.videos.ListVideoAnalyses(ctx, &maverav1.ListVideoAnalysesRequest{Status: new(maverav1.VideoAnalysisStatus_VIDEO_ANALYSIS_STATUS_COMPLETED)})
			return r.GetTotalSize(), err
		}, int32(2)},
		{"VideoAnalysesService/GetVideoAnalysis", func(ctx context.Context, w *world) (any, error) {
			r, err := w.videos.GetVideoAnalysis(ctx, &maverav1.GetVideoAnalysisRequest{Id: w.video})
			return r.GetStatus(), err
		}, maverav1.VideoAnalysisStatus_VIDEO_ANALYSIS_STATUS_COMPLETED},
		{"VideoAnalysesService/ChatVideoAnalysis", func(ctx context.Context, w *world) (any, error) {
			r, err := w.videos.ChatVideoAnalysis(ctx, &maverav1.ChatVideoAnalysisRequest{
				Id: w.video, Messages: []*maverav1.VideoAnalysisChatMessage{{Role: new("user"), Content: new("Which part works best?")}},
			})
			return r.GetStatus(), err
		}, maverav1.ResponseStatus_RESPONSE_STATUS_COMPLETED},
	}
}

func storageOperations() []operation {
	return []operation{
		{"FilesService/CreateFileUploadUrl", func(ctx context.Context, w *world) (any, error) {
			r, err := w.files.CreateFileUploadUrl(ctx, &maverav1.CreateFileUploadUrlRequest{
				FileName: "spot.mp4", FileType: "video/mp4", FileSize: 18874368, WorkspaceId: workspaceID,
			})
			return []any{r.GetMethod(), r.GetExpiresIn(), r.GetHeaders()["Content-Type"]}, err
		}, []any{"PUT", int32(3600), "video/mp4"}},
		{"FoldersService/CreateFolder", func(ctx context.Context, w *world) (any, error) {
			r, err := w.folders.CreateFolder(ctx, &maverav1.CreateFolderRequest{Name: "Summer", WorkspaceId: workspaceID})
			w.folder = r.GetId()
			return r.GetName(), err
		}, "Summer"},
		{"FilesService/CreateFile", func(ctx context.Context, w *world) (any, error) {
			metadata, err := structpb.NewStruct(object{"campaign": "summer"})
			if err != nil {
				return nil, err
			}
			r, err := w.files.CreateFile(ctx, &maverav1.CreateFileRequest{
				Name: "spot.mp4", Type: "video/mp4", Url: "https://files.example.com/spot.mp4", WorkspaceId: workspaceID,
				FileSize: 18874368, FolderId: &w.folder, Metadata: metadata,
			})
			w.file = r.GetId()
			return []any{r.GetSize(), r.GetMetadata().AsMap()}, err
		}, []any{int64(18874368), object{"campaign": "summer"}}},
		{"FilesService/ListFiles", func(ctx context.Context, w *world) (any, error) {
			r, err := w.files.ListFiles(ctx, &maverav1.ListFilesRequest{FolderId: &w.folder, IsFavorite: new(false)})
			return []any{len(r.GetData()), r.GetData()[0].GetId() == w.file}, err
		}, []any{1, true}},
		{"FilesService/GetFile", func(ctx context.Context, w *world) (any, error) {
			r, err := w.files.GetFile(ctx, &maverav1.GetFileRequest{Id: w.file})
			return r.GetName(), err
		}, "spot.mp4"},
		{"FilesService/ToggleFileFavorite", func(ctx context.Context, w *world) (any, error) {
			r, err := w.files.ToggleFileFavorite(ctx, &maverav1.ToggleFileFavoriteRequest{Id: w.file})
			return r.GetIsFavorite(), err
		}, true},
		{"FoldersService/ListFolders", func(ctx context.Context, w *world) (any, error) {
			r, err := w.folders.ListFolders(ctx, &maverav1.ListFoldersRequest{WorkspaceId: workspaceID, Search: new("summer")})
			return len(r.GetData()), err
		}, 1},
		{"FoldersService/GetFolder", func(ctx context.Context, w *world) (any, error) {
			r, err := w.folders.GetFolder(ctx, &maverav1.GetFolderRequest{Id: w.folder, IncludeFiles: new(true)})
			return len(r.GetFiles().GetData()), err
		}, 1},
		{"FoldersService/UpdateFolder", func(ctx context.Context, w *world) (any, error) {
			r, err := w.folders.UpdateFolder(ctx, &maverav1.UpdateFolderRequest{Id: w.folder, Name: new("Autumn")})
			return r.GetName(), err
		}, "Autumn"},
		{"FoldersService/ToggleFolderFavorite", func(ctx context.Context, w *world) (any, error) {
			r, err := w.folders.ToggleFolderFavorite(ctx, &maverav1.ToggleFolderFavoriteRequest{Id: w.folder})
			return r.GetIsFavorite(), err
		}, true},
		{"FilesService/DeleteFile", func(ctx context.Context, w *world) (any, error) {
			r, err := w.files.DeleteFile(ctx, &maverav1.DeleteFileRequest{Id: w.file})
			return r.GetDeleted(), err
		}, true},
		{"FoldersService/DeleteFolder", func(ctx context.Context, w *world) (any, error) {
			r, err := w.folders.DeleteFolder(ctx, &maverav1.DeleteFolderRequest{Id: w.folder})
			return r.GetDeleted(), err
		}, true},
	}
}

func teamOperations() []operation {
	return []operation{
		{"WorkspacesService/CreateWorkspace", func(ctx context.Context, w *world) (any, error) {
			r, err := w.workspaces.CreateWorkspace(ctx, &maverav1.CreateWorkspaceRequest{
				Name: "Bottle team two", Type: new(maverav1.WorkspaceType_WORKSPACE_TYPE_MARKETING_AGENCY), UsageLimit: new(int64(500)),
			})
			w.workspace = r.GetId()
			return []any{r.GetType(), r.GetUsageLimit()}, err
		}, []any{maverav1.WorkspaceType_WORKSPACE_TYPE_MARKETING_AGENCY, int64(500)}},
		{"WorkspacesService/ListWorkspaces", func(ctx context.Context, w *world) (any, error) {
			r, err := w.workspaces.ListWorkspaces(ctx, &maverav1.ListWorkspacesRequest{Search: new("team two"), IncludeMembers: new(true)})
			return len(r.GetData()), err
		}, 1},
		{"WorkspacesService/GetWorkspace", func(ctx context.Context, w *world) (any, error) {
			r, err := w.workspaces.GetWorkspace(ctx, &maverav1.GetWorkspaceRequest{Id: w.workspace})
			return r.GetName(), err
		}, "Bottle team two"},
		{"WorkspacesService/InviteWorkspaceMember", func(ctx context.Context, w *world) (any, error) {
			r, err := w.workspaces.InviteWorkspaceMember(ctx, &maverav1.InviteWorkspaceMemberRequest{
				Id: workspaceID, Email: "dora@example.com", Role: new(maverav1.WorkspaceRole_WORKSPACE_ROLE_ANALYST),
			})
			return r.GetStatus(), err
		}, maverav1.WorkspaceInvitationStatus_WORKSPACE_INVITATION_STATUS_PENDING},
		{"WorkspacesService/ListWorkspaceMembers", func(ctx context.Context, w *world) (any, error) {
			r, err := w.workspaces.ListWorkspaceMembers(ctx, &maverav1.ListWorkspaceMembersRequest{Id: workspaceID, IncludePending: new(true)})
			return []any{len(r.GetData()), len(r.GetPendingInvitations())}, err
		}, []any{2, 1}},
		{"WorkspacesService/UpdateWorkspaceMember", func(ctx context.Context, w *world) (any, error) {
			r, err := w.workspaces.UpdateWorkspaceMember(ctx, &maverav1.UpdateWorkspaceMemberRequest{
				Id: workspaceID, UserId: "user_def456", Role: maverav1.WorkspaceRole_WORKSPACE_ROLE_EDITOR,
			})
			return r.GetRole(), err
		}, maverav1.WorkspaceRole_WORKSPACE_ROLE_EDITOR},
		{"ProjectsService/CreateProject", func(ctx context.Context, w *world) (any, error) {
			r, err := w.projects.CreateProject(ctx, &maverav1.CreateProjectRequest{Name: new("Launch"), WorkspaceId: new(workspaceID), BudgetAlert: new(int64(0))})
			w.project = r.GetId()
			return []any{r.GetName(), r.BudgetAlert}, err //nolint:protogetter // absent and 0 differ
		}, []any{"Launch", new(int64(0))}},
		{"ProjectsService/ListProjects", func(ctx context.Context, w *world) (any, error) {
			r, err := w.projects.ListProjects(ctx, &maverav1.ListProjectsRequest{WorkspaceId: new(workspaceID)})
			return len(r.GetData()), err
		}, 2},
		{"ProjectsService/UpdateProject", func(ctx context.Context, w *world) (any, error) {
			r, err := w.projects.UpdateProject(ctx, &maverav1.UpdateProjectRequest{Id: w.project, UsageLimit: new(int64(400))})
			return r.GetUsageLimit(), err
		}, int64(400)},
		{"ProjectsService/GetProject", func(ctx context.Context, w *world) (any, error) {
			r, err := w.projects.GetProject(ctx, &maverav1.GetProjectRequest{Id: w.project})
			return r.GetUsageLimit(), err
		}, int64(400)},
		{"UsageService/GetUsage", func(ctx context.Context, w *world) (any, error) {
			r, err := w.usage.GetUsage(ctx, &maverav1.GetUsageRequest{})
			return []any{r.GetObject(), r.GetCredits().GetUsed() > 0}, err
		}, []any{"usage", true}},
	}
}

func meetingOperations() []operation {
	return []operation{
		{"MeetingsService/CreateMeeting", func(ctx context.Context, w *world) (any, error) {
			r, err := w.meetings.CreateMeeting(ctx, &maverav1.CreateMeetingRequest{MeetingUrl: "https://zoom.example.com/j/1", Title: new("Discovery"), WorkspaceId: new(workspaceID)})
			w.meeting = r.GetId()
			return r.GetTitle(), err
		}, "Discovery"},
		{"MeetingsService/ListMeetings", func(ctx context.Context, w *world) (any, error) {
			r, err := w.meetings.ListMeetings(ctx, &maverav1.ListMeetingsRequest{WorkspaceId: new(workspaceID), PageSize: new(int32(1))})
			return r.GetData()[0].GetId() == w.meeting, err
		}, true},
		{"MeetingsService/GetMeeting", func(ctx context.Context, w *world) (any, error) {
			r, err := w.meetings.GetMeeting(ctx, &maverav1.GetMeetingRequest{Id: w.meeting})
			return r.GetStatus(), err
		}, "done"},
		{"MeetingsService/GetMeetingTranscript", func(ctx context.Context, w *world) (any, error) {
			r, err := w.meetings.GetMeetingTranscript(ctx, &maverav1.GetMeetingTranscriptRequest{
				Id: w.meeting, Format: new(maverav1.MeetingTranscriptFormat_MEETING_TRANSCRIPT_FORMAT_TEXT), StartTime: new(3.0),
			})
			return r.GetContent(), err
		}, "Ben: Yes, please.\n"},
		{"MeetingsService/GetMeetingAnalysis", func(ctx context.Context, w *world) (any, error) {
			r, err := w.meetings.GetMeetingAnalysis(ctx, &maverav1.GetMeetingAnalysisRequest{Id: w.meeting})
			return r.GetMeetingId() == w.meeting, err
		}, true},
		{"MeetingsService/RunMeetingSchema", func(ctx context.Context, w *world) (any, error) {
			r, err := w.meetings.RunMeetingSchema(ctx, &maverav1.RunMeetingSchemaRequest{Id: w.meeting, SchemaId: "schema_abc123", ForceNew: new(true)})
			return r.GetMeetingId() == w.meeting, err
		}, true},
		{"MeetingsService/CancelMeeting", func(ctx context.Context, w *world) (any, error) {
			later, err := w.meetings.CreateMeeting(ctx, &maverav1.CreateMeetingRequest{MeetingUrl: "https://zoom.example.com/j/2", JoinAt: tomorrow()})
			if err != nil {
				return nil, err
			}
			r, err := w.meetings.CancelMeeting(ctx, &maverav1.CancelMeetingRequest{Id: later.GetId(), Reason: new("moved")})
			return []any{r.GetStatus(), r.GetCancelledAt().IsValid()}, err
		}, []any{"cancelled", true}},
	}
}

// acme is a brand voice to create.
func acme() *maverav1.CreateBrandVoiceRequest {
	return &maverav1.CreateBrandVoiceRequest{
		Label: "Acme", UsageContext: "Marketing texts and posts", WorkspaceId: new(workspaceID),
		Urls: []*maverav1.BrandVoiceUrlInput{{Url: new("https://acme.example.com/about")}},
	}
}
