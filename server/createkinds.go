package server

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// createPage is how many objects a look-up lists at a time; Mavera gives no more.
const createPage = 100

// A createKind is how what a billed create makes is found again in its family's
// listing.
type createKind struct {
	// sent reads from the body of the create what it asked for.
	sent func(body []byte) (traits, error)
	// list is the RPC that lists, page makes its request, rows reads its answer.
	list string
	page func(want traits, token string) proto.Message
	rows func(*transcode.Answer) (rows []made, next string, err error)
	// whole reads what a create, or get, answers.
	whole func(*transcode.Answer) (made, error)
	// get is the RPC that shows more of an object than a row, pick makes its request. It
	// is empty where a row has all that a create answers.
	get  string
	pick func(id string) proto.Message
}

// made is an object that a create may have made.
type made struct {
	traits

	id      string
	created time.Time // zero where Mavera does not say
	credits *float64  // what it cost; nil where Mavera does not say
	object  proto.Message
}

// createKindOf returns the kind of a billed create; nil for every other RPC.
func createKindOf(procedure string) *createKind {
	switch procedure {
	case maverav1.PersonasService_CreatePersona_FullMethodName:
		return personaKind()
	case maverav1.BrandVoicesService_CreateBrandVoice_FullMethodName:
		return brandVoiceKind()
	case maverav1.FocusGroupsService_CreateFocusGroup_FullMethodName:
		return focusGroupKind()
	case maverav1.VideoAnalysesService_CreateVideoAnalysis_FullMethodName:
		return videoAnalysisKind()
	default:
		return nil
	}
}

// personaKind: a row has name, description and is_custom
// (/api-reference/personas/list-available-personas); what the creation answers, type
// and pipeline_type too (/api-reference/custom-personas/create-a-custom-persona), and
// that is read with GetPersona. A description may be generated.
func personaKind() *createKind {
	shown := func(p *maverav1.Persona) traits {
		t := traits{name: p.GetName(), echoed: []string{"", "", ""}, edited: []string{p.GetDescription()}}
		if p.IsCustom != nil {
			t.echoed[0] = strconv.FormatBool(p.GetIsCustom())
		}
		if p.GetType() != maverav1.PersonaAudienceType_PERSONA_AUDIENCE_TYPE_UNSPECIFIED {
			t.echoed[1] = word(p.GetType().String(), "PERSONA_AUDIENCE_TYPE_")
		}
		if p.GetPipelineType() != maverav1.PersonaPipelineType_PERSONA_PIPELINE_TYPE_UNSPECIFIED {
			t.echoed[2] = word(p.GetPipelineType().String(), "PERSONA_PIPELINE_TYPE_")
		}
		return t
	}
	return &createKind{
		sent: sentAs(func(body struct {
			Name, Description, Type string
			PipelineType            string `json:"pipeline_type"`
		},
		) traits {
			return traits{name: body.Name, echoed: []string{"true", word(body.Type, ""), word(body.PipelineType, "")}, edited: []string{body.Description}}
		}),
		list: maverav1.PersonasService_ListPersonas_FullMethodName,
		page: func(_ traits, token string) proto.Message {
			return &maverav1.ListPersonasRequest{IsCustom: new(true), PageSize: new(int32(createPage)), PageToken: orNil(token)}
		},
		rows:  rowsOf(func() *maverav1.ListPersonasResponse { return new(maverav1.ListPersonasResponse) }, shown),
		whole: wholeOf(func() *maverav1.Persona { return new(maverav1.Persona) }, shown),
		get:   maverav1.PersonasService_GetPersona_FullMethodName,
		pick:  func(id string) proto.Message { return &maverav1.GetPersonaRequest{Id: id} },
	}
}

