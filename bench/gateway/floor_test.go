package main

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"google.golang.org/protobuf/proto"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

func TestBodies(t *testing.T) {
	for _, s := range sizes() {
		body := s.body()
		if len(body) != s.bytes || !json.Valid(body) {
			t.Errorf("%s: %d bytes, want %d of valid JSON: %.200s", s.name, len(body), s.bytes, body)
		}
		answer, err := s.answer()
		if err != nil {
			t.Fatal(err)
		}
		rows := answer.GetData()
		if len(rows) != s.rows {
			t.Errorf("%s: %d rows, want %d", s.name, len(rows), s.rows)
		}
		for _, persona := range rows {
			if persona.GetAdditionalFields() != nil || persona.GetDetails().GetAdditionalFields() != nil {
				t.Errorf("%s: the proto does not model all of %v", s.name, persona)
			}
		}
	}
}

// reread is a message as its caller gets it.
func reread(t *testing.T, message proto.Message) *maverav1.ListPersonasResponse {
	t.Helper()
	wire, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	out := new(maverav1.ListPersonasResponse)
	if err := proto.Unmarshal(wire, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// The floors answer what the gateway answers; protojson drops the
// enums, which it spells in another way.
func TestFloors(t *testing.T) {
	upstream := httptest.NewServer(upstream())
	defer upstream.Close()
	for _, command := range []string{floorCommand, protojsonCommand, dynamicCommand} {
		f, err := newFloor(command, upstream.URL+basePath, "mvra_live_test")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sizes() {
			want, err := s.answer()
			if err != nil {
				t.Fatal(err)
			}
			if command != floorCommand {
				for _, persona := range want.GetData() {
					persona.PipelineType, persona.Type = nil, nil
				}
			}
			got, err := f.list(t.Context(), s.request())
			if err != nil {
				t.Fatal(err)
			}
			if text := reread(t, got); !proto.Equal(text, want) {
				t.Errorf("%s, %s: got %v, want %v", command, s.name, text, want)
			}
		}
		f.http.CloseIdleConnections()
	}
}
