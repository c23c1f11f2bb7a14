package transcode

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestLosses(t *testing.T) {
	for _, tt := range []struct {
		name, rpc, body string
		want            []Loss
	}{
		{"none", "GetPersona", `{"id":"a"}`, nil},
		{
			"counted by field and kind", "ListPersonas", `{"data":[{"new":1},{"new":2,"id":3},{"details":{"new":3}}]}`,
			[]Loss{{"data.new", UnknownField, 2}, {"data.id", WrongType, 1}, {"data.details.new", UnknownField, 1}},
		},
		{
			"paths of aliases are those of the field", "GetFocusGroup", `{"question_results":[{"stats":{"new":1}}]}`,
			[]Loss{{"results.aggregate.new", UnknownField, 1}},
		},
		// The inner loss is taken back: the whole list is what is kept.
		{
			"inside what is kept as a whole", "GetVideoAnalysis", `{"chunks":[{"new":1},"x"]}`,
			[]Loss{{"chunks", WrongType, 1}},
		},
		{
			"before and inside what is kept as a whole", "GetVideoAnalysis", `{"new":1,"chunks":[{"new":1,"index":"a"},7],"results":{"new":2}}`,
			[]Loss{{"new", UnknownField, 1}, {"chunks", WrongType, 1}, {"results.new", UnknownField, 1}},
		},
		{
			"inside an additional field", "GetPersona", `{"new":{"n":12345678901234567890,"s":"\ud800"}}`,
			[]Loss{{"new", UnknownField, 1}, {"new", InexactNumber, 1}, {"new", InvalidText, 1}},
		},
		{
			"a very long key", "GetPersona", `{"` + strings.Repeat("é", 100) + `":1}`,
			[]Loss{{strings.Repeat("é", 64) + "...", UnknownField, 1}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, _ := decoded(t, planOf(t, tt.rpc), tt.body)
			if !reflect.DeepEqual(a.Losses, tt.want) {
				t.Errorf("got  %v\nwant %v", a.Losses, tt.want)
			}
		})
	}
}

// TestManyLosses bounds how many are told apart, not how many are counted.
func TestManyLosses(t *testing.T) {
	var b strings.Builder
	var want []Loss
	for i := range 1000 {
		fmt.Fprintf(&b, `"k%d":%d,`, i, i)
		if i < maxLosses {
			want = append(want, Loss{fmt.Sprintf("k%d", i), UnknownField, 1})
		}
	}
	want = append(want, Loss{"*", UnknownField, 1000 - maxLosses}, Loss{"*", WrongType, 1})
	a, _ := decoded(t, planOf(t, "GetPersona"), "{"+b.String()+`"id":1}`)
	if !reflect.DeepEqual(a.Losses, want) {
		t.Errorf("got  %v\nwant %v", a.Losses, want)
	}
}
