package server

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

func recovers(o *Options) { o.RecoverCreates = true }

// A billed is one of the creates that are looked up.
type billed struct {
	name, path string
	family     string
	looks      []string // the requests of a look that finds the object
	credits    string   // what the object says of its cost
	create     func(context.Context, *harness, ...grpc.CallOption) (proto.Message, error)
	get        func(context.Context, *harness, string) (proto.Message, error)
}

func newPersona() *maverav1.CreatePersonaRequest {
	return &maverav1.CreatePersonaRequest{
		Name: new("Enterprise CMO"), Description: new("Marketing lead"), Goals: []string{"Better return"},
		Type:         maverav1.PersonaAudienceType_PERSONA_AUDIENCE_TYPE_B2B.Enum(),
		PipelineType: maverav1.PersonaPipelineType_PERSONA_PIPELINE_TYPE_NORTH_STAR.Enum(),
	}
}

func newStudy() *maverav1.CreateFocusGroupRequest {
	return &maverav1.CreateFocusGroupRequest{
		WorkspaceId: new("ws_abc123"), Name: new("Bottle concept"), SampleSize: new(int32(10)),
		PersonaIds: []string{"clx1abc2d0001abcdef123456"},
		Questions:  []*maverav1.FocusGroupQuestion{{Type: new("NPS"), Question: new("Would you tell a friend?")}},
	}
}

func billedCreates() []billed {
	return []billed{
		{
			"persona", "/personas", "personas",
			[]string{"GET /personas", "GET /personas/"},
			"300",
			func(ctx context.Context, h *harness, o ...grpc.CallOption) (proto.Message, error) {
				return h.personas.CreatePersona(ctx, newPersona(), o...)
			},
			func(ctx context.Context, h *harness, id string) (proto.Message, error) {
				return h.personas.GetPersona(ctx, &maverav1.GetPersonaRequest{Id: id})
			},
		},
		{
			"brand voice", "/brand-voices", "brand_voices",
			[]string{"GET /brand-voices"},
			"",
			func(ctx context.Context, h *harness, o ...grpc.CallOption) (proto.Message, error) {
				return maverav1.NewBrandVoicesServiceClient(h.conn).CreateBrandVoice(ctx, &maverav1.CreateBrandVoiceRequest{
					Label: "Acme", UsageContext: "Texts of all kinds", WorkspaceId: new("ws_abc123"),
					Urls: []*maverav1.BrandVoiceUrlInput{{Url: new("https://acme.example.com")}, {Url: new("https://acme.example.com/blog"), Name: new("Blog")}},
				}, o...)
			},
			func(ctx context.Context, h *harness, id string) (proto.Message, error) {
				return maverav1.NewBrandVoicesServiceClient(h.conn).GetBrandVoice(ctx, &maverav1.GetBrandVoiceRequest{Id: id})
			},
		},
		{
			"focus group", "/focus-groups", "focus_groups",
			[]string{"GET /focus-groups", "GET /focus-groups/"},
			"52",
			func(ctx context.Context, h *harness, o ...grpc.CallOption) (proto.Message, error) {
				return maverav1.NewFocusGroupsServiceClient(h.conn).CreateFocusGroup(ctx, newStudy(), o...)
			},
			func(ctx context.Context, h *harness, id string) (proto.Message, error) {
				return maverav1.NewFocusGroupsServiceClient(h.conn).GetFocusGroup(ctx, &maverav1.GetFocusGroupRequest{Id: id})
			},
		},
		{
			"video analysis", "/video-analyses", "video_analyses",
			[]string{"GET /video-analyses"},
			"",
			func(ctx context.Context, h *harness, o ...grpc.CallOption) (proto.Message, error) {
				return maverav1.NewVideoAnalysesServiceClient(h.conn).CreateVideoAnalysis(ctx, &maverav1.CreateVideoAnalysisRequest{
					VideoUrl: new("https://example.com/ad.mp4"), Title: "An advert", Brand: "Brand", Product: "Product",
					PrimaryIntent: maverav1.VideoIntent_VIDEO_INTENT_INFORMATIVE, Goal: "to show that it works",
				}, o...)
			},
			func(ctx context.Context, h *harness, id string) (proto.Message, error) {
				return maverav1.NewVideoAnalysesServiceClient(h.conn).GetVideoAnalysis(ctx, &maverav1.GetVideoAnalysisRequest{Id: id})
			},
		},
	}
}

