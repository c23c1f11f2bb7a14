package server

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// TestWatchersShareOnePoller has 50 watch what one alone would cause as many requests by.
func TestWatchersShareOnePoller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP)
		id := mustCreateGroup(t.Context(), t, h)
		upstream.take()
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Second / 2)
				w := watchGroup(t.Context(), h, id)
				if w.end() != "OK" || !strings.HasPrefix(w.seen[0], "0s ") || !strings.HasSuffix(w.seen[len(w.seen)-1], " completed") {
					t.Errorf("watcher %d: %s, %q", i, w.end(), w.seen)
				}
			})
		}
		time.Sleep(25 * time.Second)
		synctest.Wait()
		snapshot := h.server.Snapshot()
		if snapshot.Watches["focus_groups"] != 50 || snapshot.WatchedJobs["focus_groups"] != 1 {
			t.Errorf("%v watch %v", snapshot.Watches, snapshot.WatchedJobs)
		}
		all.Wait()
		if polls := len(upstream.take()); polls > 9 {
			t.Errorf("%d requests in 75 s, want one in 10 s", polls)
		}
		h.tally.mu.Lock()
		defer h.tally.mu.Unlock()
		if h.tally.decisions["focus_groups poll changed"] < 7 {
			t.Errorf("counted %v", h.tally.decisions)
		}
	})
}

// TestWatchFreesTheSlot polls a job that holds a slot once for both.
func TestWatchFreesTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP, follows)
		time.Sleep(time.Minute) // the listings of the start
		id := mustCreateGroup(t.Context(), t, h)
		wantSlots(t, h, resilience.SlotUsage{Slots: 5, Taken: 1, Jobs: 1})
		upstream.take()
		w := watchGroup(t.Context(), h, id)
		wantSlots(t, h, resilience.SlotUsage{Slots: 5})
		if requests := upstream.take(); len(requests) != len(w.seen) {
			t.Errorf("%d messages of the requests %q", len(w.seen), requests)
		}

		id = mustCreateGroup(t.Context(), t, h)
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		if w := watchGroup(ctx, h, id); status.Code(w.err) != codes.DeadlineExceeded {
			t.Errorf("%s", w.end())
		}
		upstream.take()
		time.Sleep(90 * time.Second) // the follower goes on
		wantSlots(t, h, resilience.SlotUsage{Slots: 5})
		if got := upstream.count("GET /focus-groups/" + id); got < 5 || got > 8 {
			t.Errorf("%d polls of the follower", got)
		}
	})
}

// TestLastWatcherCancelsThePoll leaves in the middle of one.
func TestLastWatcherCancelsThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrived, left := make(chan struct{}, 1), make(chan struct{}, 1)
		h := newHarness(t, hangs(arrived, left))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan *watched)
		go func() { ended <- watchGroup(ctx, h, "fg_1") }()
		<-arrived
		begin := time.Now()
		cancel()
		<-left
		if w := <-ended; status.Code(w.err) != codes.Canceled || time.Since(begin) != 0 {
			t.Errorf("%s, %v later", w.end(), time.Since(begin))
		}
		synctest.Wait()
		if got := h.server.watches.hub.Len(); got != 0 {
			t.Errorf("%d jobs are watched", got)
		}
	})
}

