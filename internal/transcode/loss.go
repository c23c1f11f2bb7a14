package transcode

import (
	"slices"
	"strings"
)

// A LossKind says in which way an answer went beyond the proto.
type LossKind string

// The kinds of losses. Only the last two change anything; the value of the
// others is in additional_fields.
const (
	UnknownField  LossKind = "unknown_field"  // a key without a field
	WrongType     LossKind = "wrong_type"     // a value of another type than the field's
	UnknownEnum   LossKind = "unknown_enum"   // a word without an enum value
	InexactNumber LossKind = "inexact_number" // a free-form number beyond a double's precision or range
	InvalidText   LossKind = "invalid_text"   // text that is not valid Unicode
)

// A Loss is something in an answer that the proto does not model.
type Loss struct {
	// Field is the path of the JSON keys, without positions in lists, for instance
	// "data.credits_charged". Long ones are cut, and where an answer has very many
	// losses the rest is counted under "*".
	Field string
	// Kind says what about it.
	Kind LossKind
	// Count is how often it occurs in this answer.
	Count int
}

// maxLosses bounds how many losses of one answer are told apart, and
// maxLossField how many bytes of a path are shown: both end up as labels of
// metrics. Further ones are counted under the field "*".
const (
	maxLosses    = 64
	maxLossField = 128
)

// lose reports a loss at a key of the current object; an empty key means the
// current value itself.
func (d *decoder) lose(kind LossKind, key string) {
	if d.err != nil {
		return
	}
	path := strings.Join(d.path, ".")
	switch {
	case path == "":
		path = key
	case key != "":
		path += "." + key
	}
	if len(path) > maxLossField {
		path = strings.ToValidUTF8(path[:maxLossField], "") + "..."
	}
	i := d.loss(path, kind)
	if i < 0 && len(d.losses) >= maxLosses {
		path = "*"
		i = d.loss(path, kind)
	}
	if i < 0 {
		i = len(d.losses)
		d.losses = append(d.losses, Loss{Field: path, Kind: kind})
	}
	d.losses[i].Count++
	d.lost = append(d.lost, uint8(i))
}

func (d *decoder) loss(path string, kind LossKind) int {
	return slices.IndexFunc(d.losses, func(l Loss) bool { return l.Field == path && l.Kind == kind })
}

// unlose takes back all but the first n losses: what they were about is read in
// another way.
func (d *decoder) unlose(n int) {
	for _, i := range d.lost[n:] {
		d.losses[i].Count--
	}
	d.lost = d.lost[:n]
	for len(d.losses) > 0 && d.losses[len(d.losses)-1].Count == 0 {
		d.losses = d.losses[:len(d.losses)-1]
	}
}
