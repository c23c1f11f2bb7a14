package main

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"google.golang.org/protobuf/proto"
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

// The systems beside the gateway answer what it answers; protojson drops the
// enums, which it spells in another way.
func TestFloors(t *testing.T) {
	upstream := httptest.NewServer(upstream())
	defer upstream.Close()
	for _, command := range []string{floorCommand, protojsonCommand} {
		f, err := newFloor(command, upstream.URL+basePath, "mvra_live_test")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sizes() {
			want, err := s.answer()
			if err != nil {
				t.Fatal(err)
			}
			if command == protojsonCommand {
				for _, persona := range want.GetData() {
					persona.PipelineType, persona.Type = nil, nil
				}
			}
			got, err := f.ListPersonas(t.Context(), s.request())
			if err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(got, want) {
				t.Errorf("%s, %s: got %v, want %v", command, s.name, got, want)
			}
		}
		f.http.CloseIdleConnections()
	}
}
