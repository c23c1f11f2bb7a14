//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// often polls so that tests need not wait.
func often() []string {
	return []string{"--focus-group-poll=50ms", "--video-analysis-poll=50ms", "--brand-voice-poll=50ms", "--meeting-poll=50ms"}
}

// lasting gives the jobs of a simulator a duration.
func (m *mavera) lasting(d time.Duration) {
	m.t.Helper()
	m.control("PATCH", "settings", object{"job_duration": object{
		"focus_groups": d.String(), "video_analyses": d.String(), "brand_voices": d.String(), "meetings": d.String(),
	}}, nil)
}

// watch reads a watch to its end.
func watch[Q, A any](ctx context.Context, rpc func(context.Context, Q, ...grpc.CallOption) (grpc.ServerStreamingClient[A], error), request Q) ([]*A, outcome) {
	var seen []*A
	stream, err := rpc(ctx, request)
	for err == nil {
		var next *A
		if next, err = stream.Recv(); err == nil {
			seen = append(seen, next)
		}
	}
	var o outcome
	if stream != nil {
		o.trailer = stream.Trailer()
	}
	if !errors.Is(err, io.EOF) {
		o.err = err
	}
	return seen, o
}

// words are what a watch showed, each once.
func words[A any](seen []*A, word func(*A) string) []string {
	var out []string
	for _, next := range seen {
		out = append(out, word(next))
	}
	return slices.Compact(out)
}

func study() *maverav1.CreateFocusGroupRequest {
	return &maverav1.CreateFocusGroupRequest{
		WorkspaceId: new(workspaceID), Name: new("A study"), SampleSize: new(int32(50)),
		Questions: []*maverav1.FocusGroupQuestion{{Question: new("Which one?")}},
	}
}

func (g *gateway) createStudy(t *testing.T) string {
	t.Helper()
	group, err := g.groups.CreateFocusGroup(within(t), study())
	if err != nil {
		t.Fatal(err)
	}
	return group.GetId()
}

func (g *gateway) createVideo(t *testing.T) string {
	t.Helper()
	video, err := g.videos.CreateVideoAnalysis(within(t), &maverav1.CreateVideoAnalysisRequest{
		VideoUrl: new("https://example.com/ad.mp4"), Title: "An advert", Brand: "Brand", Product: "Product",
		PrimaryIntent: maverav1.VideoIntent_VIDEO_INTENT_INFORMATIVE, Goal: "to show that it works",
	})
	if err != nil {
		t.Fatal(err)
	}
	return video.GetId()
}

