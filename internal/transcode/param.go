package transcode

import (
	"slices"
	"strconv"
	"strings"
)

// FieldPath says which proto field of the request the upstream means by the param
// of an error: "limit" is page_size, "threadId" is thread_id, "input[0].role" is
// "input.items.items[0].message.role". What the plan does not know is left as it
// came.
func (p *Plan) FieldPath(param string) string {
	segments := splitParam(param)
	if len(segments) == 0 {
		return param
	}
	if p.paging != nil {
		switch segments[0] {
		case "limit", "size":
			return p.pageSize.name
		case "cursor", "offset":
			return p.pageToken.name
		}
	}
	path, ok := fieldPath(p.input, segments)
	if !ok {
		return param
	}
	return strings.TrimPrefix(path, ".")
}

// splitParam cuts "a.b[2].c" and "a.b.2.c" into their steps.
func splitParam(param string) []string {
	return strings.FieldsFunc(param, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

func fieldPath(m *message, segments []string) (string, bool) {
	if len(segments) == 0 {
		return "", true
	}
	switch m.shape {
	case shapeStruct, shapeValue:
		return "." + strings.Join(segments, "."), true
	case shapeTime:
		return "", false
	case shapeList:
		return m.item.path(segments) // the path of a list is that of its field
	case shapeUnion:
		if isIndex(segments[0]) && m.list != nil {
			path, ok := fieldPath(m.list.msg, segments)
			return "." + m.list.name + path, ok
		}
		for _, f := range m.objects {
			if path, ok := fieldPath(f.msg, segments); ok {
				return "." + f.name + path, true
			}
		}
		return "", false
	case shapeObject, shapePage, shapeEvent:
	}
	f := m.byKey[segments[0]]
	if f == nil { // the contract writes {threadId}, the proto thread_id
		i := slices.IndexFunc(m.fields, func(f *field) bool { return f.name == segments[0] || f.desc.JSONName() == segments[0] })
		if i >= 0 {
			f = m.fields[i]
		}
	}
	if f == nil {
		return "", false
	}
	return f.path(segments[1:])
}

// path goes on below the field.
func (f *field) path(segments []string) (string, bool) {
	path := "." + f.name
	if f.list && len(segments) > 0 {
		if !isIndex(segments[0]) {
			return "", false
		}
		path += "[" + segments[0] + "]"
		segments = segments[1:]
	}
	if len(segments) == 0 {
		return path, true
	}
	if f.msg == nil {
		return "", false
	}
	rest, ok := fieldPath(f.msg, segments)
	return path + rest, ok
}

func isIndex(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}
