package simulator_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mavera-gateway/mavera-gateway/internal/contract"
	"github.com/mavera-gateway/mavera-gateway/internal/contract/contracttest"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// outline is the order of a stream: the names of its events, or the keys of the
// delta of a chat chunk, repeats drawn together.
func outline(t *testing.T, text string) []string {
	t.Helper()
	var out []string
	for _, e := range contracttest.Events([]byte(text)) {
		name := e.Name
		if e.Data == "[DONE]" {
			name = e.Data
		} else if name == "" {
			choice := parse(t, e.Data)["choices"].([]any)[0].(object)
			delta, _ := choice["delta"].(object)
			switch {
			case choice["finish_reason"] != nil:
				name = "finish " + choice["finish_reason"].(string)
			case delta["role"] != nil:
				name = "role"
			default:
				name = "content"
			}
		}
		if len(out) == 0 || out[len(out)-1] != name {
			out = append(out, name)
		}
	}
	return out
}

func TestStreamsHaveTheOrderOfTheTranscripts(t *testing.T) {
	a := start(t, simulator.Options{})
	for _, tt := range []struct {
		transcript, path string
		body             object
	}{
		{"responses.stream", "/responses", sample(t, "responses.stream")},
		{"responses.stream-tool-call", "/responses", with(sample(t, "create-response.tool-call"), object{"stream": true})},
		{"responses.stream", "/video-analyses/cly1abc2d0001abcdef123456/chat", with(sample(t, "chat-video-analysis"), object{"stream": true})},
		{"chat-completions.stream", "/chat/completions", with(sample(t, "create-chat-completion"), object{"stream": true})},
		{"mave.stream", "/mave/chat", sample(t, "mave.stream")},
	} {
		t.Run(tt.path, func(t *testing.T) {
			transcript, err := contract.Examples.ReadFile("examples/" + tt.transcript + ".sse")
			if err != nil {
				t.Fatal(err)
			}
			a := &api{t: t, sim: a.sim, server: a.server, key: a.key}
			status, header, text := a.send("POST", tt.path, tt.body)
			want(t, "status", status, 200)
			want(t, "content type", header.Get("Content-Type"), "text/event-stream; charset=utf-8")
			if diff := cmp.Diff(outline(t, string(transcript)), outline(t, text)); diff != "" {
				t.Errorf("order (-transcript +simulator):\n%s", diff)
			}
		})
	}
}

// TestStreamAgreesWithTheWholeAnswer: deltas join to the text of the plain call,
// numbers grow by one, and the last event carries the usage.
func TestStreamAgreesWithTheWholeAnswer(t *testing.T) {
	a := start(t, simulator.Options{})
	body := sample(t, "responses.stream")
	plain := a.ok("POST", "/responses", with(body, object{"stream": nil}))
	_, _, text := a.send("POST", "/responses", body)
	var deltas strings.Builder
	var last object
	for i, e := range contracttest.Events([]byte(text)) {
		if e.Data == "[DONE]" {
			break
		}
		last = parse(t, e.Data)
		want(t, "sequence_number", last["sequence_number"], any(float64(i)))
		if last["type"] == "response.output_text.delta" {
			deltas.WriteString(last["delta"].(string))
		}
	}
	answer := func(response object) string {
		return response["output"].([]any)[0].(object)["content"].([]any)[0].(object)["text"].(string)
	}
	want(t, "text of the plain call", answer(plain), "Speaking as Gen Z Consumer, this is my answer to: Name one thing you look for in a water bottle.")
	want(t, "joined deltas", deltas.String(), answer(plain))
	completed := last["response"].(object)
	want(t, "text of the last event", answer(completed), answer(plain))
	if completed["usage"].(object)["credits_used"] == nil {
		t.Error("the last event has no credits")
	}
}

func TestTools(t *testing.T) {
	a := start(t, simulator.Options{})
	call := sample(t, "create-response.tool-call")
	for _, tt := range []struct {
		name   string
		body   object
		called bool
	}{
		{"auto and a question", call, true},
		{"auto and a statement", with(call, object{"input": "Good morning."}), false},
		{"auto and the name of the tool", with(call, object{"input": "Please get product price now."}), true},
		{"none", with(call, object{"tool_choice": "none"}), false},
		{"required", with(call, object{"tool_choice": "required", "input": "Good morning."}), true},
		{"a named function", with(call, object{"tool_choice": object{"type": "function", "name": "get_product_price"}, "input": "Good morning."}), true},
		{"after the output", sample(t, "create-response.tool-output"), false},
	} {
		item := a.ok("POST", "/responses", tt.body)["output"].([]any)[0].(object)
		want(t, tt.name, item["type"] == "function_call", tt.called)
		if tt.called {
			arguments := parse(t, item["arguments"].(string))
			if diff := cmp.Diff(object{"sku": "sample sku", "country": "sample country"}, arguments); diff != "" {
				t.Errorf("%s: arguments: %s", tt.name, diff)
			}
		}
	}
	chat := with(sample(t, "create-chat-completion"), object{"tool_choice": "required", "tools": []any{
		object{"type": "function", "function": object{"name": "f", "description": "d", "parameters": object{"type": "object"}}},
	}})
	choice := a.ok("POST", "/chat/completions", chat)["choices"].([]any)[0].(object)
	want(t, "chat", choice["finish_reason"], any("tool_calls"))
	_, _, text := a.send("POST", "/chat/completions", with(chat, object{"stream": true}))
	if diff := cmp.Diff([]string{"role", "content", "finish tool_calls", "[DONE]"}, outline(t, text)); diff != "" {
		t.Error(diff)
	}
}

func TestStructuredAnswers(t *testing.T) {
	a := start(t, simulator.Options{})
	body := sample(t, "create-response.structured")
	format := body["text"].(object)["format"].(object)
	nested := with(body, object{"text": object{"format": object{"type": "json_schema", "json_schema": object{"name": "n", "schema": format["schema"]}}}})
	for name, body := range map[string]object{"flat": body, "nested": nested} {
		got := a.ok("POST", "/responses", body)
		text := got["output"].([]any)[0].(object)["content"].([]any)[0].(object)["text"].(string)
		if diff := cmp.Diff(got["parsed"], any(parse(t, text))); diff != "" {
			t.Errorf("%s: parsed and text differ: %s", name, diff)
		}
		parsed := got["parsed"].(object)
		if len(parsed) != 3 || parsed["score"].(float64) < 1 || parsed["score"].(float64) > 10 || len(parsed["reasons"].([]any)) == 0 {
			t.Errorf("%s: parsed %v", name, parsed)
		}
	}
}

func TestGenerationStream(t *testing.T) {
	a := start(t, simulator.Options{})
	_, _, text := a.send("POST", "/generations", with(sample(t, "create-generation"), object{"stream": true}))
	if diff := cmp.Diff([]string{"content", "done"}, outline(t, text)); diff != "" {
		t.Error(diff)
	}
}
