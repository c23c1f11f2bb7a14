package main

import (
	"strings"
	"testing"
)

func TestSpreadLists(t *testing.T) {
	for _, row := range []struct{ name, in, want string }{
		{"one", `x = 1 [(p) = { cel: [ { id: "a" } ] }];`, `x = 1 [(p) = { cel: { id: "a" } }];`},
		{"two", "{ cel: [\n { id: \"a\" },\n { id: \"b\", n: 1 }\n ], k: 2 }", `{ cel: { id: "a" } cel: { id: "b", n: 1 } , k: 2 }`},
		{"a list in a list", `{ a: [ { b: [ { c: 1 }, { c: 2 } ] } ] }`, `{ a: { b: { c: 1 } b: { c: 2 } } }`},
		{"of scalars", `{ a: [ 1, 2 ], s: [ "x" ] }`, `{ a: [ 1, 2 ], s: [ "x" ] }`},
		{"brackets and quotes in a text", `{ a: [ { e: "x[0] \" }, {" } ] }`, `{ a: { e: "x[0] \" }, {" } }`},
		{"a comment", "// it's [ a: [ {\n{ a: [ { b: 1 } ] }", "// it's [ a: [ { { a: { b: 1 } }"},
	} {
		if got := strings.Join(strings.Fields(spreadLists(row.in)), " "); got != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
}
