package transcode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/mavera-gateway/mavera-gateway/internal/contract"
)

// TestRoutes shows all plans in one table, for the eye of a reviewer.
func TestRoutes(t *testing.T) {
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "RPC\tKIND\tROUTE\tFAMILY\tIDEMPOTENCY\tBILLED\tATTEMPT\tTOTAL\tPAGING")
	for _, p := range plans(t) {
		billed, paging := "-", "-"
		if p.Billed {
			billed = "billed"
		}
		if p.paging != nil {
			paging = strings.ToLower(strings.TrimPrefix(p.paging.envelope.String(), "ENVELOPE_"))
			if p.paging.maxSize > 0 {
				paging += " <= " + strconv.Itoa(int(p.paging.maxSize))
			}
			if p.paging.field != "" {
				paging += " in " + p.paging.field
			}
		}
		service := p.Service[strings.LastIndex(p.Service, ".")+1:]
		_, _ = fmt.Fprintf(table, "%s/%s\t%s\t%s %s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			service, p.RPC, p.Kind, p.HTTPMethod, p.Route, p.Family, p.Idempotency, billed, p.AttemptTimeout, p.Total(), paging)
	}
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "routes", b.Bytes())
}

// A fixture is one request of testdata/requests/<Rpc>.json. A server stream takes those
// of its sibling, whose fields it has.
type fixture struct {
	// Name of the case. "full" sets every field; other cases take the other
	// members of unions.
	Name string `json:"name"`
	// Example is the file of the contract that the body must be equal to.
	Example string `json:"example,omitempty"`
	// Request is the request message. A page_token is written as "cursor:abc" or
	// "offset:40"; the test makes a token of it.
	Request json.RawMessage `json:"request"`
}

func fixtures(t *testing.T, p *Plan) []fixture {
	t.Helper()
	of := p
	if p.Kind != Unary {
		of = p.Sibling
	}
	text, err := os.ReadFile(filepath.Join("testdata", "requests", of.RPC+".json"))
	if err != nil {
		t.Fatalf("%s has no request fixture: %v", p.RPC, err)
	}
	var cases []fixture
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// message builds the request.
func (f *fixture) message(t *testing.T, p *Plan) proto.Message {
	t.Helper()
	in := p.NewInput()
	if err := protojson.Unmarshal(f.Request, in); err != nil {
		t.Fatalf("%s, %s: %v", p.RPC, f.Name, err)
	}
	if p.pageToken == nil {
		return in
	}
	msg := in.ProtoReflect()
	kind, place, _ := strings.Cut(msg.Get(p.pageToken.desc).String(), ":")
	var at position
	switch kind {
	case "cursor":
		at = position{}.after(place)
	case "offset":
		at.offset, _ = strconv.ParseInt(place, 10, 64)
	default:
		return in
	}
	token := at.token(p.list(p.expand(&encoder{}, msg, &Request{}), p.queryOf(&encoder{}, msg)).bind())
	msg.Set(p.pageToken.desc, protoreflect.ValueOfString(token))
	return in
}

// TestRequests shows the HTTP request of every fixture.
func TestRequests(t *testing.T) {
	examples := requestExamples(t)
	for _, p := range plans(t) {
		if p.Kind == Upload {
			continue // it makes no request of its messages
		}
		t.Run(p.RPC, func(t *testing.T) {
			var b bytes.Buffer
			for _, f := range fixtures(t, p) {
				r, err := p.Request(f.message(t, p))
				if err != nil {
					t.Errorf("%s: %v", f.Name, err)
					continue
				}
				fmt.Fprintf(&b, "# %s\n%s %s\n", f.Name, r.Method, r.Target)
				if r.Body != nil {
					fmt.Fprintf(&b, "\n%s\n", indent(t, r.Body))
				}
				b.WriteByte('\n')
				if f.Example != "" {
					checkExample(t, f.Example, r.Body, p.Kind == Events)
					examples = slices.DeleteFunc(examples, func(name string) bool { return name == f.Example })
				}
			}
			checkGolden(t, "requests/"+p.RPC, bytes.TrimSuffix(b.Bytes(), []byte("\n")))
		})
	}
	for _, name := range examples {
		t.Errorf("no fixture gives the request of %s", name)
	}
}

// requestExamples lists the contract's request bodies.
func requestExamples(t *testing.T) []string {
	t.Helper()
	entries, err := contract.Examples.ReadDir("examples")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".request.json") {
			names = append(names, entry.Name())
		}
	}
	return names
}

// checkExample compares a body with the contract's example, as JSON. The key
// stream belongs to the RPCs that stream.
func checkExample(t *testing.T, name string, body []byte, stream bool) {
	t.Helper()
	text, err := contract.Examples.ReadFile(path.Join("examples", name))
	if err != nil {
		t.Fatal(err)
	}
	var got, want map[string]any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	delete(want, "stream")
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if asked := got["stream"] == true; asked != stream {
		t.Errorf("%s: stream is %v", name, got["stream"])
	}
	delete(got, "stream")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\ngot  %v\nwant %v", name, got, want)
	}
}

// TestAnswers shows the typed answer to every example of the contract, and what
// the protos do not model of it.
func TestAnswers(t *testing.T) {
	entries, err := contract.Examples.ReadDir("examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name, isAnswer := strings.CutSuffix(entry.Name(), ".response.json")
		if !isAnswer {
			continue
		}
		t.Run(name, func(t *testing.T) {
			body, err := contract.Examples.ReadFile(path.Join("examples", entry.Name()))
			if err != nil {
				t.Fatal(err)
			}
			a, out := decoded(t, planOf(t, rpcOf(name)), string(body))
			var b bytes.Buffer
			fmt.Fprintf(&b, "# %s\n%s\n", out.ProtoReflect().Descriptor().FullName(), format(t, out))
			if a.HasCredits {
				fmt.Fprintf(&b, "credits: %v\n", a.Credits)
			}
			for _, loss := range a.Losses {
				fmt.Fprintf(&b, "loss: %s %s, %d\n", loss.Kind, loss.Field, loss.Count)
			}
			checkGolden(t, "answers/"+name, b.Bytes())
		})
	}
}

// rpcOf is the RPC of an example: "get-focus-group.failed" is of GetFocusGroup.
func rpcOf(example string) string {
	operation, _, _ := strings.Cut(example, ".")
	var b strings.Builder
	for word := range strings.SplitSeq(operation, "-") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

func newMessage(t testing.TB, name string) proto.Message {
	t.Helper()
	typ, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		t.Fatal(err)
	}
	return typ.New().Interface()
}
