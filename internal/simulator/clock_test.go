package simulator_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// ask calls the handler without a network, so that it works inside a bubble.
func ask(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	return askCtx(context.Background(), h, method, path, body)
}

func askCtx(ctx context.Context, h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+simulator.DemoKey)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// window is what an answer says about the rate window; Reset and Date relative
// to the begin of the test.
type window struct {
	Status           int
	Limit, Remaining string
	Reset            time.Duration
	RetryAfter       string
}

func TestWindow(t *testing.T) {
	for _, tt := range []struct {
		reading simulator.Reading
		want    []window
	}{
		{simulator.OldestLeaves, []window{
			{200, "3", "2", 60 * time.Second, ""},  // At 0 s.
			{200, "3", "1", 60 * time.Second, ""},  // At 20 s.
			{200, "3", "0", 60 * time.Second, ""},  // At 40 s.
			{429, "3", "0", 60 * time.Second, "5"}, // At 55 s.
			{200, "3", "0", 80 * time.Second, ""},  // At 60 s: the first has left, at this very moment.
			{429, "3", "0", 80 * time.Second, "1"}, // At 79.5 s.
			{200, "3", "0", 100 * time.Second, ""}, // At 80 s.
			{200, "3", "2", 360 * time.Second, ""}, // At 300 s.
		}},
		{simulator.WindowEmpties, []window{
			{200, "3", "2", 60 * time.Second, ""},
			{200, "3", "1", 80 * time.Second, ""},
			{200, "3", "0", 100 * time.Second, ""},
			{429, "3", "0", 100 * time.Second, "45"},
			{200, "3", "0", 120 * time.Second, ""},
			{429, "3", "0", 120 * time.Second, "41"},
			{200, "3", "0", 140 * time.Second, ""},
			{200, "3", "2", 360 * time.Second, ""},
		}},
	} {
		t.Run(string(tt.reading), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulator(t, simulator.Options{Settings: simulator.Settings{Limit: 3, Reset: tt.reading}})
				begin := time.Now()
				var got []window
				for _, at := range []float64{0, 20, 40, 55, 60, 79.5, 80, 300} {
					time.Sleep(time.Duration(at*float64(time.Second)) - time.Since(begin))
					w := ask(sim, "GET", "/api/v1/usage", "")
					reset, err := strconv.ParseInt(w.Header().Get("X-RateLimit-Reset"), 10, 64)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, window{w.Code, w.Header().Get("X-RateLimit-Limit"), w.Header().Get("X-RateLimit-Remaining"), time.Unix(reset, 0).Sub(begin), w.Header().Get("Retry-After")})
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestWindowOfOthersAndClockSkew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Options{Settings: simulator.Settings{Limit: 10, ClockSkew: 90 * time.Second}})
		want(t, "counted", sim.UseWindow(simulator.DemoKey, 7), 7)
		w := ask(sim, "GET", "/api/v1/usage", "")
		want(t, "remaining", w.Header().Get("X-RateLimit-Remaining"), "2")
		want(t, "date", w.Header().Get("Date"), time.Now().Add(90*time.Second).UTC().Format(http.TimeFormat))
		want(t, "reset", w.Header().Get("X-RateLimit-Reset"), fmt.Sprint(time.Now().Add(150*time.Second).Unix()))
		want(t, "counted beyond the limit", sim.UseWindow(simulator.DemoKey, 7), 2)
	})
}

const (
	videoBody = `{"video_url":"https://a.example/v.mp4","title":"Spot","brand":"Brand","product":"Bottle","primary_intent":"Persuasive","goal":"Raise awareness"}`
	groupBody = `{"workspace_id":"ws_abc123","sample_size":10}`
	voiceBody = `{"label":"Voice","usage_context":"All our texts","urls":["https://a.example"]}`
)

