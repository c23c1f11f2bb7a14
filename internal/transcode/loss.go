package transcode

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
	// "data.credits_charged".
	Field string
	// Kind says what about it.
	Kind LossKind
	// Count is how often it occurs in this answer.
	Count int
}
