package transcode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mavera-gateway/mavera-gateway/internal/contract"
	"github.com/mavera-gateway/mavera-gateway/internal/sse"
)

func (e Ending) text() string { return [...]string{"", " (complete)", " (failed)"}[e] }

// showEvent is an event as the goldens show it.
func showEvent(t testing.TB, p *Plan, a *Answer, ending Ending) string {
	t.Helper()
	out := newOutput(t, p)
	if err := a.Unmarshal(out); err != nil {
		t.Fatalf("the wire format of an event cannot be read: %v", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\n", format(t, out), ending.text())
	if a.HasCredits {
		fmt.Fprintf(&b, "credits: %v\n", a.Credits)
	}
	for _, loss := range a.Losses {
		fmt.Fprintf(&b, "loss: %s %s, %d\n", loss.Kind, loss.Field, loss.Count)
	}
	return b.String()
}

// TestTranscripts shows the typed events of every transcript of the contract.
func TestTranscripts(t *testing.T) {
	for transcript, rpc := range map[string]string{
		"responses.stream":           "StreamResponse",
		"responses.stream-tool-call": "StreamResponse",
		"responses.stream-failed":    "StreamResponse",
		"chat-completions.stream":    "StreamChatCompletion",
		"mave.stream":                "StreamMaveChat",
	} {
		t.Run(transcript, func(t *testing.T) {
			text, err := contract.Examples.ReadFile(path.Join("examples", transcript+".sse"))
			if err != nil {
				t.Fatal(err)
			}
			p := planOf(t, rpc)
			decoder, reader := p.EventDecoder(), sse.NewReader(bytes.NewReader(text), sse.Limits{})
			var b bytes.Buffer
			for {
				event, err := reader.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if !event.Done() {
					a, ending := decoder.Event(event.Name, event.Data)
					b.WriteString(showEvent(t, p, a, ending))
				}
			}
			checkGolden(t, "events/"+transcript, b.Bytes())
		})
	}
}

// TestEvents reads what the transcripts do not have.
func TestEvents(t *testing.T) {
	for _, row := range []struct {
		what, rpc, name, data string
		want                  string
		ending                Ending
	}{
		{"no event line", "StreamResponse", "", `{"delta":"a","type":"response.output_text.delta"}`, `output_text_delta { delta: "a" }`, GoesOn},
		{"no type", "StreamResponse", "response.output_text.delta", `{"delta":"a"}`, `output_text_delta { delta: "a" }`, GoesOn},
		{"another case", "StreamResponse", "", `{"type":"Response.Completed"}`, `completed {}`, Complete},
		{"the default name", "StreamResponse", "message", `{"type":"error","message":"m","code":null}`, `error { message: "m" }`, Failed},
		{"an unknown name and a known type", "StreamMaveChat", "chunk", `{"type":"content","content":"a"}`, `content { content: "a" }`, GoesOn},
		{"an unknown name", "StreamResponse", "response.queued", `{"type":"response.queued"}`, `unknown { name: "response.queued" data: '{"type":"response.queued"}' }`, GoesOn},
		{"an unknown type", "StreamMaveChat", "", ` {"type":"phase","phase":"PLANNING"} `, `unknown { name: "phase" data: ' {"type":"phase","phase":"PLANNING"} ' }`, GoesOn},
		{"neither name nor type", "StreamMaveChat", "", `{"content":"a"}`, `unknown { data: '{"content":"a"}' }`, GoesOn},
		{"an error of Mave's", "StreamMaveChat", "error", `{"message":"m"}`, `unknown { name: "error" data: '{"message":"m"}' }`, Failed},
		{"the same without a name", "StreamMaveChat", "", `{"type":"error"}`, `unknown { name: "error" data: '{"type":"error"}' }`, Failed},
		{"no JSON", "StreamResponse", "response.created", `nonsense`, `unknown { name: "response.created" data: "nonsense" }`, GoesOn},
		{"half of it", "StreamResponse", "response.completed", `{"response":{"id":"r"}`, `unknown { name: "response.completed" data: '{"response":{"id":"r"}' }`, GoesOn},
		{"more than it", "StreamMaveChat", "done", `{} {}`, `unknown { name: "done" data: "{} {}" }`, GoesOn},
		{"no object", "StreamMaveChat", "sources", `[1]`, `unknown { name: "sources" data: "[1]" }`, GoesOn},
		{"no UTF-8", "StreamMaveChat", "x\xff", "\xfe", `unknown { name: "x\357\277\275" data: "\357\277\275" }`, GoesOn},
		{"what is not modelled", "StreamMaveChat", "validation", `{"type":"validation","confidence_score":0.5}`, `validation { additional_fields { fields { key: "confidence_score" value { number_value: 0.5 } } } }`, GoesOn},
		{"a chunk with usage alone", "StreamChatCompletion", "", `{"choices":[],"usage":{"credits_used":2}}`, `chunk { usage { credits_used: 2 } }`, GoesOn},
		{"the end of a text", "StreamChatCompletion", "message", `{"choices":[{"delta":{},"finish_reason":"length"}]}`, `chunk { choices { delta {} finish_reason: "length" } }`, Complete},
		{"a chunk with a name", "StreamChatCompletion", "ping", `{}`, `unknown { name: "ping" data: "{}" }`, GoesOn},
		{"an error in a chunk's place", "StreamChatCompletion", "", `{"error":{"message":"m"}}`, `unknown { name: "error" data: '{"error":{"message":"m"}}' }`, Failed},
		{"no error", "StreamChatCompletion", "", `{"error":null,"choices":[{"delta":{"content":"error"}}]}`, `chunk { choices { delta { content: "error" } } additional_fields { fields { key: "error" value { null_value: NULL_VALUE } } } }`, GoesOn},
		{"an error that is text", "StreamChatCompletion", "", `{"id":"error"}`, `chunk { id: "error" }`, GoesOn},
	} {
		t.Run(row.what, func(t *testing.T) {
			p := planOf(t, row.rpc)
			decoder := p.EventDecoder()
			// What came before must not show.
			decoder.Event([]byte("done"), []byte(`{"type":"done","usage":{"credits_used":7},"x":[{"y":1}]}`))
			a, ending := decoder.Event([]byte(row.name), []byte(row.data))
			out := newOutput(t, p)
			if err := a.Unmarshal(out); err != nil {
				t.Fatal(err)
			}
			checkMessage(t, out, row.want)
			if ending != row.ending {
				t.Errorf("the ending is %d, want %d", ending, row.ending)
			}
			if wantCredits := strings.Contains(row.want, "credits_used"); a.HasCredits != wantCredits {
				t.Errorf("credits: %v %v", a.Credits, a.HasCredits)
			}
			if unknown := strings.HasPrefix(row.want, "unknown"); unknown != slices.Contains(a.Losses, Loss{Field: "event", Kind: UnknownEnum, Count: 1}) {
				t.Errorf("losses: %v", a.Losses)
			}
		})
	}
}

// TestEventsApart: the bytes of an event are not those of the next.
func TestEventsApart(t *testing.T) {
	p := planOf(t, "StreamMaveChat")
	decoder := p.EventDecoder()
	event := func(text string) []byte {
		a, _ := decoder.Event([]byte("content"), []byte(`{"content":"`+text+`"}`))
		return a.Wire
	}
	first, second := event("first"), event("second")
	if !bytes.Contains(first, []byte("first")) || !bytes.Contains(second, []byte("second")) {
		t.Errorf("%q, %q", first, second)
	}
}

// TestWholeAnswer passes on an answer that did not come as a stream.
func TestWholeAnswer(t *testing.T) {
	p := planOf(t, "StreamMaveChat")
	body := []byte(`{"id":"m","content":"a","usage":{"credits_used":12}}`)
	a, err := p.EventDecoder().Whole(&Request{}, body)
	if err != nil {
		t.Fatal(err)
	}
	out := newOutput(t, p)
	if err := a.Unmarshal(out); err != nil {
		t.Fatal(err)
	}
	checkMessage(t, out, "unknown { data: '"+string(body)+"' }")
	if !a.HasCredits || a.Credits != 12 {
		t.Errorf("credits %v, %t", a.Credits, a.HasCredits)
	}
	if _, err := p.EventDecoder().Whole(&Request{}, []byte(`<html>`)); !errors.As(err, new(*MalformedAnswerError)) {
		t.Errorf("HTML: %v", err)
	}
}

// TestEventAllocations: a stream costs what is sent of it, and nothing else.
func TestEventAllocations(t *testing.T) {
	decoder := planOf(t, "StreamResponse").EventDecoder()
	name := []byte("response.output_text.delta")
	data := []byte(`{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_abc123def456","output_index":0,"content_index":0,"delta":" a lid that"}`)
	if got := testing.AllocsPerRun(100, func() { decoder.Event(name, data) }); got != 1 {
		t.Errorf("%v allocations, want 1: the bytes", got)
	}
}

// FuzzEvent translates anything: protobuf reads the message, nothing of the event
// before shows in it, and one that is not known keeps its data.
func FuzzEvent(f *testing.F) {
	rpcs := []string{"StreamResponse", "StreamChatCompletion", "StreamMaveChat"}
	f.Add("response.completed", `{"type":"response.completed","response":{"usage":{"credits_used":3},"x":1},"y":[{}]}`, uint8(0))
	f.Add("", `{"choices":[{"delta":{"content":"\u00e4"},"finish_reason":"stop"}],"error":{}}`, uint8(1))
	f.Add("message", ` {"type":"done","usage":{"credits_used":1e999}} `, uint8(2))
	f.Add("error", "\xff", uint8(2))
	f.Fuzz(func(t *testing.T, name, data string, which uint8) {
		p := planOf(t, rpcs[int(which)%len(rpcs)])
		used := p.EventDecoder()
		used.Event([]byte("done"), []byte(`{"type":"done","usage":{"credits_used":7},"x":[{"y":"\ud800"}]`))
		got, ending := used.Event([]byte(name), []byte(data))
		want, wantEnding := p.EventDecoder().Event([]byte(name), []byte(data))
		if !bytes.Equal(got.Wire, want.Wire) || ending != wantEnding || got.HasCredits != want.HasCredits || !slices.Equal(got.Losses, want.Losses) {
			t.Fatalf("%q %q: got %q, alone %q", name, data, got.Wire, want.Wire)
		}
		out := newOutput(t, p)
		if err := got.Unmarshal(out); err != nil {
			t.Fatalf("%q %q: protobuf does not read %q: %v", name, data, got.Wire, err)
		}
		m := out.ProtoReflect()
		member := m.WhichOneof(m.Descriptor().Oneofs().Get(0))
		if member == nil {
			t.Fatalf("%q %q: no event", name, data)
		}
		if member.Name() == "unknown" {
			fields := member.Message().Fields()
			if kept := m.Get(member).Message().Get(fields.ByName("data")).String(); kept != strings.ToValidUTF8(data, "\ufffd") && utf8.ValidString(data) {
				t.Errorf("%q became %q", data, kept)
			}
		}
	})
}
