package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
)

// What a scripted stream does besides sending text and pausing.
const (
	cut  = '✂' // the connection is closed
	hang = '…' // nothing more comes
)

// Events of a stream of Mave's.
const (
	content = "event: content\ndata: {\"content\":\"a\"}\n\n"
	done    = "event: done\ndata: {\"type\":\"done\",\"usage\":{\"credits_used\":12}}\n\n"
	doneEnd = "data: [DONE]\n\n"
)

// streams answers with a stream: text is sent at once, durations are pauses.
func streams(parts ...any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // see hangs
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for _, part := range parts {
			switch part := part.(type) {
			case string:
				_, _ = io.WriteString(w, part)
				_ = http.NewResponseController(w).Flush()
			case time.Duration:
				time.Sleep(part)
			case rune:
				if part == cut {
					panic(http.ErrAbortHandler)
				}
				<-r.Context().Done()
			}
		}
	}
}

// A told is what a caller got of a stream.
type told struct {
	events  []string // the member of each
	err     error
	trailer metadata.MD
}

func (h *harness) streamMave(ctx context.Context, pairs ...string) told {
	ctx = metadata.AppendToOutgoingContext(ctx, append([]string{"x-request-id", "r-1", "x-caller-id", "tester"}, pairs...)...)
	stream, err := h.mave.StreamMaveChat(ctx, &maverav1.StreamMaveChatRequest{Message: "Why?"})
	if err != nil {
		return told{err: err}
	}
	return receive(stream)
}

// receive takes a stream to its end.
func receive(stream grpc.ServerStreamingClient[maverav1.MaveStreamEvent]) (got told) {
	for {
		event, err := stream.Recv()
		if err != nil {
			got.trailer = stream.Trailer()
			if !errors.Is(err, io.EOF) {
				got.err = err
			}
			return got
		}
		m := event.ProtoReflect()
		got.events = append(got.events, string(m.WhichOneof(m.Descriptor().Oneofs().Get(0)).Name()))
	}
}

// text is all of it in one line.
func (g told) text(t *testing.T) string {
	t.Helper()
	var runs []string
	for i := 0; i < len(g.events); {
		n := i
		for n < len(g.events) && g.events[n] == g.events[i] {
			n++
		}
		run := g.events[i]
		if n-i > 1 {
			run += " ×" + strconv.Itoa(n-i)
		}
		runs, i = append(runs, run), n
	}
	text := strings.Join(runs, " ") + ": "
	if g.err == nil {
		return text + "OK attempts=" + strings.Join(g.trailer.Get(attemptsKey), ",") + " credits=" + strings.Join(g.trailer.Get(creditsKey), ",")
	}
	if alone := len(g.trailer.Get("content-type")) > 0; alone != (len(g.events) == 0) {
		t.Errorf("trailers alone: %t after %d events", alone, len(g.events)) // proxies see the status of those
	}
	delivered := ""
	for _, detail := range status.Convert(g.err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			delivered = " events_delivered=" + info.GetMetadata()["events_delivered"]
		}
	}
	return text + brief(t, g.err, g.trailer) + delivered
}