// fault scripts the simulator.
func (n *noted) fault(t *testing.T, f simulator.Fault) {
	t.Helper()
	if _, err := n.sim.AddFault(f); err != nil {
		t.Fatal(err)
	}
}

// withoutID cuts the id off the target of a request for one object.
func withoutID(requests []string) []string {
	for i, r := range requests {
		if parts := strings.SplitN(r, "/", 3); len(parts) == 3 {
			requests[i] = parts[0] + "/" + parts[1] + "/"
		}
	}
	return requests
}

// TestLookUp has creates of every kind end in every way.
func TestLookUp(t *testing.T) {
	unknown := "Unknown OUTCOME_UNKNOWN mavera.io attempts=1 waited_ms=0 retryable=false outcome=unknown pushback=-1"
	found := func(b billed) []string { return append([]string{"POST " + b.path}, b.looks...) }
	twice := func(b billed) []string { return []string{"POST " + b.path, "GET " + b.path, "GET " + b.path} }
	for _, b := range billedCreates() {
		for _, row := range []struct {
			name     string
			fault    simulator.Fault
			want     string // of a failure
			result   string // of the look-up
			requests []string
		}{
			{"cut after it was carried out", simulator.Fault{CloseBefore: true, Effect: true}, "", "found", found(b)},
			{"500 after it was carried out", simulator.Fault{Status: 500, Effect: true}, "", "found", found(b)},
			{"502 after it was carried out", simulator.Fault{Status: 502, Effect: true}, "", "found", found(b)},
			{"no answer after it was carried out", simulator.Fault{Hang: true, Effect: true}, "", "found", found(b)},
			{"HTML after it was carried out", simulator.Fault{Status: 201, Body: new("<html>"), Effect: true}, "", "found", found(b)},
			{"an answer that is cut", simulator.Fault{CutAfterBytes: new(int64(9))}, "", "found", found(b)},
			{"cut before it was carried out", simulator.Fault{CloseBefore: true}, unknown, "none", twice(b)},
			{"504 before it was carried out", simulator.Fault{Status: 504}, unknown, "none", twice(b)},
			{"500 before it was carried out", simulator.Fault{Status: 500}, "", "none", append(twice(b), "POST "+b.path)},
			{
				"HTML, and nothing was carried out",
				simulator.Fault{Status: 201, Body: new("<html>")},
				"Internal MALFORMED_RESPONSE mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1", "none", twice(b),
			},
			{"503", simulator.Fault{Status: 503}, "", "", []string{"POST " + b.path, "POST " + b.path}},
			{"422", simulator.Fault{Status: 422}, "InvalidArgument HTTP_422 mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1", "", []string{"POST " + b.path}},
		} {
			t.Run(b.name+", "+row.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					upstream := newNoted(t)
					row.fault.Route = "POST " + b.path
					if row.fault.Status == 422 {
						row.fault.Body = new("{}")
					}
					upstream.fault(t, row.fault)
					h := newHarness(t, upstream.ServeHTTP, recovers, still)
					var trailer metadata.MD
					object, err := b.create(t.Context(), h, grpc.Trailer(&trailer))
					got := ""
					if err != nil {
						got = brief(t, err, trailer)
					}
					if got != row.want {
						t.Errorf("got  %s\nwant %s", got, row.want)
					}
					if diff := cmp.Diff(row.requests, withoutID(upstream.take())); diff != "" {
						t.Errorf("requests, -want +got:\n%s", diff)
					}
					recovered := strings.Join(trailer.Get(recoveredKey), ",")
					if want := map[bool]string{true: "true"}[row.result == "found"]; recovered != want {
						t.Errorf("the trailer says recovered %q, want %q", recovered, want)
					}
					if n := h.tally.decisions[b.family+" look-up "+row.result]; row.result != "" && n != 1 {
						t.Errorf("counted %v", h.tally.decisions)
					}
					if row.result == "found" {
						h.wantLookUp(t, map[string]any{"result": "found", "family": b.family, "rpc": rpcOf(h)})
						if got := strings.Join(trailer.Get(creditsKey), ","); got != b.credits || (b.credits != "") != (h.tally.credits[b.family] > 0) {
							t.Errorf("credits %q, counted %v, want %s", got, h.tally.credits, b.credits)
						}
						wantWhole(t, h, b, object)
					}
				})
			})
		}
	}
}

