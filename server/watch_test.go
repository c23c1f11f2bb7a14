package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// watched is what a watch showed.
type watched struct {
	seen    []string // "10s processing"
	err     error    // nil: it ended OK
	trailer metadata.MD
}

// end is the status with which a watch ended, shortly.
func (w *watched) end() string {
	if w.err == nil {
		return "OK"
	}
	metadata := map[string]string{}
	for _, detail := range status.Convert(w.err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			metadata = info.GetMetadata()
		}
	}
	return fmt.Sprintf("%s %s after %s, pushback %v", status.Code(w.err), reasonOf(w.err), metadata["events_delivered"], w.trailer["grpc-retry-pushback-ms"])
}

// follow reads a watch to its end.
func follow[T any](stream grpc.ServerStreamingClient[T], err error, show func(*T) string) *watched {
	w, begin := &watched{}, time.Now()
	for err == nil {
		var message *T
		if message, err = stream.Recv(); err == nil {
			w.seen = append(w.seen, fmt.Sprintf("%v %s", time.Since(begin).Round(time.Second), show(message)))
		}
	}
	if !errors.Is(err, io.EOF) {
		w.err = err
	}
	if stream != nil {
		w.trailer = stream.Trailer()
	}
	return w
}

// watchGroup watches a focus group to the end.
func watchGroup(ctx context.Context, h *harness, id string) *watched {
	stream, err := maverav1.NewFocusGroupsServiceClient(h.conn).WatchFocusGroup(ctx, &maverav1.WatchFocusGroupRequest{Id: id})
	return follow(stream, err, func(group *maverav1.FocusGroup) string {
		word := group.GetStatus()
		if text := group.GetError().GetMessage(); text != "" {
			word += ": " + text
		}
		return word
	})
}

func mustCreateGroup(ctx context.Context, t *testing.T, h *harness) string {
	t.Helper()
	group, err := createGroup(ctx, h)
	if err != nil {
		t.Fatal(err)
	}
	return group.GetId()
}

func createVideo(ctx context.Context, t *testing.T, h *harness) string {
	t.Helper()
	video, err := maverav1.NewVideoAnalysesServiceClient(h.conn).CreateVideoAnalysis(ctx, &maverav1.CreateVideoAnalysisRequest{
		VideoUrl: new("https://example.com/ad.mp4"), Title: "An advert", Brand: "Brand", Product: "Product",
		PrimaryIntent: maverav1.VideoIntent_VIDEO_INTENT_INFORMATIVE, Goal: "to show that it works",
	})
	if err != nil {
		t.Fatal(err)
	}
	return video.GetId()
}

// count counts the requests that came since the last look.
func (n *noted) count(request string) int {
	found := 0
	for _, r := range n.take() {
		if r == request {
			found++
		}
	}
	return found
}

// TestWatchFocusGroup follows one on a key with 60 requests a minute, of which polls get
// 6: they are 10 to 11 s apart.
func TestWatchFocusGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP)
		id := mustCreateGroup(t.Context(), t, h)
		upstream.take()
		w := watchGroup(t.Context(), h, id)
		var words []string
		for _, seen := range w.seen {
			words = append(words, strings.Fields(seen)[1])
		}
		polls := upstream.count("GET /focus-groups/" + id)
		running := len(words) - 3
		want := slices.Concat([]string{"pending"}, slices.Repeat([]string{"processing"}, max(running+1, 0)), []string{"completed"})
		if w.end() != "OK" || !slices.Equal(words, want) || running < 4 || w.seen[0] != "0s pending" {
			t.Errorf("%s, %q", w.end(), w.seen)
		}
		if len(w.seen) != polls || w.trailer["x-mavera-attempts"][0] != fmt.Sprint(polls) {
			t.Errorf("%d messages of %d requests, trailer %v", len(w.seen), polls, w.trailer)
		}
		if line := h.log.lines(t); len(line) == 0 || line[len(line)-1]["rpc"] != "WatchFocusGroup" || line[len(line)-1]["events"] != float64(polls) {
			t.Errorf("log %v", line)
		}
		// It is over: shown once, by one request.
		if again := watchGroup(t.Context(), h, id); again.end() != "OK" || !slices.Equal(again.seen, []string{"0s completed"}) || len(upstream.take()) != 1 {
			t.Errorf("afterwards: %s, %q", again.end(), again.seen)
		}
	})
}

