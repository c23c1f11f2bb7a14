package simulator

import (
	"hash/fnv"
	"slices"
	"strings"
)

// says is the answer of a persona: a function of who answers and what was asked.
func says(persona, asked string) string {
	asked = strings.Join(strings.Fields(asked), " ")
	if r := []rune(asked); len(r) > 160 {
		asked = string(r[:160]) + "..."
	}
	if asked == "" {
		asked = "nothing"
	}
	return "Speaking as " + persona + ", this is my answer to: " + asked
}

// pick is a number from 0 to n-1 that depends on the parts alone.
func pick(n int, parts ...string) int {
	h := fnv.New32a()
	for _, p := range parts {
		_, _ = h.Write([]byte(p)) // A hash takes everything.
		_, _ = h.Write([]byte{0})
	}
	return int(h.Sum32() % uint32(n))
}

// analysis is the block of analysis_mode, with the documented keys.
func analysis(asked string) object {
	return object{
		"confidence": 1 + pick(10, asked, "confidence"),
		"emotion": object{
			"emotional_valence":   1 + pick(10, asked, "valence"),
			"emotional_arousal":   1 + pick(10, asked, "arousal"),
			"emotional_dominance": 1 + pick(10, asked, "dominance"),
		},
		"biases":       []object{{"name": "Status quo bias"}, {"name": "Loss aversion"}},
		"key_insights": []string{"The answer depends on the price", "Proof matters more than promise"},
	}
}

// maxDepth bounds sample on schemas that nest without end.
const maxDepth = 12

// sample makes a value that matches the common keywords of a JSON Schema: type,
// enum, const, properties, items, minItems, minimum, maximum, minLength, anyOf, oneOf.
func sample(schema any, name string, depth int) any {
	s, ok := schema.(object)
	if !ok || depth > maxDepth {
		return nil
	}
	if v, ok := s["const"]; ok {
		return v
	}
	if words, ok := s["enum"].([]any); ok && len(words) > 0 {
		return words[pick(len(words), name)]
	}
	for _, union := range []string{"anyOf", "oneOf", "allOf"} {
		if list, ok := s[union].([]any); ok && len(list) > 0 {
			return sample(list[0], name, depth+1)
		}
	}
	switch typeOf(s) {
	case "object":
		out := object{}
		properties, _ := s["properties"].(object)
		for key, of := range properties {
			out[key] = sample(of, key, depth+1)
		}
		return out
	case "array":
		out := []any{}
		for range max(integerOr(s, "minItems", 1), 1) {
			out = append(out, sample(s["items"], name, depth+1))
		}
		return out
	case "integer", "number":
		low := integerOr(s, "minimum", 0)
		high := integerOr(s, "maximum", low+9)
		return low + pick(max(high-low, 0)+1, name)
	case "boolean":
		return true
	case "null":
		return nil
	default:
		word := "sample " + strings.ReplaceAll(name, "_", " ")
		return word + strings.Repeat(".", max(integerOr(s, "minLength", 0)-len(word), 0))
	}
}

// typeOf is the type of a schema, the first one but null of several.
func typeOf(s object) string {
	switch t := s["type"].(type) {
	case string:
		return t
	case []any:
		i := slices.IndexFunc(t, func(v any) bool { return v != "null" })
		if i >= 0 {
			word, _ := t[i].(string)
			return word
		}
	}
	if s["properties"] != nil {
		return "object"
	}
	return "string"
}
