package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// A noted is a simulator that notes the requests it gets.
type noted struct {
	sim  *simulator.Simulator
	gone string // an id that is answered 404

	mu       sync.Mutex
	requests []string // Guarded by mu.
}

func newNoted(t *testing.T) *noted {
	t.Helper()
	time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))) // bubbles begin before the simulator's seed was made
	sim, err := simulator.New(simulator.Options{
		Keys: map[string]simulator.KeyState{testKey: simulator.KeyValid, "a-key-of-the-caller": simulator.KeyValid}, Seed: 1,
		Settings: simulator.Settings{JobDuration: map[string]time.Duration{simulator.FocusGroups: 75 * time.Second}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &noted{sim: sim}
}

func (n *noted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	n.requests = append(n.requests, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api/v1"))
	gone := n.gone != "" && strings.HasSuffix(r.URL.Path, n.gone)
	n.mu.Unlock()
	if gone {
		r.URL.Path = "/api/v1/focus-groups/there-is-none"
	}
	n.sim.ServeHTTP(w, r)
}

// take returns the requests since the last look.
func (n *noted) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	requests := n.requests
	n.requests = nil
	return requests
}

func follows(o *Options) { o.FollowJobs = true }

func createGroup(ctx context.Context, h *harness) (*maverav1.FocusGroup, error) {
	return maverav1.NewFocusGroupsServiceClient(h.conn).CreateFocusGroup(ctx, &maverav1.CreateFocusGroupRequest{
		WorkspaceId: new("ws_abc123"), Name: new("study"),
	})
}

// createGroups makes five, as many as Mavera lets run.
func createGroups(t *testing.T, h *harness) []string {
	t.Helper()
	var ids []string
	for range 5 {
		group, err := createGroup(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, group.GetId())
	}
	return ids
}

func wantSlots(t *testing.T, h *harness, want resilience.SlotUsage) {
	t.Helper()
	synctest.Wait() // a call that got a slot may be done before the next one is freed
	got := h.server.Snapshot().Slots["focus_groups"]
	if got.MedianHold = 0; got != want {
		t.Errorf("slots %+v, want %+v", got, want)
	}
}

// TestSixthFocusGroup refuses one that has too little time, and lets another wait for a
// slot that the follower frees: Mavera has to refuse neither.
func TestSixthFocusGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP, follows)
		synctest.Wait()
		createGroups(t, h)
		wantSlots(t, h, resilience.SlotUsage{Slots: 5, Taken: 5, Jobs: 5})

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := createGroup(ctx, h)
		if reason := reasonOf(err); status.Code(err) != codes.ResourceExhausted || reason != "CONCURRENCY_LIMITED" {
			t.Errorf("the sixth: %v, reason %s", err, reason)
		}

		begin := time.Now()
		if _, err := createGroup(t.Context(), h); err != nil {
			t.Errorf("the sixth, with time: %v", err)
		}
		// 75 s after their creation they end, 10 s of which are over; the polls are 10 s
		// apart on a key with 60 requests a minute.
		if waited := time.Since(begin); waited < 60*time.Second || waited > 80*time.Second {
			t.Errorf("waited %v for the slot", waited)
		}
		wantSlots(t, h, resilience.SlotUsage{Slots: 5, Taken: 1, Jobs: 1})
		requests := upstream.take()
		creates, polls := 0, 0
		for _, request := range requests {
			switch request {
			case "POST /focus-groups":
				creates++
			case "GET /focus-groups":
				polls++
			}
		}
		if creates != 6 || polls < 5 || polls > 10 {
			t.Errorf("%d creations and %d listings in %q", creates, polls, requests)
		}
	})
}

func reasonOf(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// TestSlotsAreRecovered restarts the gateway while jobs run.
func TestSlotsAreRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		createGroups(t, newHarness(t, upstream.ServeHTTP))
		time.Sleep(time.Second)
		upstream.take()

		after := newHarness(t, upstream.ServeHTTP, follows)
		time.Sleep(15 * time.Second) // polls, and so the two listings, are 10 s apart
		wantSlots(t, after, resilience.SlotUsage{Slots: 5, Taken: 5, Jobs: 5})
		if got, want := upstream.take(), []string{"GET /focus-groups", "GET /video-analyses"}; !slices.Equal(got[:2], want) {
			t.Errorf("requests %q, want %q first", got, want)
		}
		if log := after.log.text(); strings.Count(log, "job adopted") != 5 {
			t.Errorf("log:\n%s", log)
		}
		time.Sleep(2 * time.Minute)
		wantSlots(t, after, resilience.SlotUsage{Slots: 5})
		upstream.take()
		time.Sleep(time.Hour)
		if got := upstream.take(); len(got) > 0 {
			t.Errorf("asked without a job that holds a slot: %q", got)
		}
	})
}