// TestWatchOtherKinds follows one of each of the others to its end.
func TestWatchOtherKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP)
		want := func(kind string, w *watched, first, last string) {
			t.Helper()
			if w.end() != "OK" || len(w.seen) < 3 || w.seen[0] != "0s "+first || !strings.HasSuffix(w.seen[len(w.seen)-1], "s "+last) {
				t.Errorf("%s: %s, %q", kind, w.end(), w.seen)
			}
		}
		videos := maverav1.NewVideoAnalysesServiceClient(h.conn)
		stream, err := videos.WatchVideoAnalysis(t.Context(), &maverav1.WatchVideoAnalysisRequest{Id: createVideo(t.Context(), t, h)})
		want("video analysis", follow(stream, err, func(v *maverav1.VideoAnalysis) string {
			return fmt.Sprintf("%s %d", v.GetStatus(), v.GetProgress().GetProcessedChunks())
		}), "VIDEO_ANALYSIS_STATUS_PENDING 0", "VIDEO_ANALYSIS_STATUS_COMPLETED 15")

		voices := maverav1.NewBrandVoicesServiceClient(h.conn)
		voice, err := voices.CreateBrandVoice(t.Context(), &maverav1.CreateBrandVoiceRequest{
			Label: "A voice", UsageContext: "in all letters", Urls: []*maverav1.BrandVoiceUrlInput{{Url: new("https://example.com")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		voiceStream, err := voices.WatchBrandVoice(t.Context(), &maverav1.WatchBrandVoiceRequest{Id: voice.GetId()})
		want("brand voice", follow(voiceStream, err, func(v *maverav1.BrandVoice) string { return v.GetStatus().String() }),
			"BRAND_VOICE_STATUS_PENDING", "BRAND_VOICE_STATUS_COMPLETED")

		meetings := maverav1.NewMeetingsServiceClient(h.conn)
		meeting, err := meetings.CreateMeeting(t.Context(), &maverav1.CreateMeetingRequest{MeetingUrl: "https://zoom.us/j/1"})
		if err != nil {
			t.Fatal(err)
		}
		meetingStream, err := meetings.WatchMeeting(t.Context(), &maverav1.WatchMeetingRequest{Id: meeting.GetId()})
		want("meeting", follow(meetingStream, err, func(m *maverav1.Meeting) string { return m.GetStatus() }), "pending", "done")
	})
}

// TestWatchFailedJob ends OK: the failure is in the message.
func TestWatchFailedJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		if err := upstream.sim.ScriptJobs(simulator.JobScript{Family: simulator.FocusGroups, Outcome: simulator.RunsOutOfCredits}); err != nil {
			t.Fatal(err)
		}
		h := newHarness(t, upstream.ServeHTTP)
		w := watchGroup(t.Context(), h, mustCreateGroup(t.Context(), t, h))
		if last := w.seen[len(w.seen)-1]; w.end() != "OK" || !strings.HasSuffix(last, "s failed: credits_exhausted: No credits are left in this billing period.") {
			t.Errorf("%s, %q", w.end(), w.seen)
		}
	})
}

// TestWatchEnds ends watches by what a repeat would not change, before the first message
// and after it.
func TestWatchEnds(t *testing.T) {
	for _, row := range []struct {
		status int
		want   string
	}{
		{http.StatusBadRequest, "InvalidArgument HTTP_400"},
		{http.StatusUnauthorized, "Unauthenticated HTTP_401"},
		{http.StatusPaymentRequired, "FailedPrecondition HTTP_402"},
		{http.StatusForbidden, "PermissionDenied HTTP_403"},
		{http.StatusNotFound, "NotFound HTTP_404"}, // deleted
		{http.StatusConflict, "Aborted HTTP_409"},
		{http.StatusGone, "FailedPrecondition HTTP_410"},
		{http.StatusNotImplemented, "Unimplemented HTTP_501"},
		{http.StatusFound, "Internal UNEXPECTED_STATUS"},
	} {
		for _, skip := range []int{0, 1} {
			t.Run(fmt.Sprintf("%d after %d", row.status, skip), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					upstream := newNoted(t)
					h := newHarness(t, upstream.ServeHTTP)
					id := mustCreateGroup(t.Context(), t, h)
					fault := simulator.Fault{Route: "GET /focus-groups/{id}", Skip: skip, Times: -1, Status: row.status, Body: new("{}")}
					if _, err := upstream.sim.AddFault(fault); err != nil {
						t.Fatal(err)
					}
					upstream.take()
					w := watchGroup(t.Context(), h, id)
					events := ""
					if skip > 0 {
						events = fmt.Sprint(skip)
					}
					if want := row.want + " after " + events + ", pushback [-1]"; w.end() != want || len(w.seen) != skip {
						t.Errorf("%s, %q, want %s", w.end(), w.seen, want)
					}
					if got := len(upstream.take()); got != skip+1 {
						t.Errorf("%d requests, want %d", got, skip+1)
					}
				})
			})
		}
	}
}

