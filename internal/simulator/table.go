package simulator

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// record is one stored resource.
type record struct {
	seq     uint64 // Grows with every insertion; cursors are made of it.
	id      string
	doc     object // The fields as they go over the wire, but for computed ones.
	created time.Time
	updated time.Time
	owner   string // The API key that made it, "" for seed data.
	job     *job   // nil for what is no job.
}

// table is one kind of resource, in the order of insertion.
type table struct {
	next  uint64
	order []*record
	byID  map[string]*record
	gone  map[string]uint64 // seq of deleted records, so that their cursors still work.
}

func newTable() *table {
	return &table{byID: map[string]*record{}, gone: map[string]uint64{}}
}

func (t *table) add(r *record) *record {
	t.next++
	r.seq = t.next
	t.order = append(t.order, r)
	t.byID[r.id] = r
	return r
}

func (t *table) remove(id string) {
	r := t.byID[id]
	delete(t.byID, id)
	t.gone[id] = r.seq
	t.order = slices.DeleteFunc(t.order, func(o *record) bool { return o == r })
}

// find returns the record of a path parameter or 404.
func (t *table) find(id string) (*record, error) {
	if r := t.byID[id]; r != nil {
		return r, nil
	}
	return nil, notFound("")
}

// newest returns the records that keep accepts, newest first.
func (t *table) newest(keep func(*record) bool) []*record {
	var out []*record
	for _, r := range slices.Backward(t.order) {
		if keep(r) {
			out = append(out, r)
		}
	}
	return out
}

// deleted is the receipt of a deletion (inferred).
func deleted(id, kind string) object {
	return object{"id": id, "object": kind, "deleted": true}
}

// with returns a copy of doc with the fields of more.
func with(doc, more object) object {
	out := make(object, len(doc)+len(more))
	maps.Copy(out, doc)
	maps.Copy(out, more)
	return out
}

// merge writes the named fields of body over those of doc, where body has them.
func merge(doc, body object, names ...string) {
	for _, name := range names {
		if v, ok := body[name]; ok {
			doc[name] = v
		}
	}
}

// text returns a string field, "" when it is absent or something else.
func text(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

// objects returns the objects of a list field, none when it is absent. What else a
// list may hold is for check to refuse.
func objects(o object, name string) []object {
	list, _ := o[name].([]any)
	out := make([]object, 0, len(list))
	for _, e := range list {
		if item, ok := e.(object); ok {
			out = append(out, item)
		}
	}
	return out
}

// iso and unix are the two date forms of the API (x-timestamp-form).
func iso(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func unix(t time.Time) any { return t.Unix() }

// latest is the later of two times.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// number reads a number of a document, whichever way it came in.
func number(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	case int:
		return float64(v)
	case json.Number:
		f, err := v.Float64()
		if err == nil {
			return f
		}
	}
	return 0
}