// TestAnswersFreeSlots does without the follower.
func TestAnswersFreeSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP)
		groups := maverav1.NewFocusGroupsServiceClient(h.conn)
		ids := createGroups(t, h)
		upstream.gone = ids[0]
		if _, err := groups.GetFocusGroup(t.Context(), &maverav1.GetFocusGroupRequest{Id: ids[0]}); status.Code(err) != codes.NotFound {
			t.Fatal(err)
		}
		wantSlots(t, h, resilience.SlotUsage{Slots: 5, Taken: 4, Jobs: 4})
		if _, err := groups.GetFocusGroup(t.Context(), &maverav1.GetFocusGroupRequest{Id: ids[1]}); err != nil {
			t.Fatal(err)
		}
		wantSlots(t, h, resilience.SlotUsage{Slots: 5, Taken: 4, Jobs: 4}) // it runs

		time.Sleep(75 * time.Second)
		if _, err := groups.GetFocusGroup(t.Context(), &maverav1.GetFocusGroupRequest{Id: ids[1]}); err != nil {
			t.Fatal(err)
		}
		wantSlots(t, h, resilience.SlotUsage{Slots: 5, Taken: 3, Jobs: 3})
		if _, err := groups.ListFocusGroups(t.Context(), &maverav1.ListFocusGroupsRequest{}); err != nil {
			t.Fatal(err)
		}
		wantSlots(t, h, resilience.SlotUsage{Slots: 5})
	})
}

// TestSlotsOfUnseenJobsExpire leaves a job to its age: nobody asks about it.
func TestSlotsOfUnseenJobsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP, func(o *Options) { o.AllowCallerKeys = true })
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-mavera-api-key", "a-key-of-the-caller")
		if _, err := createGroup(ctx, h); err != nil {
			t.Fatal(err)
		}
		jobs := func() int {
			n := 0
			for _, slots := range h.server.resilient.jobSlots() {
				n += slots.Usage().Jobs
			}
			return n
		}
		time.Sleep(29 * time.Minute)
		if got := jobs(); got != 1 {
			t.Errorf("%d jobs hold slots after 29 min, want 1", got)
		}
		time.Sleep(3 * time.Minute)
		if got := jobs(); got != 0 {
			t.Errorf("%d jobs hold slots after 32 min, want none", got)
		}
	})
}

// TestJobStates reads every spelling of a state.
func TestJobStates(t *testing.T) {
	created := time.Unix(1700000000, 0).UTC()
	for word, want := range map[string]jobs.State{
		"": jobs.Unsaid, "pending": jobs.Running, "Processing": jobs.Running, "queued": jobs.Running,
		"completed": jobs.Final, "COMPLETED": jobs.Final, "Failed": jobs.Final,
	} {
		got := focusGroup(&maverav1.FocusGroup{Id: new("a"), Status: new(word), CreatedAt: timestamppb.New(created)})
		if (got != jobs.Job{ID: "a", State: want, Created: created}) {
			t.Errorf("focus group %q: %+v, want state %d", word, got, want)
		}
	}
	for state, want := range map[maverav1.VideoAnalysisStatus]jobs.State{
		maverav1.VideoAnalysisStatus_VIDEO_ANALYSIS_STATUS_UNSPECIFIED: jobs.Unsaid,
		maverav1.VideoAnalysisStatus_VIDEO_ANALYSIS_STATUS_PENDING:     jobs.Running,
		maverav1.VideoAnalysisStatus_VIDEO_ANALYSIS_STATUS_GENERATING:  jobs.Running,
		maverav1.VideoAnalysisStatus_VIDEO_ANALYSIS_STATUS_COMPLETED:   jobs.Final,
		maverav1.VideoAnalysisStatus_VIDEO_ANALYSIS_STATUS_FAILED:      jobs.Final,
	} {
		got := videoAnalysis(&maverav1.VideoAnalysis{Id: new("v"), Status: state.Enum()})
		if (got != jobs.Job{ID: "v", State: want}) {
			t.Errorf("video analysis %s: %+v, want state %d", state, got, want)
		}
	}
	unknown := &maverav1.VideoAnalysis{AdditionalFields: &structpb.Struct{Fields: map[string]*structpb.Value{"status": structpb.NewStringValue("queued")}}}
	if got := videoAnalysis(unknown); got.State != jobs.Running {
		t.Errorf("video analysis of an unknown state: %+v", got)
	}
}

// TestVideoAnalysesHoldSlots creates as many as there are slots.
func TestVideoAnalysesHoldSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP, follows)
		client := maverav1.NewVideoAnalysesServiceClient(h.conn)
		create := func(timeout time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			_, err := client.CreateVideoAnalysis(ctx, &maverav1.CreateVideoAnalysisRequest{
				VideoUrl: new("https://example.com/ad.mp4"), Title: "An advert", Brand: "Brand", Product: "Product",
				PrimaryIntent: maverav1.VideoIntent_VIDEO_INTENT_INFORMATIVE, Goal: "to show that it works",
			})
			if err != nil {
				return fmt.Errorf("create: %w", err)
			}
			return nil
		}
		for range 3 {
			if err := create(time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if reason := reasonOf(create(time.Second)); reason != "CONCURRENCY_LIMITED" {
			t.Errorf("the fourth: %s", reason)
		}
		if err := create(10 * time.Minute); err != nil {
			t.Errorf("the fourth, with time: %v", err)
		}
	})
}
