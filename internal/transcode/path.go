package transcode

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A template is a path of google.api.http. Only the forms that Mavera's routes
// need are taken: literals and variables of one segment.
//
//	Template = Segment { Segment } ;
//	Segment  = "/" ( LITERAL | "{" FIELD "}" ) ;
//
// (google/api/http.proto has more: wildcards, sub-templates, verbs.)
type template struct {
	literals  []string // literals[i] stands in front of variables[i]; the last one ends the path
	variables []string
}

func parseTemplate(s string) (template, error) {
	var t template
	if !strings.HasPrefix(s, "/") {
		return t, fmt.Errorf("path %q does not start with '/'", s)
	}
	literal := ""
	for segment := range strings.SplitSeq(s[1:], "/") {
		name, isVariable := strings.CutPrefix(segment, "{")
		if !isVariable {
			if segment == "" || strings.Trim(segment, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
				return t, fmt.Errorf("path %q: segment %q is no literal", s, segment)
			}
			literal += "/" + segment
			continue
		}
		name, closed := strings.CutSuffix(name, "}")
		if !closed || name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return t, fmt.Errorf("path %q: segment %q is no variable of one segment", s, segment)
		}
		t.literals = append(t.literals, literal+"/")
		t.variables = append(t.variables, name)
		literal = ""
	}
	t.literals = append(t.literals, literal)
	return t, nil
}

// route is the path without the names of its variables: two RPCs with the same
// one could not be told apart.
func (t template) route() string { return strings.Join(t.literals, "{}") }

// collection names what the last variable picks from: "workspaces/members" for
// /workspaces/{id}/members/{user_id}. Without a variable it is empty.
func (t template) collection() string {
	parts := make([]string, len(t.variables))
	for i := range t.variables {
		parts[i] = strings.Trim(t.literals[i], "/")
	}
	return strings.Join(parts, "/")
}

// expand fills in the variables, which checkID has let through.
func (t template) expand(values []string) string {
	if len(values) == 0 {
		return t.literals[0]
	}
	var b strings.Builder
	for i, v := range values {
		b.WriteString(t.literals[i])
		b.WriteString(url.PathEscape(v))
	}
	b.WriteString(t.literals[len(values)])
	return b.String()
}

var (
	errIDEmpty   = errors.New("must not be empty")
	errIDSlash   = errors.New("must not hold a slash, a backslash or their escaped forms")
	errIDDots    = errors.New(`must not be "." or ".."`)
	errIDControl = errors.New("must not hold control characters")
	errIDText    = errors.New("must be valid UTF-8 when unescaped")
)

// checkID refuses ids that could make the path lead elsewhere. Escaping is not
// enough: proxies and servers are known to unescape a path, once or twice, before
// they normalise and route it (RFC 3986 section 6.2.2 permits the former), and
// then "a%2F..%2Fusage" is another route. So the id is looked at as it is after
// all unescaping: a slash, a control character or a dot that shows up on the way
// stays to the end. Some servers also cut path parameters off first, and for
// them "..;x" is "..". What is let through is escaped.
func checkID(id string) error {
	plain := unescapeAll(id)
	segment, _, _ := strings.Cut(plain, ";")
	switch {
	case id == "":
		return errIDEmpty
	case strings.ContainsAny(plain, `/\`):
		return errIDSlash
	case segment == "." || segment == "..":
		return errIDDots
	case !utf8.ValidString(plain):
		return errIDText
	case strings.ContainsFunc(plain, unicode.IsControl):
		return errIDControl
	}
	return nil
}

// unescapeAll replaces every valid %XX of s, also those that only replacing
// others makes, until none is left.
func unescapeAll(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		out = append(out, s[i])
		for {
			n := len(out) - 3
			if n < 0 || out[n] != '%' {
				break
			}
			c, err := strconv.ParseUint(string(out[n+1:]), 16, 8)
			if err != nil {
				break
			}
			out = append(out[:n], byte(c))
		}
	}
	return string(out)
}
