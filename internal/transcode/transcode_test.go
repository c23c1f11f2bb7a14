package transcode

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// compiled are the plans of all services; they never change.
var compiled = sync.OnceValues(func() ([]*Plan, error) { return Compile(Services()...) })

func plans(t testing.TB) []*Plan {
	t.Helper()
	all, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// planOf returns the plan of one RPC.
func planOf(t testing.TB, rpc string) *Plan {
	t.Helper()
	for _, p := range plans(t) {
		if p.RPC == rpc {
			return p
		}
	}
	t.Fatalf("no RPC %s", rpc)
	return nil
}

// newOutput returns an empty answer of the RPC.
func newOutput(t testing.TB, p *Plan) proto.Message {
	t.Helper()
	return newMessage(t, string(p.output.desc.FullName()))
}

// input reads a request message from its text form.
func input(t testing.TB, p *Plan, text string) proto.Message {
	t.Helper()
	in := p.NewInput()
	if err := prototext.Unmarshal([]byte(text), in); err != nil {
		t.Fatalf("fixture: %v", err)
	}
	return in
}

// decoded answers body to an empty request of the RPC.
func decoded(t testing.TB, p *Plan, body string) (*Answer, proto.Message) {
	t.Helper()
	a, err := p.Answer(&Request{}, []byte(body))
	if err != nil {
		t.Fatalf("Answer(%s): %v", body, err)
	}
	out := newOutput(t, p)
	if err := a.Unmarshal(out); err != nil {
		t.Fatalf("the wire format of %s cannot be read: %v", body, err)
	}
	return a, out
}

// checkMessage compares a message with its expected text form.
func checkMessage(t testing.TB, got proto.Message, want string) {
	t.Helper()
	wanted := got.ProtoReflect().New().Interface()
	if err := prototext.Unmarshal([]byte(want), wanted); err != nil {
		t.Fatalf("expectation: %v", err)
	}
	if !proto.Equal(got, wanted) {
		t.Errorf("got  %s\nwant %s", format(t, got), format(t, wanted))
	}
}

// format writes a message as JSON that does not change from run to run, as
// protojson's white space does on purpose.
func format(t testing.TB, m proto.Message) []byte {
	t.Helper()
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return indent(t, text)
}

func indent(t testing.TB, text []byte) []byte {
	t.Helper()
	var compact, out bytes.Buffer
	if err := errors.Join(json.Compact(&compact, text), json.Indent(&out, compact.Bytes(), "", "  ")); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return out.Bytes()
}

// checkGolden compares with testdata/name.golden, or rewrites it.
func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", filepath.FromSlash(name)+".golden")
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, got, 0o644)); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; look at the diff after go test -update\ngot\n%s\nwant\n%s", file, got, want)
	}
}