// TestEvents compares what callers get of streams that Mavera sends, breaks off or
// never begins.
func TestEvents(t *testing.T) {
	mave := "/mave/chat"
	type row struct {
		name   string
		steps  []http.HandlerFunc
		want   string
		after  time.Duration
		charge float64
	}
	for _, row := range []row{
		{"whole", []http.HandlerFunc{streams(content, content, done)}, "content ×2 done: OK attempts=1 credits=12", 0, 12},
		{"with [DONE]", []http.HandlerFunc{streams(content, done, doneEnd)}, "content done: OK attempts=1 credits=12", 0, 12},
		{"[DONE] alone at the end", []http.HandlerFunc{streams(content, doneEnd)}, "content: OK attempts=1 credits=", 0, 0},
		{"events twice", []http.HandlerFunc{streams(content, content, done, done)}, "content ×2 done ×2: OK attempts=1 credits=12", 0, 12},
		{"slow, with comments", []http.HandlerFunc{streams(": hello\n\n", 119*time.Second, content, 119*time.Second, done)}, "content done: OK attempts=1 credits=12", 238 * time.Second, 12},
		{"unknown", []http.HandlerFunc{streams("event: phase\ndata: {}\n\n", done)}, "unknown done: OK attempts=1 credits=12", 0, 12},
		{"a last event whose connection stays", []http.HandlerFunc{streams(content, done, hang)}, "content done: OK attempts=1 credits=12", time.Second, 12},
		{"a last event before a cut", []http.HandlerFunc{streams(content, done, cut)}, "content done: OK attempts=1 credits=12", 0, 12},
		{
			"JSON in place of a stream",
			[]http.HandlerFunc{answers(200, `{"content":"a","usage":{"credits_used":3}}`)},
			"unknown: OK attempts=1 credits=3", 0, 3,
		},

		{
			"503, then a stream",
			[]http.HandlerFunc{answering(503, "Retry-After", "2"), streams(content, done)},
			"content done: OK attempts=2 credits=12", 2 * time.Second, 12,
		},
		{
			"refused",
			[]http.HandlerFunc{answers(402, `{"error":{"code":"insufficient_credits","message":"No."}}`)},
			": FailedPrecondition INSUFFICIENT_CREDITS mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1 events_delivered=", 0, 0,
		},
		{
			"reset before the head",
			[]http.HandlerFunc{cutting},
			": Unknown OUTCOME_UNKNOWN mavera.io attempts=1 waited_ms=0 retryable=false outcome=unknown pushback=-1 events_delivered=", 0, 0,
		},
		{
			"reset before the first event",
			[]http.HandlerFunc{streams(": here I am\n\n", cut)},
			": Unknown OUTCOME_UNKNOWN mavera.io attempts=1 waited_ms=0 retryable=false outcome=unknown pushback=-1 events_delivered=", 0, 0,
		},
		{
			"ended before the first event",
			[]http.HandlerFunc{streams(": here I am\n\n")},
			": Unknown OUTCOME_UNKNOWN mavera.io attempts=1 waited_ms=0 retryable=false outcome=unknown pushback=-1 events_delivered=", 0, 0,
		},
		{
			"no head",
			[]http.HandlerFunc{silent},
			": Unknown OUTCOME_UNKNOWN mavera.io attempts=1 waited_ms=0 retryable=false outcome=unknown pushback=-1 events_delivered=", 3 * time.Minute, 0,
		},
		{
			"no first event",
			[]http.HandlerFunc{streams(": here I am\n\n", 2*time.Minute, ": wait\n\n", hang)},
			": Unknown OUTCOME_UNKNOWN mavera.io attempts=1 waited_ms=0 retryable=false outcome=unknown pushback=-1 events_delivered=", 3 * time.Minute, 0,
		},
		{
			"HTML",
			[]http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }},
			": Internal MALFORMED_RESPONSE mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1 events_delivered=", 0, 0,
		},

		{
			"cut",
			[]http.HandlerFunc{streams(content, content, cut)},
			"content ×2: Unavailable STREAM_CUT mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1 events_delivered=2", 0, 0,
		},
		{
			"ended without the last event",
			[]http.HandlerFunc{streams(content)},
			"content: Unavailable STREAM_CUT mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1 events_delivered=1", 0, 0,
		},
		{
			"cut inside an event",
			[]http.HandlerFunc{streams(content, "event: done\ndata: {}\n", cut)},
			"content: Unavailable STREAM_CUT mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1 events_delivered=1", 0, 0,
		},
		{
			"silent",
			[]http.HandlerFunc{streams(content, hang)},
			"content: Unavailable STREAM_STALLED mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1 events_delivered=1", 2 * time.Minute, 0,
		},
		{
			"failed",
			[]http.HandlerFunc{streams(content, "event: error\ndata: {\"code\":\"model_overloaded\",\"message\":\"m\"}\n\n", hang)},
			"content unknown: Internal MODEL_OVERLOADED mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1 events_delivered=2", 0, 0,
		},
		{
			"failed at once, for no reason",
			[]http.HandlerFunc{streams("event: error\ndata: 1\n\n")},
			"unknown: Internal STREAM_FAILED mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1 events_delivered=1", 0, 0,
		},
		{
			"an event too large",
			[]http.HandlerFunc{streams(content, "data: "+strings.Repeat("x", 5<<20))},
			"content: Internal ANSWER_TOO_LARGE mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1 events_delivered=1", 0, 0,
		},
		{
			"a first event too large",
			[]http.HandlerFunc{streams("data: " + strings.Repeat("x", 5<<20))},
			": Internal ANSWER_TOO_LARGE mavera.io attempts=1 waited_ms=0 retryable=false pushback=-1 events_delivered=", 0, 0,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, s := scripted(t, row.steps)
				begin := time.Now()
				got := h.streamMave(t.Context())
				if text := got.text(t); text != row.want {
					t.Errorf("\ngot  %s\nwant %s", text, row.want)
				}
				passed := time.Since(begin)
				if len(row.steps) > 1 {
					passed = passed.Truncate(row.after) // there is jitter above Retry-After
				}
				if passed != row.after {
					t.Errorf("after %s, want %s", passed, row.after)
				}
				if s.count() != len(row.steps) {
					t.Errorf("%s was called %d times", mave, s.count())
				}
				if charge := h.tally.credits["mave"]; charge != row.charge {
					t.Errorf("%v credits are counted", charge)
				}
				if used := h.server.Snapshot().Slots["mave"].Taken; used != 0 {
					t.Errorf("%d slots are held", used)
				}
			})
		})
	}
}

