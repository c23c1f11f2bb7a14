package transcode

import (
	"net/http"
	"testing"
)

// TestSiblings holds streams against the unary RPC whose route they repeat.
func TestSiblings(t *testing.T) {
	get, create := planOf(t, "GetPersona"), planOf(t, "CreateResponse")
	list, file := planOf(t, "ListPersonas"), planOf(t, "CreateFile")
	for _, row := range []struct {
		name   string
		of     *Plan
		kind   Kind
		change func(*Plan)
		want   string
	}{
		{"events", create, Events, func(*Plan) {}, ""},
		{"a watch", get, Watch, func(*Plan) {}, ""},
		{"an upload", file, Upload, func(p *Plan) { p.input = get.input }, ""},
		{"events of another answer are no fault", create, Events, func(p *Plan) { p.output = get.output }, ""},
		{
			"another family", create, Events, func(p *Plan) { p.Family = "mave" },
			"option (mavera.options.v1.call): family, billed or capped is not that of CreateResponse",
		},
		{
			"not billed", create, Events, func(p *Plan) { p.Billed = false },
			"option (mavera.options.v1.call): family, billed or capped is not that of CreateResponse",
		},
		{
			"capped", create, Events, func(p *Plan) { p.Capped = true },
			"option (mavera.options.v1.call): family, billed or capped is not that of CreateResponse",
		},
		{"idempotent", create, Events, func(p *Plan) { p.Idempotency = Idempotent }, "is idempotent, and CreateResponse is non-idempotent"},
		{"no body", create, Events, func(p *Plan) { p.hasBody = false }, "body is not that of CreateResponse"},
		{"a watch of another answer", get, Watch, func(p *Plan) { p.output = create.output }, "returns Response, and GetPersona returns Persona"},
		{"an upload of another answer", file, Upload, func(p *Plan) { p.output = get.output }, "returns Persona, and CreateFile returns File"},
		{"a watch of a list", list, Watch, func(*Plan) {}, "GET /personas is of no single resource to watch"},
		{"another request", create, Events, func(p *Plan) { p.input = get.input }, "field id of GetPersonaRequest is not as in CreateResponseRequest"},
		{
			"a request that lacks a field", get, Watch, func(p *Plan) {
				p.input = &message{desc: services(t, "service S {} message Empty {}")[0].ParentFile().Messages().ByName("Empty")}
			}, "Empty lacks the field id of GetPersonaRequest",
		},
		{
			"a route of nobody", get, Watch, func(p *Plan) { p.Route, p.template.literals = "/x", []string{"/x"} },
			"streams, but no unary RPC has its route, GET /x",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			known := make(routes)
			if err := known.add(row.of); err != nil {
				t.Fatal(err)
			}
			p := *row.of
			p.RPC, p.Kind = "Stream", row.kind
			row.change(&p)
			got := ""
			if err := known.add(&p); err != nil {
				got = err.Error()
			}
			if got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
			if row.want == "" && p.Sibling != row.of {
				t.Errorf("the sibling is %v", p.Sibling)
			}
			if row.want != "" {
				return
			}
			again := p
			if err, want := known.add(&again), "has the route of "+p.Service+".Stream, "+p.HTTPMethod+" "+p.Route; err == nil || err.Error() != want {
				t.Errorf("the same once more: %v, want %s", err, want)
			}
		})
	}
}

// TestKinds reads the kind off the declaration.
func TestKinds(t *testing.T) {
	for _, row := range []struct {
		source, method string
		want           Kind
	}{
		{get("/a"), http.MethodGet, Unary},
		{stream("Q", "stream A", `get: "/a"`), http.MethodGet, Watch},
		{stream("Q", "stream A", `post: "/a"`), http.MethodPost, Events},
		{stream("stream Q", "A", `post: "/a"`), http.MethodPost, Upload},
	} {
		method := services(t, row.source+"message Q {} message A {}")[0].Methods().Get(0)
		if got, err := kindOf(method, row.method); got != row.want || err != nil {
			t.Errorf("%s: %s, %v; want %s", row.source, got, err, row.want)
		}
	}
}

// TestAskStream: the key is the gateway's to set, whatever the body.
func TestAskStream(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:              `{"stream":true}`,
		`{"a":{"b":"}"}}`: `{"a":{"b":"}"},"stream":true}`,
	} {
		if got := string(askStream([]byte(body))); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}
