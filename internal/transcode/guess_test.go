package transcode

import (
	"reflect"
	"slices"
	"testing"
)

// guesses are answers to GetPersona that one plan reads one after the other: what it
// learns of one must not be seen in another.
var guesses = []decodeTest{
	{"as the plan learns it", "", `{"id":"p","name":"n","is_custom":true}`, `id:"p" name:"n" is_custom:true`, nil},
	{"as it has learnt it", "", `{"id":"p","name":"n","is_custom":true}`, `id:"p" name:"n" is_custom:true`, nil},
	{"in another order", "", `{"is_custom":true,"name":"n","id":"p"}`, `id:"p" name:"n" is_custom:true`, nil},
	{"with one in between", "", `{"is_custom":false,"category":"c","name":"n","id":"p"}`, `id:"p" category:"c" name:"n" is_custom:false`, nil},
	{"with one missing", "", `{"is_custom":true,"id":"p"}`, `id:"p" is_custom:true`, nil},
	{"with white space", "", "{ \"is_custom\" :true,\n\"id\": \"p\" }", `id:"p" is_custom:true`, nil},
	{"with an escaped key", "", `{"is_custom":true,"\u0069d":"p"}`, `id:"p" is_custom:true`, nil},
	{"null", "", `{"is_custom":null,"id":null}`, ``, nil},
	{
		"a longer key", "", `{"is_custom":true,"id_":1}`, `is_custom:true additional_fields:{fields:{key:"id_" value:{number_value:1}}}`,
		[]Loss{{"id_", UnknownField, 1}},
	},
	{
		"a shorter key", "", `{"is_custom":true,"i":1}`, `is_custom:true additional_fields:{fields:{key:"i" value:{number_value:1}}}`,
		[]Loss{{"i", UnknownField, 1}},
	},
	{
		"a value that does not fit", "", `{"is_custom":"no","id":7}`,
		`additional_fields:{fields:{key:"is_custom" value:{string_value:"no"}} fields:{key:"id" value:{number_value:7}}}`,
		[]Loss{{"is_custom", WrongType, 1}, {"id", WrongType, 1}},
	},
	{
		"a key that comes twice", "", `{"is_custom":true,"is_custom":false,"id":"p"}`,
		`id:"p" is_custom:true additional_fields:{fields:{key:"is_custom" value:{bool_value:false}}}`,
		[]Loss{{"is_custom", UnknownField, 1}},
	},
}

func TestGuesses(t *testing.T) {
	p := planOf(t, "GetPersona")
	for _, tt := range guesses {
		t.Run(tt.name, func(t *testing.T) {
			a, out := decoded(t, p, tt.body)
			checkMessage(t, out, tt.want)
			if !reflect.DeepEqual(a.Losses, tt.losses) {
				t.Errorf("losses %v, want %v", a.Losses, tt.losses)
			}
		})
	}
}

// TestGuessesAtOnce reads all of them at the same time, so that they overwrite what the
// others have learnt.
func TestGuessesAtOnce(t *testing.T) {
	p := planOf(t, "GetPersona")
	for _, tt := range guesses {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range 100 {
				_, out := decoded(t, p, tt.body)
				checkMessage(t, out, tt.want)
			}
		})
	}
}

// TestGuessed looks at what a plan of its own learns.
func TestGuessed(t *testing.T) {
	plans, err := Compile(Services()...)
	if err != nil {
		t.Fatal(err)
	}
	p := plans[slices.IndexFunc(plans, func(p *Plan) bool { return p.RPC == "GetPersona" })]
	for _, step := range []struct {
		body string
		want []string // keys in the order in which they are expected
	}{
		{`{"unknown":1}`, nil},
		{`{"name":"n","unknown":1,"id":"p"}`, []string{"name", "id"}},
		{`{"name":"n","category":"c","is_custom":true}`, []string{"name", "category", "is_custom"}},
		{`{"\u0069d":"p"}`, []string{"id"}},
		{`{"id":"p","name":"n"}`, []string{"id", "name", "category", "is_custom"}},
	} {
		decoded(t, p, step.body)
		var got []string
		for f := p.output.first.Load(); f != nil; f = f.next.Load() {
			got = append(got, f.key)
		}
		if !slices.Equal(got, step.want) {
			t.Errorf("after %s the keys are expected as %v, want %v", step.body, got, step.want)
		}
	}
}