// TestFirstEvent: an event is with the caller before Mavera sends the next, and by
// then others know what the head of the answer says.
func TestFirstEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := make(chan struct{})
		h := newHarness(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Ratelimit-Limit", "30")
			w.Header().Set("X-Ratelimit-Remaining", "29")
			w.Header().Set("X-Ratelimit-Reset", strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10))
			if got := r.Header.Get("Accept") + " " + r.Header.Get("Accept-Encoding"); got != "text/event-stream, application/json identity" {
				t.Errorf("asked for %s", got)
			}
			for range 2 {
				streams(content)(w, r)
				<-next
			}
			streams(done)(w, r)
		})
		stream, err := h.mave.StreamMaveChat(t.Context(), &maverav1.StreamMaveChatRequest{Message: "Why?"})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for range 2 {
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
			snapshot := h.server.Snapshot()
			if snapshot.Window.Limit != 30 || snapshot.Slots["mave"].Taken != 1 {
				t.Errorf("during the stream: %+v", snapshot)
			}
			next <- struct{}{}
		}
		if got := receive(stream); got.err != nil {
			t.Error(got.err)
		}
		if passed := time.Since(begin); passed != 0 {
			t.Errorf("events took %s", passed)
		}
	})
}

// TestBackpressure lets a caller take one event and no more: Mavera is stopped by the
// windows on the way, and goes on when the caller does. That is no silence.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all = 2000
		var sent atomic.Int64
		event := "event: content\ndata: {\"content\":\"" + strings.Repeat("x", 1<<10) + "\"}\n\n"
		h := newHarness(t, func(w http.ResponseWriter, r *http.Request) {
			for range all {
				streams(event)(w, r)
				sent.Add(1)
			}
			streams(done)(w, r)
		})
		stream, err := h.mave.StreamMaveChat(t.Context(), &maverav1.StreamMaveChatRequest{Message: "Why?"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n := sent.Load(); n > 250 { // 64 KiB of gRPC's window, as much of its writer, some of HTTP
			t.Errorf("%d KiB were taken for a caller who takes nothing", n)
		}
		got := receive(stream)
		if got.err != nil || len(got.events) != all {
			t.Errorf("%d events more, %v", len(got.events), got.err)
		}
	})
}

// TestStreamCallerLeaves: when the caller goes, Mavera's side ends, the slot is free,
// and nothing is tried again. A deadline does the same.
func TestStreamCallerLeaves(t *testing.T) {
	for _, row := range []struct {
		name  string
		leave func(context.Context) (context.Context, context.CancelFunc)
		steps []any
		log   string
	}{
		{"before the first event", context.WithCancel, []any{": hello\n\n", hang}, "CANCELLED"},
		{"after it", context.WithCancel, []any{content, hang}, "CANCELLED"},
		{"by a deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, []any{content, hang}, "DEADLINE_EXCEEDED"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				left := make(chan struct{}, 1)
				h, s := scripted(t, []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
					streams(row.steps...)(w, r)
					left <- struct{}{}
				}})
				ctx, leave := row.leave(t.Context())
				defer leave()
				stream, err := h.mave.StreamMaveChat(ctx, &maverav1.StreamMaveChatRequest{Message: "Why?"})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if _, has := ctx.Deadline(); !has {
					leave()
				}
				if got := receive(stream); status.Code(got.err) != codes.Canceled && status.Code(got.err) != codes.DeadlineExceeded {
					t.Errorf("got %v", got.err)
				}
				<-left
				synctest.Wait()
				if used := h.server.Snapshot().Slots["mave"].Taken; used != 0 || s.count() != 1 {
					t.Errorf("%d slots are held after %d requests", used, s.count())
				}
				lines := h.log.lines(t)
				if last := lines[len(lines)-1]; len(lines) != 1 || !strings.Contains(row.log+" CANCELLED", fmt.Sprint(last["reason"])) {
					t.Errorf("the log: %v", lines)
				}
			})
		})
	}
}

