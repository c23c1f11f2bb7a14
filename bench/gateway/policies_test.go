package main

import (
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The steps of the series are one pair, all families with one key, all with all keys.
func TestPolicies(t *testing.T) {
	for _, tc := range []struct{ policies, families, keys int }{{1, 1, 1}, {8, 8, 1}, {64, 8, 8}} {
		pairs, ofFamilies, ofKeys := map[string]bool{}, map[string]bool{}, map[string]bool{}
		for _, p := range policies(tc.policies) {
			pairs[p.family.method+" "+p.key], ofFamilies[p.family.method], ofKeys[p.key] = true, true, true
		}
		if len(pairs) != tc.policies || len(ofFamilies) != tc.families || len(ofKeys) != tc.keys {
			t.Errorf("%d policies are %d pairs of %d families and %d keys, want %d families and %d keys",
				tc.policies, len(pairs), len(ofFamilies), len(ofKeys), tc.families, tc.keys)
		}
	}
}

// Calls take the policies in turn, and without policies there is none.
func TestRotation(t *testing.T) {
	l := load{policies: policies(8)}
	for i := range 20 {
		if got, want := l.question(i).policy, &l.policies[i%8]; got != want {
			t.Errorf("call %d has the policy %v, want %v", i, got, want)
		}
	}
	if got := (load{}).question(3).policy; got != nil {
		t.Errorf("a load without policies has the policy %v", got)
	}
}

// A list is of the same size and of the same number of fields whatever its family, and
// the protos model all of it: otherwise a step of the series would be another kind of work.
func TestFamilies(t *testing.T) {
	c := dialFloor(t)
	for _, p := range policies(len(families())) {
		body := p.family.body()
		if len(body) != listSize().bytes || !json.Valid(body) {
			t.Errorf("%s: %d bytes, want %d of valid JSON: %s", p.family.path, len(body), listSize().bytes, body)
		}
		want := p.family.answer()
		if err := transcoded(p.family.method, body, want); err != nil {
			t.Fatal(err)
		}
		got, err := c.answer(t.Context(), 0, question{size: listSize(), policy: &p})
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got, want) {
			t.Errorf("%s: the floor answers %v, want %v", p.family.path, got, want)
		}
		if got := rowsOf(got); got != rowsPerFamily {
			t.Errorf("%s: %d rows, want %d", p.family.path, got, rowsPerFamily)
		}
		rows := got.ProtoReflect().Get(got.ProtoReflect().Descriptor().Fields().ByName("data")).List()
		for i := range rows.Len() {
			set := map[protoreflect.Name]bool{}
			rows.Get(i).Message().Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
				set[field.Name()] = true
				return true
			})
			if len(set) != 4 || !set[protoreflect.Name(p.family.key)] || set["additional_fields"] {
				t.Errorf("%s: row %d has the fields %v", p.family.path, i, set)
			}
		}
	}
}
