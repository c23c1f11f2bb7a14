package transcode

import (
	"bytes"
	"reflect"
	"testing"
)

// TestAnswerOwnsItsBytes: callers use the buffer of a body again, so no part of it
// may live on in the answer.
func TestAnswerOwnsItsBytes(t *testing.T) {
	for _, tt := range []struct {
		name, rpc, body string
		page            bool
		losses          []Loss
	}{
		{
			name: "every kind of loss", rpc: "GetPersona",
			body: `{"id":"a","name":7,"new":{"n":12345678901234567890,"s":"\ud800","list":["x",{"y":"z"}]}}`,
			losses: []Loss{
				{"name", WrongType, 1}, {"new", UnknownField, 1}, {"new", InexactNumber, 1}, {"new", InvalidText, 1},
			},
		},
		{
			name: "words and texts with and without escapes", rpc: "GetVideoAnalysis",
			body:   `{"id":"plain","title":"esc\u0061ped","status":"resting","chunks":[{"new":1,"index":0}]}`,
			losses: []Loss{{"status", UnknownEnum, 1}, {"chunks.new", UnknownField, 1}},
		},
		{
			name: "a rewritten form", rpc: "ChatVideoAnalysis",
			body:   `{"id":"c","object":"chat.completion","choices":[{"message":{"role":"assistant","content":"text"},"new":1}]}`,
			losses: []Loss{{"new", UnknownField, 1}},
		},
		{
			name: "the cursor of a page", rpc: "ListFiles", page: true,
			body:   `{"data":[{"id":"file_1","new":1}],"has_more":true,"next_cursor":"file_1"}`,
			losses: []Loss{{"data.new", UnknownField, 1}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := planOf(t, tt.rpc)
			r := &Request{}
			if tt.page {
				r.page = &pageRequest{paging: p.paging, rows: 1}
			}
			want, err := p.Answer(r, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(want.Losses, tt.losses) {
				t.Errorf("losses %v, want %v", want.Losses, tt.losses)
			}
			body := []byte(tt.body)
			got, err := p.Answer(r, body)
			if err != nil {
				t.Fatal(err)
			}
			copy(body, bytes.Repeat([]byte{0xff}, len(body)))
			if !bytes.Equal(got.Wire, want.Wire) {
				t.Errorf("wire format %q, want %q", got.Wire, want.Wire)
			}
			if !reflect.DeepEqual(got.Losses, want.Losses) {
				t.Errorf("losses %v, want %v", got.Losses, want.Losses)
			}
		})
	}
}
