package simulator

import (
	"encoding/json"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// kind is the JSON type of a request field.
type kind int

const (
	isText kind = iota
	isNumber
	isInteger
	isBoolean
	isList
	isObject
	isURL
	isEmail
	isTime
	isTextOrList
	isTextOrObject
)

// field is one rule for a request body. The zero bounds mean none.
type field struct {
	name     string
	kind     kind
	required bool
	min, max int     // Length of a text or list.
	low      float64 // Bounds of a number, used when low < high.
	high     float64
	enum     []string // Allowed words.
	of       []field  // Rules for an object, or for each object of a list.
}

// check applies rules to the body and returns the first breach: missing_field
// before invalid_field, in the order of the rules.
func (c *call) check(rules ...field) error {
	if e := check(c.body, "", rules); e != nil {
		return e
	}
	return nil
}

func check(o object, prefix string, rules []field) *apiError {
	for _, f := range rules {
		if f.required && o[f.name] == nil {
			return missing(prefix + f.name)
		}
	}
	for _, f := range rules {
		if v, ok := o[f.name]; ok {
			if e := f.check(prefix+f.name, v); e != nil {
				return e
			}
		}
	}
	return nil
}

func (f field) check(param string, v any) *apiError {
	bad := invalid(param, "The value of "+param+" is not allowed.")
	switch v := v.(type) {
	case string:
		if !f.text(v) {
			return bad
		}
	case json.Number:
		if !f.number(v) {
			return bad
		}
	case bool:
		if f.kind != isBoolean {
			return bad
		}
	case []any:
		return f.list(param, v, bad)
	case object:
		if f.kind != isObject && f.kind != isTextOrObject {
			return bad
		}
		return check(v, param+".", f.of)
	default: // null, where the contract allows none.
		return bad
	}
	return nil
}

func (f field) text(v string) bool {
	switch f.kind {
	case isText, isTextOrList, isTextOrObject:
	case isURL:
		if u, err := url.Parse(v); err != nil || !u.IsAbs() {
			return false
		}
	case isEmail:
		if _, err := mail.ParseAddress(v); err != nil {
			return false
		}
	case isTime:
		if _, err := time.Parse(time.RFC3339, v); err != nil {
			return false
		}
	default:
		return false
	}
	n := utf8.RuneCountInString(v)
	return n >= f.min && (f.max == 0 || n <= f.max) && (f.enum == nil || slices.Contains(f.enum, v)) &&
		(!f.required || f.kind != isText || strings.TrimSpace(v) != "")
}

func (f field) number(v json.Number) bool {
	if f.kind != isNumber && f.kind != isInteger {
		return false
	}
	x, err := v.Float64()
	if err != nil || f.kind == isInteger && x != float64(int64(x)) {
		return false
	}
	return f.low >= f.high || x >= f.low && x <= f.high
}

func (f field) list(param string, v []any, bad *apiError) *apiError {
	if f.kind != isList && f.kind != isTextOrList || len(v) < f.min || f.max > 0 && f.kind == isList && len(v) > f.max {
		return bad
	}
	if f.of == nil {
		return nil
	}
	for i, e := range v {
		at := param + "[" + strconv.Itoa(i) + "]"
		o, ok := e.(object)
		if !ok {
			return invalid(at, "The value of "+at+" must be an object.")
		}
		if refusal := check(o, at+".", f.of); refusal != nil {
			return refusal
		}
	}
	return nil
}

// integerOr reads a whole number of the body.
func integerOr(o object, name string, standard int) int {
	n, ok := o[name].(json.Number)
	if !ok {
		return standard
	}
	x, err := n.Float64()
	if err != nil {
		return standard
	}
	return int(x)
}

func boolean(o object, name string) bool {
	b, _ := o[name].(bool)
	return b
}

// integral reads a whole number that may be large, such as a size in bytes.
func integral(o object, name string) int64 {
	n, ok := o[name].(json.Number)
	if !ok {
		return 0
	}
	i, err := n.Int64()
	if err != nil {
		return 0
	}
	return i
}
