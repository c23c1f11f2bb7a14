package contract_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/mavera-gateway/mavera-gateway/internal/contract"
)

// node is an object of openapi.yaml.
type node = map[string]any

// spec is openapi.yaml, read for what the protos must mirror.
type spec struct {
	root node
}

// operation is one method of one path.
type operation struct {
	id         string
	method     string // "GET"
	path       string // "/files/{id}"
	parameters []node
	body       node // schema of the JSON body; nil without one
	answer     node // schema of the JSON answer of the 2xx status
	events     []node
	gateway    node // x-gateway
	inferred   bool
}

// property is one property of an object, its allOf parts flattened.
type property struct {
	key    string
	schema node
	// owner names the schema that declares the property, for messages.
	owner string
	// inferred says that the property is not documented, itself or by anything
	// that it stands in.
	inferred bool
	// required says that the property is documented to be required.
	required bool
}

func loadSpec(t *testing.T) *spec {
	t.Helper()
	s := &spec{}
	if err := yaml.Unmarshal(contract.OpenAPI, &s.root); err != nil {
		t.Fatalf("parse openapi.yaml: %v", err)
	}
	return s
}

// operations returns all operations, sorted by id.
func (s *spec) operations() []operation {
	var ops []operation
	for path, item := range s.root["paths"].(node) {
		item := item.(node)
		for method, op := range item {
			if method == "parameters" {
				continue
			}
			op := op.(node)
			o := operation{
				id:         op["operationId"].(string),
				method:     strings.ToUpper(method),
				path:       path,
				parameters: append(s.objects(item["parameters"]), s.objects(op["parameters"])...),
				gateway:    op["x-gateway"].(node),
				inferred:   inferred(op),
			}
			if stream, ok := op["x-sse-events"].(node); ok {
				o.events = s.objects(stream["events"])
			}
			if body, ok := op["requestBody"].(node); ok {
				o.body = jsonSchema(body)
			}
			for status, answer := range op["responses"].(node) {
				if strings.HasPrefix(status, "2") {
					o.answer = jsonSchema(answer.(node))
				}
			}
			ops = append(ops, o)
		}
	}
	slices.SortFunc(ops, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	return ops
}

func jsonSchema(holder node) node {
	return holder["content"].(node)["application/json"].(node)["schema"].(node)
}

// inferred says whether n itself is marked as inferred.
func inferred(n node) bool { return n["x-source"] == "inferred" }

// objects returns the objects of a list, references followed.
func (s *spec) objects(list any) []node {
	items, _ := list.([]any)
	out := make([]node, 0, len(items))
	for _, item := range items {
		out = append(out, s.resolve(item.(node)))
	}
	return out
}

// resolve follows the reference of n. Keys beside the reference win over those
// of its target, and x-name tells the name of the schema that was reached.
func (s *spec) resolve(n node) node {
	ref, ok := n["$ref"].(string)
	if !ok {
		return n
	}
	target := any(s.root)
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		target = target.(node)[part]
	}
	out := maps.Clone(s.resolve(target.(node)))
	if _, named := out["x-name"]; !named {
		out["x-name"] = ref[strings.LastIndexByte(ref, '/')+1:]
	}
	for key, value := range n {
		if key != "$ref" {
			out[key] = value
		}
	}
	return out
}

// properties returns the properties of the object n, sorted by key. The last of
// several allOf parts that declare a property wins.
func (s *spec) properties(n node, owner string, isInferred bool) []property {
	n = s.resolve(n)
	if name, ok := n["x-name"].(string); ok {
		owner = name
	}
	isInferred = isInferred || inferred(n)
	byKey := map[string]property{}
	for _, part := range s.objects(n["allOf"]) {
		for _, p := range s.properties(part, owner, isInferred) {
			byKey[p.key] = p
		}
	}
	required, _ := n["required"].([]any)
	own, _ := n["properties"].(node)
	for key, value := range own {
		raw := value.(node)
		p := property{key: key, schema: s.resolve(raw), owner: owner}
		// A page of its own lifts a property out of an inferred object. A schema
		// that it refers to has a page too, so only its own keys count.
		p.inferred = inferred(p.schema) || (isInferred && raw["x-page"] == nil)
		p.required = slices.Contains(required, any(key)) &&
			!p.inferred && n["x-required-source"] != "inferred"
		byKey[key] = p
	}
	return slices.SortedFunc(maps.Values(byKey), func(a, b property) int {
		return strings.Compare(a.key, b.key)
	})
}

// forms returns the shapes a value of n can have: the members of its oneOf, or
// n itself, null left out. A list of types is a list of shapes, and a point in
// time is one shape whatever its form.
func (s *spec) forms(n node) []node {
	n = s.resolve(n)
	if isTimestamp(n) {
		return []node{n}
	}
	var out []node
	if members := s.objects(n["oneOf"]); len(members) > 0 {
		for _, member := range members {
			if inferred(n) {
				member = maps.Clone(member)
				member["x-source"] = "inferred"
			}
			out = append(out, s.forms(member)...)
		}
		return out
	}
	types, ok := n["type"].([]any)
	if !ok {
		if n["type"] == "null" {
			return nil
		}
		return []node{n}
	}
	for _, typ := range types {
		if typ != "null" {
			form := maps.Clone(n)
			form["type"] = typ
			out = append(out, form)
		}
	}
	return out
}

// nullable says whether null is a value of n.
func nullable(n node) bool {
	types, _ := n["type"].([]any)
	return slices.Contains(types, any("null"))
}

// isTimestamp says whether n is a point in time.
func isTimestamp(n node) bool {
	return n["x-name"] == "Timestamp" || n["format"] == "date-time"
}

// isObject says whether n is an object with known properties.
func isObject(n node) bool { return n["properties"] != nil || n["allOf"] != nil }