// brandVoiceKind: rows are full objects, as a creation answers them, with label,
// workspace and usage_context as given, and what the voice is learnt from in sources
// (/api-reference/brand-voice/list-brand-voices, .../create-brand-voice). Of those the
// first are compared: the sample of the page shows one url of two.
func brandVoiceKind() *createKind {
	shown := func(v *maverav1.BrandVoice) traits {
		url := first(v.GetSources().GetUrls(), (*maverav1.BrandVoiceUrlSource).GetUrl)
		document := first(v.GetSources().GetDocuments(), (*maverav1.BrandVoiceDocumentSource).GetName)
		return traits{
			name: v.GetLabel(), place: v.GetWorkspaceId(), echoed: []string{v.GetWorkspaceId()},
			edited: []string{v.GetUsageContext(), url, document},
		}
	}
	return &createKind{
		sent: sentAs(func(body struct {
			Label        string
			WorkspaceID  string `json:"workspace_id"`
			UsageContext string `json:"usage_context"`
			URLs         []link
			Documents    []document
		},
		) traits {
			return traits{
				name: body.Label, place: body.WorkspaceID, echoed: []string{body.WorkspaceID},
				edited: []string{body.UsageContext, first(body.URLs, link.text), first(body.Documents, document.name)},
			}
		}),
		list: maverav1.BrandVoicesService_ListBrandVoices_FullMethodName,
		page: func(want traits, token string) proto.Message {
			return &maverav1.ListBrandVoicesRequest{WorkspaceId: orNil(want.place), PageToken: orNil(token)} // one page without page_size
		},
		rows:  rowsOf(func() *maverav1.ListBrandVoicesResponse { return new(maverav1.ListBrandVoicesResponse) }, shown),
		whole: wholeOf(func() *maverav1.BrandVoice { return new(maverav1.BrandVoice) }, shown),
	}
}

// focusGroupKind: the documentation names the workspace only (/features/workspaces);
// that rows have name, project, description, personas and sample size, and GetFocusGroup
// the questions besides, is inferred from the other families.
func focusGroupKind() *createKind {
	shown := func(g *maverav1.FocusGroup) traits {
		return traits{
			name: g.GetName(), place: g.GetWorkspaceId(), echoed: []string{g.GetWorkspaceId(), g.GetProjectId()},
			edited: []string{g.GetDescription(), strings.Join(g.GetPersonaIds(), "\n"), count(int(g.GetSampleSize()))},
		}
	}
	return &createKind{
		sent: sentAs(func(body struct {
			Name, Description string
			WorkspaceID       string   `json:"workspace_id"`
			ProjectID         string   `json:"project_id"`
			PersonaIDs        []string `json:"persona_ids"`
			SampleSize        int      `json:"sample_size"`
		},
		) traits {
			return traits{
				name: body.Name, place: body.WorkspaceID, echoed: []string{body.WorkspaceID, body.ProjectID},
				edited: []string{body.Description, strings.Join(body.PersonaIDs, "\n"), count(body.SampleSize)},
			}
		}),
		list: maverav1.FocusGroupsService_ListFocusGroups_FullMethodName,
		page: func(want traits, token string) proto.Message {
			return &maverav1.ListFocusGroupsRequest{WorkspaceId: orNil(want.place), PageSize: new(int32(createPage)), PageToken: orNil(token)}
		},
		rows:  rowsOf(func() *maverav1.ListFocusGroupsResponse { return new(maverav1.ListFocusGroupsResponse) }, shown),
		whole: wholeOf(func() *maverav1.FocusGroup { return new(maverav1.FocusGroup) }, shown),
		get:   maverav1.FocusGroupsService_GetFocusGroup_FullMethodName,
		pick:  func(id string) proto.Message { return &maverav1.GetFocusGroupRequest{Id: id} },
	}
}

// videoAnalysisKind: rows have what a creation answers, all of its required fields as
// given (/api-reference/video-analysis/list-video-analyses,
// .../create-a-video-analysis). The address may be signed anew, or null.
func videoAnalysisKind() *createKind {
	shown := func(v *maverav1.VideoAnalysis) traits {
		return traits{
			name: v.GetTitle(), echoed: []string{v.GetBrand(), v.GetProduct(), v.GetGoal(), word(v.GetPrimaryIntent(), "")},
			edited: []string{v.GetVideoUrl()},
		}
	}
	return &createKind{
		sent: sentAs(func(body struct {
			Title, Brand, Product, Goal string
			PrimaryIntent               string `json:"primary_intent"`
			VideoURL                    string `json:"video_url"`
		},
		) traits {
			return traits{
				name: body.Title, echoed: []string{body.Brand, body.Product, body.Goal, word(body.PrimaryIntent, "")},
				edited: []string{body.VideoURL},
			}
		}),
		list: maverav1.VideoAnalysesService_ListVideoAnalyses_FullMethodName,
		page: func(_ traits, token string) proto.Message {
			return &maverav1.ListVideoAnalysesRequest{PageSize: new(int32(createPage)), PageToken: orNil(token)}
		},
		rows:  rowsOf(func() *maverav1.ListVideoAnalysesResponse { return new(maverav1.ListVideoAnalysesResponse) }, shown),
		whole: wholeOf(func() *maverav1.VideoAnalysis { return new(maverav1.VideoAnalysis) }, shown),
	}
}

