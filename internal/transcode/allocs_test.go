//go:build !race

package transcode

import (
	"testing"

	"google.golang.org/protobuf/proto"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// TestAllocations holds both directions to their number of allocations: more are a
// decision, fewer are to be written down here.
func TestAllocations(t *testing.T) {
	temperature, search := 0.7, "cmo"
	for _, tc := range []struct {
		name, rpc string
		in        proto.Message // encoded
		body      []byte        // decoded, where there is one
		want      float64
	}{
		{name: "encode a query", rpc: "ListPersonas", in: &maverav1.ListPersonasRequest{Search: &search}, want: 5},
		{name: "encode a body", rpc: "CreateResponse", in: &maverav1.CreateResponseRequest{
			Model: "mavera-1", Temperature: &temperature, Input: &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: "Who buys?"}},
		}, want: 5},
		{name: "decode 1 KB", rpc: "ListPersonas", body: personas(2), want: 2},
		{name: "decode 100 KB", rpc: "ListPersonas", body: personas(160), want: 2},
		{name: "decode a reply", rpc: "CreateResponse", body: reply(700, ""), want: 4},
		{name: "decode unknown fields", rpc: "CreateResponse", body: reply(300, unknownFields), want: 28},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := planOf(t, tc.rpc)
			run := func() (any, error) { return p.Request(tc.in) }
			if tc.body != nil {
				r := &Request{}
				run = func() (any, error) { return p.Answer(r, tc.body) }
			}
			got := testing.AllocsPerRun(200, func() {
				if _, err := run(); err != nil {
					t.Fatal(err)
				}
			})
			if got != tc.want {
				t.Errorf("%v allocations, want %v", got, tc.want)
			}
		})
	}
}