// TestStreamSlots: a stream holds its slot until its end, and the eleventh waits.
func TestStreamSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, streams(content, time.Minute, done))
		ended := make(chan told, 11)
		begin := time.Now()
		for range 11 {
			go func() { ended <- h.streamMave(t.Context()) }()
		}
		for i := range 11 {
			if got := <-ended; got.err != nil {
				t.Error(got.err)
			}
			want := time.Minute
			if i == 10 {
				want = 2 * time.Minute
			}
			if passed := time.Since(begin); passed != want {
				t.Errorf("stream %d ended after %s, want %s", i, passed, want)
			}
		}
	})
}

// TestStreamsAreInvalid: nothing that is wrong gets to Mavera.
func TestStreamsAreInvalid(t *testing.T) {
	h, s := scripted(t, nil)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "r-1")
	stream, err := h.mave.StreamMaveChat(ctx, &maverav1.StreamMaveChatRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := verdict(receive(stream).err), "InvalidArgument INVALID_REQUEST gateway.mavera.io"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if s.count() != 0 {
		t.Error("Mavera was asked")
	}
	// A message that grpc-go cannot take has its status.
	large, err := h.mave.StreamMaveChat(ctx, &maverav1.StreamMaveChatRequest{Message: strings.Repeat("x", 5<<20)})
	if err != nil {
		t.Fatal(err)
	}
	if got := receive(large); status.Code(got.err) != codes.ResourceExhausted {
		t.Errorf("too large: %v", got.err)
	}
}

// TestStreamLog: one line for a stream, with the events that went out.
func TestStreamLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, streams(content, content, time.Second, done))
		if got := h.streamMave(t.Context()); got.err != nil {
			t.Fatal(got.err)
		}
		synctest.Wait()
		want := `{"attempts":1,"caller":"tester","code":"OK","credits":12,"duration_ms":1000,"events":3,"family":"mave","http_status":200,` +
			`"level":"INFO","msg":"call","request_id":"r-1","rpc":"StreamMaveChat","waited_ms":0}`
		if lines := h.log.lines(t); len(lines) != 1 || lines[0].String() != want {
			t.Errorf("got  %v\nwant %s", lines, want)
		}
	})
}

// TestStopStreams: a stream of events may go on until the limit of the drain, and is
// then told what became of it; a stream of the gateway's own ends at once.
func TestStopStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step := make(chan struct{})
		h := newHarness(t, func(w http.ResponseWriter, r *http.Request) {
			streams(content)(w, r)
			<-step
			streams(content, hang)(w, r)
		})
		ended := make(chan told, 1)
		go func() { ended <- h.streamMave(t.Context()) }()
		synctest.Wait()
		begin := time.Now()
		stopped := make(chan struct{})
		go func() {
			h.server.Stop(10 * time.Second)
			close(stopped)
		}()
		time.Sleep(9 * time.Second)
		close(step)
		got := <-ended
		want := "content ×2: Unknown OUTCOME_UNKNOWN mavera.io attempts=1 waited_ms=0 retryable=false outcome=unknown pushback=-1 events_delivered=2"
		if text := got.text(t); text != want {
			t.Errorf("\ngot  %s\nwant %s", text, want)
		}
		if passed := time.Since(begin); passed != 10*time.Second {
			t.Errorf("after %s", passed)
		}
		<-stopped
	})
}

// panicking is a transport with a mistake.
type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("a mistake") }

// TestStreamPanic: a panic ends its stream with a status, and frees its slot.
func TestStreamPanic(t *testing.T) {
	h := newHarness(t, streams(content, done), func(o *Options) {
		o.Client = mavera.NewClient(mavera.Options{BaseURL: o.Client.BaseURL(), Transport: panicking{}})
	})
	if got, want := verdict(h.streamMave(t.Context()).err), "Internal PANIC gateway.mavera.io"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if used := h.server.Snapshot().Slots["mave"].Taken; used != 0 {
		t.Errorf("%d slots are held", used)
	}
	if n := h.tally.count("panic"); n != 1 {
		t.Errorf("counted %d panics, want one", n)
	}
}