// TestWatchSurvives has Mavera fail in every way that passes, at the start or later.
func TestWatchSurvives(t *testing.T) {
	retryAfter := map[string]string{"Retry-After": "20"}
	for name, fault := range map[string]simulator.Fault{
		"500":                     {Status: 500},
		"503":                     {Status: 503, Headers: retryAfter},
		"502":                     {Status: 502},
		"408":                     {Status: 408},
		"429":                     {Status: 429, Headers: retryAfter},
		"no JSON":                 {Status: 200, Body: new("<html>maintenance</html>")},
		"closed":                  {CloseBefore: true},
		"hanging":                 {Hang: true},
		"cut":                     {CutAfterBytes: new(int64(10))},
		"until the breaker opens": {Status: 503, Times: 6},
	} {
		for _, skip := range []int{0, 2} {
			t.Run(fmt.Sprintf("%s after %d", name, skip), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					upstream := newNoted(t)
					h := newHarness(t, upstream.ServeHTTP)
					id := mustCreateGroup(t.Context(), t, h)
					fault.Route, fault.Skip = "GET /focus-groups/{id}", skip
					if fault.Times == 0 {
						fault.Times = 2
					}
					if _, err := upstream.sim.AddFault(fault); err != nil {
						t.Fatal(err)
					}
					w := watchGroup(t.Context(), h, id)
					if w.end() != "OK" || len(w.seen) == 0 || !strings.HasSuffix(w.seen[len(w.seen)-1], " completed") {
						t.Errorf("%s, %q", w.end(), w.seen)
					}
					upstream.sim.ClearFaults()
				})
			})
		}
	}
}

// TestWatchByKey polls with the key of each watcher.
func TestWatchByKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP, func(o *Options) { o.AllowCallerKeys = true })
		id := mustCreateGroup(t.Context(), t, h)
		upstream.sim.ForgetRequests()
		var both sync.WaitGroup
		for _, key := range []string{"", "a-key-of-the-caller"} {
			both.Go(func() {
				ctx := t.Context()
				if key != "" {
					ctx = metadata.AppendToOutgoingContext(ctx, "x-mavera-api-key", key)
				}
				if w := watchGroup(ctx, h, id); w.end() != "OK" {
					t.Errorf("%q: %s", key, w.end())
				}
			})
		}
		both.Wait()
		by := map[string]int{}
		for _, r := range upstream.sim.Requests() {
			by[r.Header.Get("Authorization")]++
		}
		if own, other := by["Bearer mvra_live_abcd..."], by["Bearer ..."]; own < 7 || own > 9 || other < 7 || other > 9 {
			t.Errorf("requests %v, want 7 to 9 by each key", by)
		}
	})
}

// TestWatchEndsAtDrain tells watchers at once to come back.
func TestWatchEndsAtDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP)
		id := mustCreateGroup(t.Context(), t, h)
		ended := make(chan *watched)
		go func() { ended <- watchGroup(t.Context(), h, id) }()
		time.Sleep(time.Second)
		begin := time.Now()
		stopped := make(chan struct{})
		go func() { h.server.Stop(time.Minute); close(stopped) }()
		w := <-ended
		if w.end() != "Unavailable SHUTTING_DOWN after 1, pushback [0]" || time.Since(begin) != 0 {
			t.Errorf("%s, %v after the stop", w.end(), time.Since(begin))
		}
		<-stopped
		if took := time.Since(begin); took > noticeTime {
			t.Errorf("the stop took %v", took)
		}
	})
}