func TestJobs(t *testing.T) {
	for _, tt := range []struct {
		family, path, body string
		outcome            simulator.Outcome
		final              string
		states             []string // At 5, 15, 55, 65 and 105 % of the duration.
	}{
		{simulator.VideoAnalyses, "/api/v1/video-analyses", videoBody, simulator.Completes, "", []string{"pending", "generating", "generating", "generating", "completed"}},
		{simulator.FocusGroups, "/api/v1/focus-groups", groupBody, simulator.Completes, "", []string{"pending", "processing", "processing", "processing", "completed"}},
		{simulator.BrandVoices, "/api/v1/brand-voices", voiceBody, simulator.Completes, "", []string{"pending", "generating", "generating", "generating", "completed"}},
		{simulator.VideoAnalyses, "/api/v1/video-analyses", videoBody, simulator.Fails, "The video could not be downloaded.", []string{"pending", "generating", "generating", "failed", "failed"}},
		{simulator.FocusGroups, "/api/v1/focus-groups", groupBody, simulator.RunsOutOfCredits, "credits_exhausted: No credits are left in this billing period.", []string{"pending", "processing", "processing", "failed", "failed"}},
		{simulator.BrandVoices, "/api/v1/brand-voices", voiceBody, simulator.Fails, "None of the sources could be read.", []string{"pending", "generating", "generating", "failed", "failed"}},
	} {
		t.Run(tt.family+" "+string(tt.outcome), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulator(t, simulator.Options{Settings: simulator.Settings{
					Speed: 2, JobDuration: map[string]time.Duration{tt.family: 200 * time.Second},
				}})
				if err := sim.ScriptJobs(simulator.JobScript{Family: tt.family, Outcome: tt.outcome}); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				w := ask(sim, "POST", tt.path, tt.body)
				want(t, "status", w.Code, http.StatusCreated)
				id := parse(t, w.Body.String())["id"].(string)
				var states []string
				var last object
				for _, share := range []int{5, 15, 55, 65, 105} {
					time.Sleep(time.Duration(share)*time.Second - time.Since(begin))
					last = parse(t, ask(sim, "GET", tt.path+"/"+id, "").Body.String())
					states = append(states, last["status"].(string))
				}
				if diff := cmp.Diff(tt.states, states); diff != "" {
					t.Error(diff)
				}
				if got, _ := last["error"].(string); got != tt.final {
					t.Errorf("error %q, want %q", got, tt.final)
				}
			})
		})
	}
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Options{Settings: simulator.Settings{JobDuration: map[string]time.Duration{"focus_groups": 100 * time.Second}}})
		id := parse(t, ask(sim, "POST", "/api/v1/focus-groups", groupBody).Body.String())["id"].(string)
		time.Sleep(55 * time.Second)
		got := parse(t, ask(sim, "GET", "/api/v1/focus-groups/"+id, "").Body.String())
		if diff := cmp.Diff(object{"total_respondents": 10.0, "processed_respondents": 5.0, "percent": 50.0}, got["progress"]); diff != "" {
			t.Error(diff)
		}
		want(t, "updated_at", got["updated_at"].(string), time.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
	})
}

func TestMeetingStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Options{Settings: simulator.Settings{JobDuration: map[string]time.Duration{"meetings": 100 * time.Second}}})
		begin := time.Now().Add(time.Hour)
		body := fmt.Sprintf(`{"meeting_url":"https://zoom.us/j/1","join_at":%q}`, begin.Format(time.RFC3339))
		id := parse(t, ask(sim, "POST", "/api/v1/meetings", body).Body.String())["id"].(string)
		var got []string
		for _, at := range []int{-60, 5, 15, 35, 80, 101} {
			time.Sleep(time.Until(begin.Add(time.Duration(at) * time.Second)))
			got = append(got, parse(t, ask(sim, "GET", "/api/v1/meetings/"+id, "").Body.String())["status"].(string))
		}
		if diff := cmp.Diff([]string{"pending", "pending", "joining_call", "in_waiting_room", "recording", "done"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestJobCaps(t *testing.T) {
	for _, tt := range []struct {
		path, body, family string
		limit              int
		retryAfter         string
	}{
		{"/api/v1/focus-groups", groupBody, simulator.FocusGroups, 5, "60"},
		{"/api/v1/video-analyses", videoBody, simulator.VideoAnalyses, 3, "60"},
	} {
		t.Run(tt.family, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulator(t, simulator.Options{Settings: simulator.Settings{Credits: 1e6, JobDuration: map[string]time.Duration{tt.family: time.Minute}}})
				for range tt.limit {
					want(t, "status", ask(sim, "POST", tt.path, tt.body).Code, http.StatusCreated)
				}
				w := ask(sim, "POST", tt.path, tt.body)
				want(t, "one too many", w.Code, http.StatusTooManyRequests)
				want(t, "Retry-After", w.Header().Get("Retry-After"), tt.retryAfter)
				if w.Header().Get("X-RateLimit-Remaining") == "0" {
					t.Error("the window is said to be empty")
				}
				time.Sleep(time.Minute)
				want(t, "after the first ended", ask(sim, "POST", tt.path, tt.body).Code, http.StatusCreated)
			})
		})
	}
}

func TestMaveCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Options{Settings: simulator.Settings{Latency: map[string]time.Duration{"mave": 30 * time.Second}}})
		ctx, leave := context.WithCancel(t.Context())
		codes := make([]int, 10)
		var calls sync.WaitGroup
		for i := range codes {
			calls.Go(func() {
				c := t.Context()
				if i == 0 {
					c = ctx
				}
				codes[i] = askCtx(c, sim, "POST", "/api/v1/mave/chat", `{"message":"m"}`).Code
			})
		}
		synctest.Wait()
		w := ask(sim, "POST", "/api/v1/mave/chat", `{"message":"m"}`)
		want(t, "eleventh call", w.Code, http.StatusTooManyRequests)
		want(t, "Retry-After", w.Header().Get("Retry-After"), "1")
		leave()
		synctest.Wait()
		calls.Go(func() {
			want(t, "after one client left", ask(sim, "POST", "/api/v1/mave/chat", `{"message":"m"}`).Code, http.StatusOK)
		})
		calls.Wait()
		for i, code := range codes {
			if i > 0 {
				want(t, fmt.Sprint("call ", i), code, http.StatusOK)
			}
		}
	})
}

func TestUploadURLExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Options{PublicURL: "http://sim.local/"})
		made := parse(t, ask(sim, "POST", "/api/v1/files/upload-url", `{"file_name":"a.txt","file_type":"text/plain","file_size":2,"workspace_id":"ws_abc123"}`).Body.String())
		url := made["upload_url"].(string)
		if !strings.HasPrefix(url, "http://sim.local/_storage/ws_abc123/") {
			t.Errorf("upload URL %s", url)
		}
		put := func() int {
			r := httptest.NewRequest("PUT", url, strings.NewReader("hi"))
			r.Header.Set("Content-Type", "text/plain")
			w := httptest.NewRecorder()
			sim.ServeHTTP(w, r)
			return w.Code
		}
		time.Sleep(3599 * time.Second)
		want(t, "in time", put(), 200)
		time.Sleep(time.Second)
		want(t, "too late", put(), 403)
	})
}

func TestStreamPausesAndStopsWhenTheClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Options{Settings: simulator.Settings{TokenDelay: time.Second}})
		const body = `{"model":"mavera-1","persona_id":"clx1abc2d0001abcdef123456","input":"One two three","stream":true}`
		begin := time.Now()
		whole := ask(sim, "POST", "/api/v1/responses", body).Body.String()
		events := strings.Count(whole, "data: ")
		want(t, "time of the stream", time.Since(begin), time.Duration(events-1)*time.Second)

		ctx, cancel := context.WithTimeout(t.Context(), 4500*time.Millisecond)
		defer cancel()
		part := askCtx(ctx, sim, "POST", "/api/v1/responses", body).Body.String()
		want(t, "events before the client left", strings.Count(part, "data: "), 5)
	})
}