// TestWatch follows a job of each kind to its end, with its progress.
func TestWatch(t *testing.T) {
	m, g := pair(t, often()...)
	m.lasting(time.Second)

	groups, o := watch(within(t), g.groups.WatchFocusGroup, &maverav1.WatchFocusGroupRequest{Id: g.createStudy(t)})
	if got := words(groups, (*maverav1.FocusGroup).GetStatus); o.err != nil || !slices.Equal(got, []string{"pending", "processing", "completed"}) {
		t.Errorf("focus group: %v, %q", o.err, got)
	}
	var done []int32
	for _, group := range groups {
		done = append(done, group.GetProgress().GetProcessedRespondents())
	}
	if last := groups[len(groups)-1]; !slices.IsSorted(done) || len(slices.Compact(slices.Clone(done))) < 4 || done[len(done)-1] != 50 || len(last.GetResults()) != 1 {
		t.Errorf("focus group: progress %v", done)
	}

	videos, o := watch(within(t), g.videos.WatchVideoAnalysis, &maverav1.WatchVideoAnalysisRequest{Id: g.createVideo(t)})
	if got, want := words(videos, func(v *maverav1.VideoAnalysis) string { return v.GetStatus().String() }), []string{
		"VIDEO_ANALYSIS_STATUS_PENDING", "VIDEO_ANALYSIS_STATUS_GENERATING", "VIDEO_ANALYSIS_STATUS_COMPLETED",
	}; o.err != nil || !slices.Equal(got, want) || videos[len(videos)-1].GetResults() == nil {
		t.Errorf("video analysis: %v, %q", o.err, got)
	}
	if got := words(videos, func(v *maverav1.VideoAnalysis) string { return fmt.Sprint(v.GetProgress().GetProcessedChunks()) }); len(got) < 4 {
		t.Errorf("video analysis: progress %q", got)
	}

	voice, err := g.voices.CreateBrandVoice(within(t), acme())
	if err != nil {
		t.Fatal(err)
	}
	voices, o := watch(within(t), g.voices.WatchBrandVoice, &maverav1.WatchBrandVoiceRequest{Id: voice.GetId()})
	if got, want := words(voices, func(v *maverav1.BrandVoice) string { return v.GetStatus().String() }), []string{
		"BRAND_VOICE_STATUS_PENDING", "BRAND_VOICE_STATUS_GENERATING", "BRAND_VOICE_STATUS_COMPLETED",
	}; o.err != nil || !slices.Equal(got, want) || voices[len(voices)-1].GetVoiceSummary() == "" {
		t.Errorf("brand voice: %v, %q", o.err, got)
	}

	meeting, err := g.meetings.CreateMeeting(within(t), &maverav1.CreateMeetingRequest{MeetingUrl: "https://zoom.example.com/j/1"})
	if err != nil {
		t.Fatal(err)
	}
	meetings, o := watch(within(t), g.meetings.WatchMeeting, &maverav1.WatchMeetingRequest{Id: meeting.GetId()})
	if got, want := words(meetings, (*maverav1.Meeting).GetStatus), []string{
		"pending", "joining_call", "in_waiting_room", "recording", "done",
	}; o.err != nil || !slices.Equal(got, want) {
		t.Errorf("meeting: %v, %q", o.err, got)
	}
}

// TestWatchEnds fails a job, and asks for one that is not there.
func TestWatchEnds(t *testing.T) {
	m, g := pair(t, often()...)
	m.lasting(500 * time.Millisecond)
	m.control("POST", "jobs", object{"family": "focus_groups", "outcome": "failed"}, nil)
	groups, o := watch(within(t), g.groups.WatchFocusGroup, &maverav1.WatchFocusGroupRequest{Id: g.createStudy(t)})
	if o.err != nil || len(groups) == 0 {
		t.Fatal(len(groups), o.err)
	}
	if last := groups[len(groups)-1]; last.GetStatus() != "failed" || last.GetError().GetMessage() != "The study could not be finished." {
		t.Errorf("failed job: %s, %s", last.GetStatus(), last.GetError())
	}

	_, o = watch(within(t), g.groups.WatchFocusGroup, &maverav1.WatchFocusGroupRequest{Id: "none"})
	want := failure{
		Code: codes.NotFound, Reason: "RESOURCE_NOT_FOUND", Domain: upstream, HTTPStatus: "404", UpstreamCode: "resource_not_found",
		Retryable: "false", Attempts: "1", Wait: "-1", Details: "resource focus-groups none; /guides/errors",
	}
	if got := o.failure(t); got != want {
		t.Errorf("missing job:\n got %+v\nwant %+v", got, want)
	}
}

