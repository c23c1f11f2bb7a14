package transcode

import "strings"

// masked writes the body of a partial update with an update_mask (AIP-134):
// exactly the fields that it names, set ones with their value, unset ones as
// null, unset lists and maps as empty. A path may lead into a message, then only
// that part of it is sent. additional_fields are sent when the mask names them.
func (e *encoder) masked(p *Plan, w wire, paths []string) {
	var tree maskTree
	for _, path := range paths {
		if !tree.add(p, path) {
			e.violate(p.updateMask.name, "%q is no field that can be changed", path)
		}
	}
	o := e.open(p.input, p.reserved...)
	o.masked(p.bodyFields, w, &tree)
	e.out = append(e.out, '}')
}

// A maskTree is an update_mask by path segment. A node without children stands
// for the whole field.
type maskTree struct {
	children map[string]*maskTree
	whole    bool
}

// add puts a path into the tree, all of it or nothing.
func (t *maskTree) add(p *Plan, path string) bool {
	if !p.canChange(path) {
		return false
	}
	for segment := range strings.SplitSeq(path, ".") {
		if t.children == nil {
			t.children = make(map[string]*maskTree)
		}
		if t.children[segment] == nil {
			t.children[segment] = &maskTree{}
		}
		t = t.children[segment]
	}
	t.whole = true
	return true
}

// canChange reports whether a path leads to a field of the body.
func (p *Plan) canChange(path string) bool {
	fields, extra := p.bodyFields, p.input.extra
	for segment := range strings.SplitSeq(path, ".") {
		var f *field
		for _, candidate := range fields {
			if candidate.name == segment {
				f = candidate
			}
		}
		isExtra := extra != nil && segment == additionalName
		if f == nil && !isExtra {
			return false
		}
		fields, extra = nil, nil
		if !isExtra && !f.list && !f.mapped && f.msg != nil && f.msg.shape == shapeObject {
			fields, extra = f.msg.fields, f.msg.extra
		}
	}
	return true
}

// masked writes the named ones of the fields, and additional_fields if named.
func (o *object) masked(fields []*field, w wire, tree *maskTree) {
	runs := make([]wire, len(o.m.fields)) // where each field that is set begins
	for len(w) > 0 {
		tag, rest := w.varint()
		end := rest.skip(tag)
		switch f := o.m.numbered(tag); {
		case f == nil || f.unspecified(rest):
		case f == o.m.extra:
			if tree.children[additionalName] != nil {
				o.extra, _ = rest.bytes()
			}
		case runs[f.index] == nil:
			o.set.add(f)
			runs[f.index] = w
		}
		w = end
	}
	for _, f := range fields {
		sub, run := tree.children[f.name], runs[f.index]
		switch {
		case sub == nil, run == nil && (o.has(f) || o.merges(f)):
		case run != nil && sub.whole:
			o.label(f.label)
			o.e.value(f, run)
		case run == nil && (f.list || f.mapped || sub.whole):
			o.label(f.label)
			o.e.out = append(o.e.out, f.empty()...)
		default:
			o.label(f.label)
			o.e.enter(f.name, fieldStep)
			inner := o.e.open(f.msg)
			inner.masked(f.msg.fields, run.message(), sub)
			o.e.out = append(o.e.out, '}')
			o.e.leave()
		}
	}
	o.merge()
}

// empty is what clears the field.
func (f *field) empty() string {
	switch {
	case f.list:
		return "[]"
	case f.mapped:
		return "{}"
	}
	return "null"
}
