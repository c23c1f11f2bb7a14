package transcode

import (
	"bytes"
	"encoding/json"
	"errors"
	"path"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mavera-gateway/mavera-gateway/internal/contract"
)

// fuzzed are RPCs whose answers have between them every shape of the codec.
var fuzzed = []string{"CreateResponse", "ListPersonas", "GetFolder", "GetFocusGroup", "GetMeeting", "CreateFileUploadUrl", "ChatVideoAnalysis", "ListBrandVoices", "DeletePersona"}

func fuzzedPlans(t testing.TB) []*Plan {
	t.Helper()
	out := make([]*Plan, len(fuzzed))
	for i, rpc := range fuzzed {
		out[i] = planOf(t, rpc)
	}
	return out
}

// addExamples seeds a fuzz test with the contract's examples.
func addExamples(f *testing.F, suffix string) {
	f.Helper()
	entries, err := contract.Examples.ReadDir("examples")
	if err != nil {
		f.Fatal(err)
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), suffix)
		if !ok {
			continue
		}
		text, err := contract.Examples.ReadFile(path.Join("examples", entry.Name()))
		if err != nil {
			f.Fatal(err)
		}
		for i, rpc := range fuzzed {
			if rpc == rpcOf(name) {
				f.Add(text, uint8(i))
			}
		}
	}
}

// FuzzAnswer answers anything: either a MalformedAnswerError, or a message that
// protobuf reads, which includes that all text in it is valid UTF-8. White space, and
// what the plan has learnt of the order of keys, change nothing.
func FuzzAnswer(f *testing.F) {
	addExamples(f, ".response.json")
	f.Add([]byte(`{"output":[{"type":"message","content":[{"\u0074ype":"x","a":1e999}]},7],"id":"\ud800","x":[[]]}`), uint8(0))
	f.Add([]byte(`{"data":[{"details":{"goals":[1]}}],"next_cursor":"x","total":1e3}`), uint8(1))
	f.Add([]byte(`{"object":"chat.completion","choices":[{"message":{"tool_calls":[{"function":{}}]}}]}`), uint8(6))
	plans := fuzzedPlans(f)
	f.Fuzz(func(t *testing.T, body []byte, which uint8) {
		p := plans[int(which)%len(plans)]
		page := &pageRequest{rows: 2, at: position{offset: 1}}
		if page.paging = p.paging; p.paging == nil {
			page = nil
		}
		a, err := p.Answer(&Request{page: page}, body)
		if err != nil {
			var malformed *MalformedAnswerError
			if !errors.As(err, &malformed) || a != nil {
				t.Fatalf("got %v, %v", a, err)
			}
			return
		}
		out := newOutput(t, p)
		if err := a.Unmarshal(out); err != nil {
			t.Fatalf("protobuf does not read the answer to %q: %v", body, err)
		}
		if len(out.ProtoReflect().GetUnknown()) > 0 {
			t.Errorf("%q has unknown fields", body)
		}
		var spaced bytes.Buffer
		if json.Indent(&spaced, body, "", " ") == nil {
			again, err := p.Answer(&Request{page: page}, spaced.Bytes())
			if err != nil || !bytes.Equal(again.Wire, a.Wire) || !reflect.DeepEqual(again.Losses, a.Losses) {
				t.Errorf("%q with white space gives another answer, or %v", body, err)
			}
		}
		if s := (scanner{in: body}); len(body) > 0 && p.hook == nil {
			if s.skip(); s.end() != nil && p.HTTPMethod != "DELETE" {
				t.Errorf("%q is no JSON: %v", body, s.err)
			}
		}
	})
}

// FuzzRoundTrip reads JSON as the request of an RPC and writes it again: from
// then on nothing changes any more.
func FuzzRoundTrip(f *testing.F) {
	rpcs := []string{"CreateResponse", "CreatePersona", "CreateFocusGroup", "CreateBrandVoice", "CreateChatCompletion", "CreateMeeting", "CreateFile"}
	plans := make([]*Plan, len(rpcs))
	for i, rpc := range rpcs {
		plans[i] = planOf(f, rpc)
	}
	entries, err := contract.Examples.ReadDir("examples")
	if err != nil {
		f.Fatal(err)
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".request.json")
		for i, rpc := range rpcs {
			if ok && rpc == rpcOf(name) {
				text, err := contract.Examples.ReadFile(path.Join("examples", entry.Name()))
				if err != nil {
					f.Fatal(err)
				}
				f.Add(text, uint8(i))
			}
		}
	}
	f.Add([]byte(`{"metadata":{"é":[-0,1e21,"\u2028",{"a":null}]},"name":null,"zz":12345678901234567890}`), uint8(6))
	f.Fuzz(func(t *testing.T, body []byte, which uint8) {
		p := plans[int(which)%len(plans)]
		first := roundTrip(t, p, body)
		if first == nil {
			return
		}
		if !json.Valid(first) {
			t.Fatalf("%q became %q, which is no JSON", body, first)
		}
		second := roundTrip(t, p, first)
		if !bytes.Equal(first, second) {
			t.Errorf("%q\nbecame %s\nand    %s", body, first, second)
		}
	})
}

// roundTrip reads a JSON object as a request of the RPC and writes it. It gives
// nil for what is refused on either way.
func roundTrip(t *testing.T, p *Plan, body []byte) []byte {
	t.Helper()
	d := decoder{scanner: scanner{in: body}}
	if loss := d.content(p.input, ""); loss != "" || d.end() != nil {
		return nil
	}
	in := p.NewInput()
	if err := proto.Unmarshal(d.out, in); err != nil {
		t.Fatalf("protobuf does not read %q: %v", body, err)
	}
	r, err := p.Request(in)
	if err != nil {
		return nil
	}
	fromWire := p.NewInput()
	if w, err := marshal(in); err != nil || proto.Unmarshal(w, fromWire) != nil || !proto.Equal(in, fromWire) {
		t.Fatalf("%q does not survive its wire format: %v", body, err)
	}
	return r.Body
}
