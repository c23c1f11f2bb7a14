//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

const (
	streamRoute     = "POST /responses"
	maveStreamRoute = "POST /mave/chat"
)

func streamRequest() *maverav1.StreamResponseRequest {
	return &maverav1.StreamResponseRequest{
		Model: "mavera-1", PersonaId: new(personaID),
		Input: &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: "Which label do you trust?"}},
	}
}

// A streamed is what a caller got of a stream.
type streamed[E any] struct {
	events []E
	outcome
}

// stream takes a stream to its end.
func stream[Q, E any](ctx context.Context, rpc func(context.Context, Q, ...grpc.CallOption) (grpc.ServerStreamingClient[E], error), request Q) streamed[*E] {
	var got streamed[*E]
	events, err := rpc(ctx, request)
	for err == nil {
		var event *E
		if event, err = events.Recv(); err == nil {
			got.events = append(got.events, event)
		}
	}
	if events != nil {
		got.header, _ = events.Header()
		got.trailer = events.Trailer()
	}
	if !errors.Is(err, io.EOF) {
		got.err = err
	}
	return got
}

// outline names the events, runs of one once.
func (s streamed[E]) outline() []string {
	var names []string
	for _, event := range s.events {
		m := any(event).(proto.Message).ProtoReflect()
		names = append(names, string(m.WhichOneof(m.Descriptor().Oneofs().Get(0)).Name()))
	}
	return slices.Compact(names)
}