// TestWatchersShareThePolls has 50 of them: Mavera sees the requests of one.
func TestWatchersShareThePolls(t *testing.T) {
	m, g := pair(t, often()...)
	m.lasting(time.Second)
	id := g.createStudy(t)
	m.forget()
	var all sync.WaitGroup
	attempts := make([]int, 50)
	for i := range attempts {
		all.Go(func() {
			groups, o := watch(within(t), g.groups.WatchFocusGroup, &maverav1.WatchFocusGroupRequest{Id: id})
			if o.err != nil || len(groups) == 0 || groups[len(groups)-1].GetStatus() != "completed" {
				t.Errorf("watcher %d: %v after %d messages", i, o.err, len(groups))
			}
			attempts[i], _ = strconv.Atoi(one(o.trailer, "x-mavera-attempts"))
		})
	}
	eventually(t, "all to watch", func() bool {
		_, metrics := g.page("/metrics")
		return sample(metrics, "mavera_gateway_watches{", `family="focus_groups"`) == "50" &&
			sample(metrics, "mavera_gateway_watched_jobs{", `family="focus_groups"`) == "1"
	})
	all.Wait()
	asked := 0
	for _, r := range m.requests() {
		if r.OperationID == "getFocusGroup" {
			asked++
		}
	}
	// Those who came first were there for all polls.
	if most := slices.Max(attempts); asked > 25 || asked != most {
		t.Errorf("%d requests, of which a watcher knows at most %d; want the same, and at most one in 50 ms", asked, most)
	}
	_, metrics := g.page("/metrics")
	if got := sample(metrics, "mavera_gateway_watches{", `family="focus_groups"`); got != "0" {
		t.Errorf("%s watches are open", got)
	}
	changed, _ := strconv.Atoi(sample(metrics, "mavera_gateway_watch_polls_total{", `result="changed"`))
	same, _ := strconv.Atoi(sample(metrics, "mavera_gateway_watch_polls_total{", `result="unchanged"`))
	if changed+same != asked {
		t.Errorf("%d and %d polls are counted, and were %d", changed, same, asked)
	}
}

// TestWatchesLeaveCallersTheWindow watches as many jobs as may run on the smallest key.
// Of its 60 requests a minute the eight creations, the first look at each job and the
// other calls get all but what is kept for polls.
func TestWatchesLeaveCallersTheWindow(t *testing.T) {
	m := startMavera(t)
	m.lasting(time.Hour)
	m.control("PATCH", "settings", object{"limit": 60}, nil)
	g := startGateway(t, m.base, "--rate-limit-start=60", "--rate-unconfirmed=10", "--focus-group-poll=100ms", "--video-analysis-poll=100ms")
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	var all sync.WaitGroup
	watched := make(chan struct{}, 8)
	for range 5 {
		id := g.createStudy(t)
		all.Go(func() {
			stream, err := g.groups.WatchFocusGroup(ctx, &maverav1.WatchFocusGroupRequest{Id: id})
			for err == nil {
				if _, err = stream.Recv(); err == nil && len(watched) < cap(watched) {
					watched <- struct{}{}
				}
			}
		})
	}
	for range 3 {
		id := g.createVideo(t)
		all.Go(func() {
			stream, err := g.videos.WatchVideoAnalysis(ctx, &maverav1.WatchVideoAnalysisRequest{Id: id})
			for err == nil {
				if _, err = stream.Recv(); err == nil && len(watched) < cap(watched) {
					watched <- struct{}{}
				}
			}
		})
	}
	for range cap(watched) {
		select {
		case <-watched:
		case <-ctx.Done():
			t.Fatal("not all jobs were shown")
		}
	}
	calls := 16
	for {
		short, stop := context.WithTimeout(ctx, 200*time.Millisecond)
		_, err := g.personas.ListPersonas(short, &maverav1.ListPersonasRequest{})
		stop()
		if err != nil {
			break
		}
		calls++
	}
	cancel()
	all.Wait()
	polls := 0
	for _, r := range m.requests() {
		if r.Status == http.StatusTooManyRequests {
			t.Errorf("Mavera refused %s %s", r.Method, r.Path)
		}
		if r.Method == "GET" && r.OperationID != "listPersonas" {
			polls++
		}
	}
	if calls < 51 || polls-8 > 6 {
		t.Errorf("callers got %d places of 60, polls %d", calls, polls-8)
	}
}