// sentAs reads a body of the form B.
func sentAs[B any](of func(B) traits) func([]byte) (traits, error) {
	return func(text []byte) (traits, error) {
		var body B
		if err := json.Unmarshal(text, &body); err != nil {
			return traits{}, fmt.Errorf("read the request again: %w", err)
		}
		return of(body), nil
	}
}

// first is what the first of a list has, if there is one.
func first[T any](list []T, text func(T) string) string {
	if len(list) == 0 {
		return ""
	}
	return text(list[0])
}

type document struct{ Name string }

func (d document) name() string { return d.Name }

// link is the address in a text or in an object with url.
type link string

func (l link) text() string { return string(l) }

func (l *link) UnmarshalJSON(text []byte) error {
	var object struct{ URL string }
	if err := json.Unmarshal(text, (*string)(l)); err == nil {
		return nil
	}
	if err := json.Unmarshal(text, &object); err != nil {
		return fmt.Errorf("read url: %w", err)
	}
	*l = link(object.URL)
	return nil
}

// A resource is what creates make.
type resource interface {
	proto.Message
	GetId() string
	GetCreatedAt() *timestamppb.Timestamp
}

// rowsOf reads a page of a listing.
func rowsOf[R resource, P interface {
	proto.Message
	GetData() []R
	GetNextPageToken() string
}](empty func() P, shown func(R) traits) func(*transcode.Answer) ([]made, string, error) {
	return func(answer *transcode.Answer) ([]made, string, error) {
		page := empty()
		if err := answer.Unmarshal(page); err != nil {
			return nil, "", fmt.Errorf("decode listing: %w", err)
		}
		rows := make([]made, 0, len(page.GetData()))
		for _, row := range page.GetData() {
			rows = append(rows, madeOf(row, shown))
		}
		return rows, page.GetNextPageToken(), nil
	}
}

// wholeOf reads a single object.
func wholeOf[R resource](empty func() R, shown func(R) traits) func(*transcode.Answer) (made, error) {
	return func(answer *transcode.Answer) (made, error) {
		object := empty()
		if err := answer.Unmarshal(object); err != nil {
			return made{}, fmt.Errorf("decode object: %w", err)
		}
		return madeOf(object, shown), nil
	}
}

func madeOf[R resource](object R, shown func(R) traits) made {
	m := made{traits: shown(object), id: object.GetId(), object: object}
	if at := object.GetCreatedAt(); at != nil {
		m.created = at.AsTime()
	}
	switch o := proto.Message(object).(type) {
	case *maverav1.Persona:
		m.credits = o.CreditsCharged
	case *maverav1.FocusGroup:
		if o.GetUsage() != nil {
			m.credits = o.GetUsage().CreditsUsed
		}
	}
	return m
}

// traits are what the request of a create and an object of the listing have in common.
// An empty one is not known. The lists of one kind have the same order everywhere.
type traits struct {
	name  string
	place string // the workspace by which the listing is narrowed
	// echoed come back as they were sent.
	echoed []string
	// edited may come back in other words, or filled in.
	edited []string
}

// likeness is how sure it is that two sets of traits are of one object.
type likeness int

const (
	other  likeness = iota // they are not
	unsure                 // nothing to know them by, or it differs in what may be edited
	same
)

// compare says whether an object with the traits u can be what was asked for with t.
func (t traits) compare(u traits) likeness {
	if differ(t.name, u.name) || slices.ContainsFunc(pairs(t.echoed, u.echoed), func(p [2]string) bool { return differ(p[0], p[1]) }) {
		return other
	}
	if t.name == "" || u.name == "" || slices.ContainsFunc(pairs(t.edited, u.edited), func(p [2]string) bool { return differ(p[0], p[1]) }) {
		return unsure
	}
	return same
}

// differ reports whether two texts, both known, are not the same but for space around
// them.
func differ(a, b string) bool {
	a, b = strings.TrimSpace(a), strings.TrimSpace(b)
	return a != "" && b != "" && a != b
}

func pairs(a, b []string) [][2]string {
	out := make([][2]string, min(len(a), len(b)))
	for i := range out {
		out[i] = [2]string{a[i], b[i]}
	}
	return out
}

// word is a word of an enum as both sides can spell it.
func word(text, prefix string) string { return strings.ToLower(strings.TrimPrefix(text, prefix)) }

// count is a number, or nothing where there is none.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
