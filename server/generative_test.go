package server

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

func planOf(t *testing.T, rpc string) *transcode.Plan {
	t.Helper()
	plans, err := transcode.Compile(transcode.Services()...)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(plans, func(p *transcode.Plan) bool { return p.RPC == rpc })
	if i < 0 {
		t.Fatalf("there is no %s", rpc)
	}
	return plans[i]
}

// TestGenerativeRPCs holds the list of generative RPCs against the protos: whatever is
// billed and reports a usage generates, unless it starts a job.
func TestGenerativeRPCs(t *testing.T) {
	jobs := []string{"CreateFocusGroup"}
	plans, err := transcode.Compile(transcode.Services()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plans {
		g := newGenerative(p)
		reports := newReporting(p.OutputDescriptor(), p.Kind == transcode.Events)
		want := p.Billed && (reports.usage != 0 || len(reports.inner) > 0) && !slices.Contains(jobs, p.RPC)
		if (g != nil) != want {
			t.Errorf("%s: generative %v, want %v", p.RPC, g != nil, want)
		}
	}
}

func TestGenerativeReads(t *testing.T) {
	usage := &maverav1.Usage{CreditsUsed: new(1.0), InputTokens: new(int64(26)), OutputTokens: new(int64(20)), TotalTokens: new(int64(46))}
	older := &maverav1.Usage{PromptTokens: new(int64(7)), CompletionTokens: new(int64(3))}
	response := &maverav1.Response{Id: new("resp_1"), Model: new("mavera-1"), Usage: usage}
	tests := []struct {
		name, rpc string
		answers   []proto.Message
		want      generated
	}{
		{"responses", "CreateResponse", []proto.Message{response}, generated{"resp_1", "mavera-1", 26, 20}},
		{"older names", "CreateChatCompletion", []proto.Message{&maverav1.ChatCompletion{Id: new("chatcmpl_1"), Usage: older}}, generated{"chatcmpl_1", "", 7, 3}},
		{"no tokens", "SendMaveMessage", []proto.Message{&maverav1.MaveMessage{Id: new("msg_1"), Usage: &maverav1.Usage{CreditsUsed: new(12.0)}}}, generated{id: "msg_1"}},
		{
			"a stream", "StreamResponse",
			[]proto.Message{
				&maverav1.ResponseStreamEvent{Event: &maverav1.ResponseStreamEvent_Created{Created: &maverav1.ResponseCreatedEvent{Response: &maverav1.Response{Id: new("resp_1")}}}},
				&maverav1.ResponseStreamEvent{Event: &maverav1.ResponseStreamEvent_Completed{Completed: &maverav1.ResponseCompletedEvent{Response: response}}},
			},
			generated{"resp_1", "mavera-1", 26, 20},
		},
		{"nothing generated", "GetPersona", []proto.Message{&maverav1.Persona{Id: new("clx1")}}, generated{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := newGenerative(planOf(t, test.rpc))
			var got generated
			for _, answer := range test.answers {
				wire, err := proto.Marshal(answer)
				if err != nil {
					t.Fatal(err)
				}
				g.read(wire, &got)
				for size := range wire { // of half an answer nothing is expected but that it is harmless
					g.read(wire[:size], new(generated))
				}
			}
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