// TestWatchOfADeletedJob ends as soon as the deletion is known.
func TestWatchOfADeletedJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP)
		voices := maverav1.NewBrandVoicesServiceClient(h.conn)
		list, err := voices.ListBrandVoices(t.Context(), &maverav1.ListBrandVoicesRequest{})
		if err != nil || len(list.GetData()) == 0 {
			t.Fatal(list, err)
		}
		id := list.GetData()[0].GetId()
		fault := simulator.Fault{Route: "GET /brand-voices/{id}", Times: 1, Status: 200, Body: new(`{"id": "x", "status": "generating"}`)}
		if _, err := upstream.sim.AddFault(fault); err != nil {
			t.Fatal(err)
		}
		ended := make(chan *watched)
		go func() {
			stream, err := voices.WatchBrandVoice(t.Context(), &maverav1.WatchBrandVoiceRequest{Id: id})
			ended <- follow(stream, err, func(v *maverav1.BrandVoice) string { return v.GetStatus().String() })
		}()
		time.Sleep(2 * time.Second)
		if _, err := voices.DeleteBrandVoice(t.Context(), &maverav1.DeleteBrandVoiceRequest{Id: id}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		w := <-ended
		if w.end() != "NotFound RESOURCE_NOT_FOUND after 1, pushback [-1]" || time.Since(begin) > time.Second {
			t.Errorf("%s, %v later; %q", w.end(), time.Since(begin), w.seen)
		}
	})
}

// TestWatchRequests refuses bad ones before anything is asked.
func TestWatchRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP)
		for _, id := range []string{"", "a/b"} {
			if w := watchGroup(t.Context(), h, id); w.end() != "InvalidArgument INVALID_REQUEST after , pushback [-1]" {
				t.Errorf("%q: %s", id, w.end())
			}
		}
		if got := upstream.take(); len(got) > 0 {
			t.Errorf("asked %q", got)
		}
	})
}

// TestStatesOfOtherJobs reads every spelling.
func TestStatesOfOtherJobs(t *testing.T) {
	for word, want := range map[string]jobs.State{
		"": jobs.Unsaid, "pending": jobs.Running, "joining_call": jobs.Running, "in_waiting_room": jobs.Running,
		"done": jobs.Final, "Cancelled": jobs.Final, "failed": jobs.Final,
	} {
		if got := meeting(&maverav1.Meeting{Id: new("m"), Status: new(word)}); (got != jobs.Job{ID: "m", State: want}) {
			t.Errorf("meeting %q: %+v, want state %d", word, got, want)
		}
	}
	for state, want := range map[maverav1.BrandVoiceStatus]jobs.State{
		maverav1.BrandVoiceStatus_BRAND_VOICE_STATUS_UNSPECIFIED: jobs.Unsaid,
		maverav1.BrandVoiceStatus_BRAND_VOICE_STATUS_PENDING:     jobs.Running,
		maverav1.BrandVoiceStatus_BRAND_VOICE_STATUS_GENERATING:  jobs.Running,
		maverav1.BrandVoiceStatus_BRAND_VOICE_STATUS_COMPLETED:   jobs.Final,
		maverav1.BrandVoiceStatus_BRAND_VOICE_STATUS_FAILED:      jobs.Final,
	} {
		if got := brandVoice(&maverav1.BrandVoice{Id: new("v"), Status: state.Enum()}); (got != jobs.Job{ID: "v", State: want}) {
			t.Errorf("brand voice %s: %+v, want state %d", state, got, want)
		}
	}
}

// TestUnwatchable stops the start where a Watch RPC could not be served.
func TestUnwatchable(t *testing.T) {
	persona := &transcode.Plan{RPC: "GetPersona", Procedure: maverav1.PersonasService_GetPersona_FullMethodName, Family: "personas"}
	group := &transcode.Plan{RPC: "GetFocusGroup", Procedure: maverav1.FocusGroupsService_GetFocusGroup_FullMethodName, Family: "focus_groups"}
	plan := func(name string, sibling *transcode.Plan, family string) *transcode.Plan {
		return &transcode.Plan{Procedure: name, Kind: transcode.Watch, Sibling: sibling, Family: family}
	}
	for want, plans := range map[string][]*transcode.Plan{
		"rpc /a: nothing reads the state of a GetPersona":                          {plan("/a", persona, "personas")},
		"rpc /b: the jobs of the family focus_groups can be watched already":       {plan("/a", group, "focus_groups"), plan("/b", group, "focus_groups")},
		"rpc /a: it is not said how often to poll the jobs of the family personas": {plan("/a", group, "personas")},
	} {
		if _, err := newWatches(&Server{}, plans); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