// TestWatchOutlivesAnOutage cuts the upstream off for as long as a breaker takes to open
// and to find out that it is back.
func TestWatchOutlivesAnOutage(t *testing.T) {
	m := startMavera(t)
	m.lasting(2 * time.Second)
	g := startGateway(t, m.base, append(often(), "--breaker-failures=5", "--breaker-cooldown=300ms", "--breaker-max-cooldown=300ms")...)
	id := g.createStudy(t)
	stream, err := g.groups.WatchFocusGroup(within(t), &maverav1.WatchFocusGroupRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	m.fault("GET /focus-groups/{id}", object{"close_before": true, "times": -1})
	g.awaitMessage("a watched job could not be polled; it will be again")
	g.awaitMessage("the circuit breaker changed")
	m.fault("GET /focus-groups/{id}", object{"status": 503, "times": -1})
	m.heal()
	last := ""
	for err == nil {
		var group *maverav1.FocusGroup
		if group, err = stream.Recv(); err == nil {
			last = group.GetStatus()
		}
	}
	if !errors.Is(err, io.EOF) || last != "completed" {
		t.Errorf("%v, last %s", err, last)
	}
	g.awaitMessage("the watched job can be polled again")
}

// TestWatchEndsAtDrain tells watchers to come back at once, and does not wait for them.
func TestWatchEndsAtDrain(t *testing.T) {
	m, g := pair(t, often()...)
	m.lasting(time.Hour)
	stream, err := g.groups.WatchFocusGroup(within(t), &maverav1.WatchFocusGroupRequest{Id: g.createStudy(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	g.signalStop()
	for err == nil {
		_, err = stream.Recv()
	}
	o := outcome{trailer: stream.Trailer(), err: err}
	if got := o.failure(t); got.Code != codes.Unavailable || got.Reason != "SHUTTING_DOWN" || got.Wait != "0s" {
		t.Errorf("%+v", got)
	}
	g.wait()
}

// TestNodeWatch follows a job with @grpc/grpc-js.
func TestNodeWatch(t *testing.T) {
	m, g := pair(t, often()...)
	m.lasting(time.Second)
	out := node(t, "watch.mjs", g.addr, "../../proto")
	progress, _ := out["progress"].([]any)
	if fmt.Sprint(out["states"]) != "[pending generating completed]" || len(progress) < 4 || out["code"] != "OK" || out["missing"] != "NOT_FOUND" {
		t.Errorf("%v", out)
	}
}

// TestReadmeWait runs what the README shows of waiting, as it is printed.
func TestReadmeWait(t *testing.T) {
	const section = "Wait for a job"
	m, g := pair(t, often()...)
	m.lasting(time.Second)
	output, err := shell(t, example(t, section, "sh", g.addr))
	if err != nil || !strings.Contains(output, `"status": "pending"`) || !strings.Contains(output, `"status": "processing"`) ||
		strings.Count(output, `"status": "completed"`) != 1 {
		t.Errorf("grpcurl: %v\n%.3000s", err, output)
	}
	if output := runNode(t, example(t, section, "js", g.addr)); !strings.HasPrefix(output, "fg_") || !strings.HasSuffix(output, " completed\n") {
		t.Errorf("node: %s", output)
	}
	if output := runGo(t, waitProgram(example(t, section, "go", g.addr)), g.addr); output != "completed\n" {
		t.Errorf("go: %s", output)
	}
}

// waitProgram has the function of the README wait for a new focus group.
func waitProgram(function string) string {
	return `package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

` + function + `
func main() {
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	groups := maverav1.NewFocusGroupsServiceClient(conn)
	created, err := groups.CreateFocusGroup(context.Background(), &maverav1.CreateFocusGroupRequest{WorkspaceId: new("ws_abc123")})
	if err != nil {
		log.Fatal(err)
	}
	group, err := waitForFocusGroup(context.Background(), groups, created.GetId())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(group.GetStatus())
}
`
}
