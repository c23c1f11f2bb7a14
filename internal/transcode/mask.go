package transcode

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// masked writes the body of a partial update with an update_mask (AIP-134):
// exactly the fields that it names, set ones with their value, unset ones as
// null, unset lists and maps as empty. A path may lead into a message, then only
// that part of it is sent.
func (e *encoder) masked(p *Plan, msg protoreflect.Message, paths []string, reserved []string) {
	var tree maskTree
	for _, path := range paths {
		if !tree.add(p, path) {
			e.violate(string(p.updateMask.desc.Name()), "%q is no field that can be changed", path)
		}
	}
	o := e.begin(p.input, msg, reserved...)
	o.masked(p.bodyFields, &tree)
	if tree.children[string(additionalName)] != nil {
		o.merge()
	}
	o.end()
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
			if string(candidate.desc.Name()) == segment {
				f = candidate
			}
		}
		isExtra := extra != nil && segment == string(additionalName)
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

func (o *object) masked(fields []*field, tree *maskTree) {
	for _, f := range fields {
		sub := tree.children[string(f.desc.Name())]
		if sub == nil {
			continue
		}
		o.label(f.label)
		switch {
		case !o.msg.Has(f.desc) && f.list:
			o.e.out = append(o.e.out, "[]"...)
		case !o.msg.Has(f.desc) && f.mapped:
			o.e.out = append(o.e.out, "{}"...)
		case !o.msg.Has(f.desc) && sub.whole:
			o.e.out = append(o.e.out, "null"...)
		case sub.whole:
			o.e.within("."+string(f.desc.Name()), func() { o.e.value(f, o.msg.Get(f.desc)) })
		default:
			o.e.within("."+string(f.desc.Name()), func() {
				inner := o.e.begin(f.msg, o.msg.Get(f.desc).Message())
				inner.masked(f.msg.fields, sub)
				if sub.children[string(additionalName)] != nil {
					inner.merge()
				}
				inner.end()
			})
		}
	}
}