// TestWatchLearnsFromCalls changes and deletes what is watched.
func TestWatchLearnsFromCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP)
		if err := upstream.sim.ChangeSettings(func(s *simulator.Settings) {
			s.JobDuration = map[string]time.Duration{simulator.Meetings: time.Hour, simulator.FocusGroups: 12 * time.Second}
		}); err != nil {
			t.Fatal(err)
		}
		meetings := maverav1.NewMeetingsServiceClient(h.conn)
		meeting, err := meetings.CreateMeeting(t.Context(), &maverav1.CreateMeetingRequest{
			MeetingUrl: "https://zoom.us/j/1", JoinAt: timestamppb.New(time.Now().Add(time.Hour)),
		})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan *watched)
		go func() {
			stream, err := meetings.WatchMeeting(t.Context(), &maverav1.WatchMeetingRequest{Id: meeting.GetId()})
			ended <- follow(stream, err, func(m *maverav1.Meeting) string { return m.GetStatus() })
		}()
		time.Sleep(10 * time.Second) // the next poll is 20 s away
		if _, err := meetings.CancelMeeting(t.Context(), &maverav1.CancelMeetingRequest{Id: meeting.GetId()}); err != nil {
			t.Fatal(err)
		}
		if w := <-ended; w.end() != "OK" || !slices.Equal(w.seen, []string{"0s pending", "10s cancelled"}) {
			t.Errorf("cancelled: %s, %q", w.end(), w.seen)
		}

		for name, learn := range map[string]func(id string) error{
			"get": func(id string) error {
				_, err := maverav1.NewFocusGroupsServiceClient(h.conn).GetFocusGroup(t.Context(), &maverav1.GetFocusGroupRequest{Id: id})
				return err
			},
			"list": func(string) error {
				_, err := maverav1.NewFocusGroupsServiceClient(h.conn).ListFocusGroups(t.Context(), &maverav1.ListFocusGroupsRequest{})
				return err
			},
		} {
			time.Sleep(time.Minute)
			id := mustCreateGroup(t.Context(), t, h)
			upstream.take()
			go func() { ended <- watchGroup(t.Context(), h, id) }()
			time.Sleep(13 * time.Second) // the polls are at 0 and 10 s
			if err := learn(id); err != nil {
				t.Fatal(err)
			}
			w := <-ended
			polls := upstream.count("GET /focus-groups/" + id)
			switch last := w.seen[len(w.seen)-1]; {
			case name == "get" && (last != "13s completed" || polls != 3): // the caller's is one of them
				t.Errorf("%s: %q, %d requests", name, w.seen, polls)
			case name == "list" && (!strings.HasSuffix(last, "s completed") || polls != 3):
				t.Errorf("%s: %q, %d requests", name, w.seen, polls)
			}
		}
	})
}

// TestWatchesLeaveCallersTheWindow watches as many jobs as may run, on the smallest key,
// while callers press. They get nine tenths of it, and none is refused by Mavera.
func TestWatchesLeaveCallersTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		h := newHarness(t, upstream.ServeHTTP, follows)
		if err := upstream.sim.ChangeSettings(func(s *simulator.Settings) {
			s.JobDuration = map[string]time.Duration{simulator.FocusGroups: time.Hour, simulator.VideoAnalyses: time.Hour}
		}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for _, id := range createGroups(t, h) {
			all.Go(func() { watchGroup(ctx, h, id) })
		}
		for range 3 {
			id := createVideo(t.Context(), t, h)
			all.Go(func() {
				stream, err := maverav1.NewVideoAnalysesServiceClient(h.conn).WatchVideoAnalysis(ctx, &maverav1.WatchVideoAnalysisRequest{Id: id})
				follow(stream, err, func(*maverav1.VideoAnalysis) string { return "" })
			})
		}
		time.Sleep(2 * time.Minute)
		for range 20 {
			all.Go(func() {
				for ctx.Err() == nil {
					if _, err := h.personas.ListPersonas(ctx, &maverav1.ListPersonasRequest{}); err != nil && ctx.Err() == nil {
						t.Error(err)
						return
					}
				}
			})
		}
		time.Sleep(2 * time.Minute)
		upstream.take()
		const minutes = 10
		time.Sleep(minutes * time.Minute)
		got := map[string]int{}
		for _, request := range upstream.take() {
			got[strings.Split(request, "/")[1]]++
		}
		if calls, polls := got["personas"], got["focus-groups"]+got["video-analyses"]; calls < minutes*51 || polls < minutes*5 || polls > minutes*6+1 {
			t.Errorf("in %d min: %d calls and %d polls of %v", minutes, calls, polls, got)
		}
		cancel()
		all.Wait()
		for _, r := range upstream.sim.Requests() {
			if r.Status == http.StatusTooManyRequests {
				t.Errorf("Mavera refused %s %s", r.Method, r.Path)
			}
		}
	})
}

// panics is an Observer that panics in the middle of an exchange.
type panics struct{ *tally }

func (panics) AddAttempts(context.Context, string, string, int) { panic("no more numbers") }

// TestPanicOfAPoll ends the watch, not the gateway.
func TestPanicOfAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := newNoted(t)
		counted := &tally{decisions: map[string]int{}}
		h := newHarness(t, upstream.ServeHTTP, func(o *Options) { o.Observer = panics{counted} })
		if w := watchGroup(t.Context(), h, "fg_1"); w.end() != "Internal PANIC after , pushback [-1]" || counted.count("panic") != 1 {
			t.Errorf("%s, counted %d", w.end(), counted.count("panic"))
		}
		var line logLine
		for _, l := range h.log.lines(t) {
			if l["msg"] == "panic" {
				line = l
			}
		}
		if line["panic"] != "no more numbers" || line["rpc"] != "GetFocusGroup" {
			t.Errorf("got %v", line)
		}
	})
}
