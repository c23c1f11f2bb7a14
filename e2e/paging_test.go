//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// A page is what all lists have in common.
type page interface {
	GetNextPageToken() string
	GetTotalSize() int32
}

// TestPaging reads the lists of all four envelopes page by page and finds every
// row once, in the order of the whole list.
func TestPaging(t *testing.T) {
	m := startMavera(t)
	g := startGateway(t, startProxy(t, m.base).base)
	older := startGateway(t, m.base) // the contract has today's form only
	for i := range 6 {
		if _, err := g.videos.CreateVideoAnalysis(within(t), &maverav1.CreateVideoAnalysisRequest{
			VideoUrl: new("https://bucket.example.com/spot.mp4"), Title: fmt.Sprintf("Spot %d", i), Brand: "Example Co", Product: "Bottle",
			PrimaryIntent: maverav1.VideoIntent_VIDEO_INTENT_PERSUASIVE, Goal: "Raise awareness among students",
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := g.voices.CreateBrandVoice(within(t), acme()); err != nil {
			t.Fatal(err)
		}
		if _, err := g.mave.SendMaveMessage(within(t), &maverav1.SendMaveMessageRequest{Message: fmt.Sprintf("Question %d?", i)}); err != nil {
			t.Fatal(err)
		}
	}

	threads := func(g *gateway) func(ctx context.Context, size int32, token string) ([]string, page, error) {
		return func(ctx context.Context, size int32, token string) ([]string, page, error) {
			r, err := g.mave.ListMaveThreads(ctx, &maverav1.ListMaveThreadsRequest{PageSize: &size, PageToken: &token})
			return ids(r.GetData()), r, err
		}
	}
	for _, row := range []struct {
		name     string
		envelope string // of the simulator's older lists
		list     func(ctx context.Context, size int32, token string) ([]string, page, error)
		rows     int
		total    bool   // the list says how many there are
		second   string // how the request of the second page begins
	}{
		{"cursor", "cursor", func(ctx context.Context, size int32, token string) ([]string, page, error) {
			r, err := g.personas.ListPersonas(ctx, &maverav1.ListPersonasRequest{PageSize: &size, PageToken: &token})
			return ids(r.GetData()), r, err
		}, 26, false, "/personas?limit=4&cursor="},
		{"counted", "cursor", func(ctx context.Context, size int32, token string) ([]string, page, error) {
			r, err := g.videos.ListVideoAnalyses(ctx, &maverav1.ListVideoAnalysesRequest{PageSize: &size, PageToken: &token})
			return ids(r.GetData()), r, err
		}, 7, true, "/video-analyses?limit=4&offset=4"},
		{"bare", "cursor", func(ctx context.Context, size int32, token string) ([]string, page, error) {
			r, err := g.voices.ListBrandVoices(ctx, &maverav1.ListBrandVoicesRequest{PageSize: &size, PageToken: &token})
			return ids(r.GetData()), r, err
		}, 7, false, "/brand-voices"},
		{"offset", "offset", threads(older), 7, true, "/mave/threads?limit=4&offset=4"},
		{"cursor, of a list that had offsets", "cursor", threads(g), 7, false, "/mave/threads?limit=4&cursor="},
	} {
		t.Run(row.name, func(t *testing.T) {
			m.control("PATCH", "settings", object{"envelope": row.envelope}, nil)
			all, _, err := row.list(within(t), 100, "")
			if err != nil || len(all) != row.rows {
				t.Fatalf("the whole list has %d rows, want %d (%v)", len(all), row.rows, err)
			}
			var got []string
			token := ""
			for n := 1; ; n++ {
				rows, page, err := row.list(within(t), 4, token)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, rows...)
				if asked := m.lastTarget(); n == 2 && !strings.HasPrefix(asked, row.second) {
					t.Errorf("the second page is asked for by %s, want %s", asked, row.second)
				}
				if row.total && int(page.GetTotalSize()) != row.rows {
					t.Errorf("page %d: total_size %d, want %d", n, page.GetTotalSize(), row.rows)
				}
				token = page.GetNextPageToken()
				if (token == "") != (len(got) == row.rows) || n > row.rows {
					t.Fatalf("after page %d with %d of %d rows: next_page_token %q", n, len(got), row.rows, token)
				}
				if token == "" {
					break
				}
			}
			if diff := cmp.Diff(all, got); diff != "" {
				t.Errorf("-whole +pages:\n%s", diff)
			}
		})
	}

	// A token is for one list with its filters, whatever the page size.
	first, err := g.personas.ListPersonas(within(t), &maverav1.ListPersonasRequest{PageSize: new(int32(2))})
	if err != nil {
		t.Fatal(err)
	}
	token := first.GetNextPageToken()
	if r, err := g.personas.ListPersonas(within(t), &maverav1.ListPersonasRequest{PageSize: new(int32(100)), PageToken: &token}); err != nil || len(r.GetData()) != 24 {
		t.Errorf("another page size: %d rows, %v", len(r.GetData()), err)
	}
	m.forget()
	want := failure{
		Code: codes.InvalidArgument, Reason: "INVALID_REQUEST", Domain: local, Retryable: "false", Wait: "-1", Attempts: "0",
		Details: "bad page_token: is not a token that this RPC gave for these filters",
	}
	for name, request := range map[string]*maverav1.ListPersonasRequest{
		"other filters": {PageToken: &token, Search: new("parent")},
		"changed":       {PageToken: new(token[:len(token)-1] + "_")},
		"made up":       {PageToken: new("2")},
	} {
		_, o := call(within(t), g.personas.ListPersonas, request)
		if diff := cmp.Diff(want, o.failure(t)); diff != "" {
			t.Errorf("%s, -want +got:\n%s", name, diff)
		}
	}
	_, o := call(within(t), g.folders.ListFolders, &maverav1.ListFoldersRequest{WorkspaceId: workspaceID, PageToken: &token})
	if diff := cmp.Diff(want, o.failure(t)); diff != "" {
		t.Errorf("another list, -want +got:\n%s", diff)
	}
	if requests := m.requests(); len(requests) > 0 {
		t.Errorf("a bad token led to %d requests", len(requests))
	}
}

// TestPagingEnds has a list whose cursor comes again.
func TestPagingEnds(t *testing.T) {
	m, g := pair(t)
	m.fault("GET /personas", object{"times": -1, "status": 200, "body": `{"object":"list","data":[{"id":"p"}],"has_more":true,"next_cursor":"again"}`})
	token := ""
	for range 10 {
		r, o := call(within(t), g.personas.ListPersonas, &maverav1.ListPersonasRequest{PageToken: &token})
		if o.err != nil {
			want := failure{
				Code: codes.Internal, Reason: "MALFORMED_RESPONSE", Domain: upstream, HTTPStatus: "200", Retryable: "true", Wait: "1s", Attempts: "4", Details: "/guides/errors",
			}
			if diff := cmp.Diff(want, o.failure(t)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			return
		}
		token = r.GetNextPageToken()
	}
	t.Error("the list never ends")
}

// ids are those of the rows, which have no other in common.
func ids[T interface{ GetId() string }](rows []T) []string {
	var out []string
	for _, row := range rows {
		out = append(out, row.GetId())
	}
	return slices.Clip(out)
}