// wantLookUp expects the log line of the one look-up there was.
func (h *harness) wantLookUp(t *testing.T, want map[string]any) {
	t.Helper()
	for _, line := range h.log.lines(t) {
		if line["msg"] != "look-up of a billed create" {
			continue
		}
		for key, value := range want {
			if line[key] != value {
				t.Errorf("the log says %s %v, want %v", key, line[key], value)
			}
		}
		return
	}
	t.Errorf("no look-up in the log:\n%s", h.log.text())
}

// rpcOf is the RPC of the last call in the log.
func rpcOf(h *harness) any {
	var rpc any
	for line := range strings.Lines(h.log.text()) {
		if _, rest, ok := strings.Cut(line, `"msg":"call"`); ok {
			_, rest, _ = strings.Cut(rest, `"rpc":"`)
			name, _, _ := strings.Cut(rest, `"`)
			rpc = name
		}
	}
	return rpc
}

// wantWhole compares a recovered object with what there is of it. What the list leaves
// out is not asked for where a create leaves it out too.
func wantWhole(t *testing.T, h *harness, b billed, object proto.Message) {
	t.Helper()
	want, err := b.get(t.Context(), h, object.(interface{ GetId() string }).GetId())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, object, protocmp.Transform(), protocmp.IgnoreFields(&maverav1.VideoAnalysis{}, "updated_at", "progress", "error")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// still makes jitter as short as can be: the pause before a retry is none.
func still(o *Options) {
	policy(func(p *resilience.Policy) {
		p.Backoff = resilience.Backoff{Base: time.Nanosecond, Cap: time.Nanosecond}
	})(o)
}

// TestLookUpRefusesToGuess has more than one object that could be it, or no way to know.
func TestLookUpRefusesToGuess(t *testing.T) {
	const posts, gets = "POST /personas", "GET /personas"
	unknown := "Unknown OUTCOME_UNKNOWN mavera.io attempts=1 waited_ms=0 retryable=false outcome=unknown pushback=-1"
	cut, failing := simulator.Fault{CloseBefore: true, Effect: true}, simulator.Fault{Status: 500, Effect: true}
	elsewhere := func(change func(*maverav1.CreatePersonaRequest)) func(*testing.T, *noted) {
		return func(t *testing.T, n *noted) {
			t.Helper()
			in := newPersona()
			change(in)
			h := newHarness(t, n.sim.ServeHTTP) // another gateway with the same key
			if _, err := h.personas.CreatePersona(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
	}
	equal := elsewhere(func(*maverav1.CreatePersonaRequest) {})
	for _, row := range []struct {
		name     string
		before   func(*testing.T, *noted)
		fault    simulator.Fault
		list     *simulator.Fault
		deadline time.Duration
		change   func(*Options)
		want     string
		result   string
		requests []string
	}{
		{"two equal objects", equal, cut, nil, 0, recovers, unknown, "several", []string{posts, gets}},
		{"two equal objects, after 500", equal, failing, nil, 0, recovers, unknown, "several", []string{posts, gets}},
		{
			"an equal object that is too old", func(t *testing.T, n *noted) {
				t.Helper()
				equal(t, n)
				time.Sleep(10 * time.Second)
			}, cut, nil, 0, recovers, "", "found", []string{posts, gets, "GET /personas/"},
		},
		{
			"another description, which Mavera may have edited", elsewhere(func(in *maverav1.CreatePersonaRequest) { in.Description = new("Another") }),
			simulator.Fault{Status: 500},
			nil, 0, recovers, unknown, "several",
			[]string{posts, gets, "GET /personas/"},
		},
		{
			"another name", elsewhere(func(in *maverav1.CreatePersonaRequest) { in.Name = new("Another") }),
			cut, nil, 0, recovers, "", "found",
			[]string{posts, gets, "GET /personas/"},
		},
		{
			"another type, which the row does not show", elsewhere(func(in *maverav1.CreatePersonaRequest) {
				in.Type = maverav1.PersonaAudienceType_PERSONA_AUDIENCE_TYPE_B2C.Enum()
			}),
			simulator.Fault{CloseBefore: true},
			nil, 0, recovers, unknown, "none",
			[]string{posts, gets, "GET /personas/", gets, "GET /personas/"},
		},
		{"the listing fails", nil, cut, &simulator.Fault{Status: 400}, 0, recovers, unknown, "failed", []string{posts, gets}},
		{"the listing fails, after 500", nil, failing, &simulator.Fault{Status: 400}, 0, recovers, unknown, "failed", []string{posts, gets}},
		{"the listing fails once", nil, cut, &simulator.Fault{Status: 503}, 0, recovers, "", "found", []string{posts, gets, gets, "GET /personas/"}},
		{"the listing hangs", nil, cut, &simulator.Fault{Hang: true}, 0, recovers, unknown, "failed", []string{posts, gets}},
		{"no time", nil, cut, nil, time.Second, recovers, unknown, "failed", []string{posts}},
		{"no time, after 500", nil, failing, nil, time.Second, recovers, unknown, "failed", []string{posts}},
		{"time for one look", nil, simulator.Fault{CloseBefore: true}, nil, 2 * time.Second, recovers, unknown, "none", []string{posts, gets}},
		{"turned off", nil, cut, nil, 0, func(*Options) {}, unknown, "", []string{posts}},
		{"turned off, 500", nil, failing, nil, 0, func(*Options) {}, "", "", []string{posts, posts}},
		{
			"repeated by policy, when none is found", nil,
			simulator.Fault{CloseBefore: true},
			nil, 0,
			func(o *Options) { recovers(o); policy(func(p *resilience.Policy) { p.RepeatUnknown = true })(o) }, "", "none",
			[]string{posts, gets, gets, posts},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				upstream := newNoted(t)
				if row.before != nil {
					row.before(t, upstream)
				}
				row.fault.Route = posts
				upstream.fault(t, row.fault)
				if row.list != nil {
					row.list.Route = gets
					upstream.fault(t, *row.list)
				}
				h := newHarness(t, upstream.ServeHTTP, still, row.change)
				ctx := t.Context()
				if row.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, row.deadline)
					defer cancel()
				}
				begin := time.Now()
				var trailer metadata.MD
				_, err := h.personas.CreatePersona(ctx, newPersona(), grpc.Trailer(&trailer))
				got := ""
				if err != nil {
					got = brief(t, err, trailer)
				}
				if got != row.want {
					t.Errorf("got  %s\nwant %s", got, row.want)
				}
				if took := time.Since(begin); row.deadline > 0 && took > 0 {
					t.Errorf("took %v with a deadline of %v", took, row.deadline)
				}
				if diff := cmp.Diff(row.requests, withoutID(upstream.take())); diff != "" {
					t.Errorf("requests, -want +got:\n%s", diff)
				}
				if n := h.tally.decisions["personas look-up "+row.result]; row.result != "" && n != 1 {
					t.Errorf("counted %v", h.tally.decisions)
				}
			})
		})
	}
}