// TestStreamOperations calls every RPC that streams answers. The proxy holds request
// and events against the contract.
func TestStreamOperations(t *testing.T) {
	m := startMavera(t)
	g := startGateway(t, startProxy(t, m.base).base)
	answer := []string{
		"created", "output_item_added", "content_part_added", "output_text_delta", "output_text_done",
		"content_part_done", "output_item_done", "completed",
	}
	type result struct {
		Outline []string
		Text    string // the deltas joined are that of the last event
		Cost    bool   // the trailer has what the last event says
		Err     error
	}
	reply := func(got streamed[*maverav1.ResponseStreamEvent]) result {
		text := ""
		for _, event := range got.events {
			text += event.GetOutputTextDelta().GetDelta()
		}
		last := got.events[len(got.events)-1].GetCompleted().GetResponse()
		if whole := last.GetOutput()[0].GetMessage().GetContent()[0].GetOutputText().GetText(); whole != text {
			text += " is not " + whole
		}
		return result{got.outline(), text[:8], one(got.trailer, "x-mavera-credits-used") == fmt.Sprint(last.GetUsage().GetCreditsUsed()), got.err}
	}
	for _, row := range []struct {
		rpc  string
		call func(context.Context) result
		want result
	}{
		{"StreamResponse", func(ctx context.Context) result {
			return reply(stream(ctx, g.responses.StreamResponse, streamRequest()))
		}, result{Outline: answer, Text: "Speaking", Cost: true}},
		{"StreamVideoAnalysisChat", func(ctx context.Context) result {
			return reply(stream(ctx, g.videos.StreamVideoAnalysisChat, &maverav1.StreamVideoAnalysisChatRequest{
				Id: "cly1abc2d0001abcdef123456", Messages: []*maverav1.VideoAnalysisChatMessage{{Role: new("user"), Content: new("What works?")}},
			}))
		}, result{Outline: answer, Text: "Speaking", Cost: true}},
		{"StreamChatCompletion", func(ctx context.Context) result {
			got := stream(ctx, g.chat.StreamChatCompletion, &maverav1.StreamChatCompletionRequest{
				Model: "mavera-1", PersonaId: new(personaID),
				Messages: []*maverav1.ChatMessage{{Role: maverav1.ChatRole_CHAT_ROLE_USER, Content: "Which label?"}},
			})
			text, cost := "", 0.0
			for _, event := range got.events {
				cost += event.GetChunk().GetUsage().GetCreditsUsed()
				for _, choice := range event.GetChunk().GetChoices() {
					text += choice.GetDelta().GetContent()
				}
			}
			return result{got.outline(), text[:8], one(got.trailer, "x-mavera-credits-used") == fmt.Sprint(cost), got.err}
		}, result{Outline: []string{"chunk"}, Text: "Speaking", Cost: true}},
		{"StreamMaveChat", func(ctx context.Context) result {
			got := stream(ctx, g.clients.mave.StreamMaveChat, &maverav1.StreamMaveChatRequest{Message: "Compare the refills."})
			text := ""
			for _, event := range got.events {
				text += event.GetContent().GetContent()
			}
			cost := got.events[len(got.events)-1].GetDone().GetUsage().GetCreditsUsed()
			return result{got.outline(), text[:0], one(got.trailer, "x-mavera-credits-used") == fmt.Sprint(cost), got.err}
		}, result{Outline: []string{"content", "sources", "validation", "done"}, Cost: true}},
	} {
		t.Run(row.rpc, func(t *testing.T) {
			if diff := cmp.Diff(row.want, row.call(within(t))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	_, metrics := g.page("/metrics")
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "mavera_gateway_unmodelled_fields_total") {
			t.Errorf("a field is lost: %s", line)
		}
	}
}

// stream is one stream in a scenario: its result, and what came before its end.
func (c *chaos) stream(askers ...asker) string {
	var events []string
	text := c.ask(func(ctx context.Context) outcome {
		got := stream(ctx, c.responses.StreamResponse, streamRequest())
		events = got.outline()
		c.delivered(got.outcome, len(got.events))
		return got.outcome
	}, askers)
	if len(events) == 0 {
		return text + " nothing"
	}
	return text + " to " + events[len(events)-1]
}

// maveStream is the same of a family with slots.
func (c *chaos) maveStream(askers ...asker) string {
	return c.ask(func(ctx context.Context) outcome {
		return stream(ctx, c.clients.mave.StreamMaveChat, &maverav1.StreamMaveChatRequest{Message: "Why?"}).outcome
	}, askers)
}

// delivered compares events_delivered of a failure with what was received, and checks
// that no part of a stream is ever to be repeated.
func (c *chaos) delivered(o outcome, events int) {
	for _, detail := range status.Convert(o.err).Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		if _, retry := detail.(*errdetails.RetryInfo); retry && events > 0 {
			c.t.Errorf("a stream with %d events is to be repeated", events)
		}
		if !ok || events == 0 {
			continue
		}
		if got := info.GetMetadata()["events_delivered"]; got != fmt.Sprint(events) {
			c.t.Errorf("events_delivered is %s, of %d", got, events)
		}
		if got := one(o.trailer, "grpc-retry-pushback-ms"); got != "-1" && status.Code(o.err) != codes.Canceled {
			c.t.Errorf("pushback %q after %d events", got, events)
		}
	}
}

// streamChaos is what goes wrong with streams.
func streamChaos() []scenario {
	of := func(times int, script object) []object { return []object{on(streamRoute, times, script)} }
	one := func(c *chaos) string { return c.stream() }
	down := func(kind string, attributes object) []toxic { return []toxic{{kind, "downstream", attributes}} }
	return []scenario{
		{name: "stream: 503, then a stream", faults: of(1, answer(503)), do: one, want: "OK 2 to completed", upstream: "503 200"},
		{name: "stream: 429 with seconds", flags: []string{"--retry-after-max=1m"}, faults: of(1, answer(429, "Retry-After", "1")), do: one, want: "OK 2 to completed", upstream: "429 200"},
		{name: "stream: 500 for ever", faults: of(-1, answer(500)), do: one, want: "Internal HTTP_500 4 nothing", upstream: "500×4"},
		{name: "stream: 502", faults: of(1, answer(502)), do: one, want: "Unknown OUTCOME_UNKNOWN 1 nothing", upstream: "502"},
		{name: "stream: refused", faults: of(1, answer(402)), do: one, want: "FailedPrecondition HTTP_402 1 nothing", upstream: "402"},
		{name: "stream: reset before the head", faults: of(1, object{"close_before": true}), do: one, want: "Unknown OUTCOME_UNKNOWN 1 nothing", upstream: "0"},
		{name: "stream: cut before the first event", faults: of(1, object{"sse_cut_after_events": 0}), do: one, want: "Unknown OUTCOME_UNKNOWN 1 nothing", upstream: "200"},
		{name: "stream: ended before the first event", faults: of(1, object{"sse_end_after_events": 0}), do: one, want: "Unknown OUTCOME_UNKNOWN 1 nothing", upstream: "200"},
		{name: "stream: cut after one event", faults: of(-1, object{"sse_cut_after_events": 1}), do: one, want: "Unavailable STREAM_CUT 1 to created", upstream: "200"},
		{name: "stream: cut after some text", faults: of(-1, object{"sse_cut_after_events": 5}), do: one, want: "Unavailable STREAM_CUT 1 to output_text_delta", upstream: "200"},
		{name: "stream: ended in the middle", faults: of(-1, object{"sse_end_after_events": 5}), do: one, want: "Unavailable STREAM_CUT 1 to output_text_delta", upstream: "200"},
		{name: "stream: without [DONE]", faults: of(-1, object{"omit_done": true}), do: one, want: "OK 1 to completed", upstream: "200"},
		{name: "stream: every event twice", faults: of(-1, object{"duplicate_events": true}), do: one, want: "OK 1 to completed", upstream: "200"},
		{name: "stream: lines end in CR", faults: of(-1, object{"line_end": "\r"}), do: one, want: "OK 1 to completed", upstream: "200"},
		{
			name: "stream: stalled", flags: []string{"--stream-idle-timeout=1s"}, faults: of(-1, object{"sse_stall_after_events": 2}),
			do: one, want: "Unavailable STREAM_STALLED 1 to output_item_added", upstream: "200",
		},
		{name: "stream: failed", faults: of(-1, object{"sse_fail_after_events": 4}), do: one, want: "Internal INTERNAL_ERROR 1 to failed", upstream: "200"},
		{name: "stream: an error event", faults: of(-1, object{"sse_error_after_events": 4}), do: one, want: "Internal INTERNAL_ERROR 1 to error", upstream: "200"},
		{name: "stream: JSON in its place", faults: of(-1, object{"status": 200, "body": `{"id":"r"}`}), do: one, want: "OK 1 to unknown", upstream: "200"},
		{
			name: "stream: an event too large", flags: []string{"--max-event-bytes=1KiB"}, faults: of(-1, object{"inserts": []object{{
				"after_events": 3, "text": "data: " + strings.Repeat("x", 2<<10) + "\n\n",
			}}}),
			do: one, want: "Internal ANSWER_TOO_LARGE 1 to content_part_added", upstream: "200",
		},
		{
			name: "stream: the caller's deadline in the middle", faults: of(-1, object{"sse_stall_after_events": 2}),
			do: func(c *chaos) string {
				got, _, _ := strings.Cut(c.stream(deadline(500e6)), " to ")
				return got
			},
			want: "DeadlineExceeded 1 unknown", upstream: "200",
		},
		{name: "stream: small slices", toxics: down("slicer", object{"average_size": 16, "size_variation": 8, "delay": 200}), do: one, want: "OK 1 to completed", upstream: "200"},
		{name: "stream: little bandwidth", toxics: down("bandwidth", object{"rate": 20}), do: one, want: "OK 1 to completed", upstream: "200"},
		{name: "stream: the network ends it early", toxics: down("limit_data", object{"bytes": 1500}), do: func(c *chaos) string {
			got, _, _ := strings.Cut(c.stream(), " to ")
			return got
		}, want: "Unavailable STREAM_CUT 1", upstream: "200"},
		{
			name: "stream: slots are held to its end", faults: []object{on(maveStreamRoute, 10, object{"sse_stall_after_events": 1})},
			do: func(c *chaos) string {
				leaving, leave := context.WithCancel(within(c.t))
				ended := make(chan string)
				go func() {
					ended <- many(10, func() string {
						return c.maveStream(func(ctx context.Context) (context.Context, context.CancelFunc) {
							ctx, cancel := context.WithCancel(ctx)
							context.AfterFunc(leaving, cancel)
							return ctx, cancel
						})
					})
				}()
				eventually(c.t, "ten streams", func() bool { return len(c.m.requests()) == 10 })
				full := c.maveStream(deadline(crowded))
				leave()
				left := <-ended
				// The simulator has the same ten places and frees them when it hears of it.
				eventually(c.t, "the simulator to see them leave", func() bool { return c.statuses() == "200×10" })
				return full + ", " + left + ", " + c.maveStream()
			},
			want: "ResourceExhausted CONCURRENCY_LIMITED 0, Canceled 1 unknown ×10, OK 1", upstream: "200×11",
		},
	}
}

// TestNodeStreams reads streams with @grpc/grpc-js.
func TestNodeStreams(t *testing.T) {
	m, g := pair(t)
	protos, err := filepath.Abs("../proto")
	if err != nil {
		t.Fatal(err)
	}
	m.control("POST", "faults", on(maveStreamRoute, 1, object{"skip": 1, "sse_cut_after_events": 2}), nil)
	m.control("POST", "faults", on(maveStreamRoute, 1, object{"skip": 1, "sse_stall_after_events": 1}), nil)
	want := object{
		"whole": object{
			"events": []any{"content", "sources", "validation", "done"}, "code": "OK", "said": true,
			"pushback": []any{}, "credits": []any{"12"},
		},
		"cut":  object{"events": []any{"content"}, "code": "UNAVAILABLE", "said": true, "pushback": []any{"-1"}, "credits": []any{}},
		"left": object{"events": []any{"content"}, "code": "CANCELLED", "said": true, "pushback": []any{}, "credits": []any{}},
	}
	if diff := cmp.Diff(want, node(t, "stream.mjs", g.addr, protos)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	g.await("the call that was left", func(l logLine) bool { return l.text("msg") == "call" && l.text("reason") == "CANCELLED" })
}
