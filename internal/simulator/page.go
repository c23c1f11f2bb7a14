package simulator

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
)

// render turns a record into the object the API shows.
type render func(*record) object

// limit reads the page size.
func (c *call) limit(standard int) (int, error) {
	return c.integer("limit", standard, 1, 100)
}

// integer reads a whole number from the query.
func (c *call) integer(name string, standard, low, high int) (int, error) {
	value := c.request.URL.Query().Get(name)
	if value == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < low || n > high {
		return 0, invalid(name, "The value of "+name+" is not allowed.")
	}
	return n, nil
}

// boolean reads a flag from the query.
func (c *call) boolean(name string, standard bool) (bool, error) {
	switch c.request.URL.Query().Get(name) {
	case "":
		return standard, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, invalid(name, "The value of "+name+" must be true or false.")
	}
}

// query reads a text from the query.
func (c *call) query(name string) string { return c.request.URL.Query().Get(name) }

// oneOf reads a text that must be one of the given words, any case.
func (c *call) oneOf(name string, words ...string) (string, error) {
	value := c.query(name)
	if value == "" {
		return "", nil
	}
	for _, w := range words {
		if strings.EqualFold(w, value) {
			return w, nil
		}
	}
	return "", invalid(name, "The value of "+name+" is not allowed.")
}

// cursorPage is a page of the cursor envelope. ids says that the cursor is the
// id of the last row, as on files and folders; elsewhere it is opaque.
func (c *call) cursorPage(t *table, ids bool, keep func(*record) bool, show render) (object, error) {
	limit, err := c.limit(50)
	if err != nil {
		return nil, err
	}
	before := uint64(math.MaxUint64)
	if cursor := c.query("cursor"); cursor != "" {
		if before, err = t.position(cursor, ids); err != nil {
			return nil, err
		}
	}
	rows := t.newest(func(r *record) bool { return r.seq < before && keep(r) })
	more := len(rows) > limit
	var next any
	if more {
		rows = rows[:limit]
		last := rows[limit-1]
		next = last.id
		if !ids {
			next = base64.RawURLEncoding.EncodeToString([]byte("seq:" + strconv.FormatUint(last.seq, 10)))
		}
	}
	return object{"object": "list", "data": shown(rows, show), "has_more": more, "next_cursor": next}, nil
}

// position is the seq of the row that a cursor names.
func (t *table) position(cursor string, ids bool) (uint64, error) {
	bad := invalid("cursor", "The cursor is not valid.")
	if ids {
		if r := t.byID[cursor]; r != nil {
			return r.seq, nil
		}
		if seq, ok := t.gone[cursor]; ok {
			return seq, nil
		}
		return 0, bad
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, bad
	}
	digits, ok := strings.CutPrefix(string(text), "seq:")
	if !ok {
		return 0, bad
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, bad
	}
	return seq, nil
}

// offsetPage is a page of the counted envelope, or of the older offset envelope
// when echo is set.
func (c *call) offsetPage(t *table, echo bool, keep func(*record) bool, show render) (object, error) {
	limit, err := c.limit(20)
	if err != nil {
		return nil, err
	}
	offset, err := c.integer("offset", 0, 0, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	rows := t.newest(keep)
	total := len(rows)
	rows = rows[min(offset, total):]
	more := len(rows) > limit
	rows = rows[:min(limit, len(rows))]
	page := object{"object": "list", "data": shown(rows, show), "has_more": more, "total": total}
	if echo {
		page["limit"], page["offset"] = limit, offset
	}
	return page, nil
}

// eitherPage is a page of the envelope that the settings name, for the lists
// whose documentation has changed.
func (c *call) eitherPage(t *table, keep func(*record) bool, show render) (object, error) {
	if c.s.settings.Envelope == OffsetEnvelope {
		return c.offsetPage(t, true, keep, show)
	}
	return c.cursorPage(t, false, keep, show)
}

// bare is a list without paging.
func bare(rows []*record, show render) object {
	return object{"object": "list", "data": shown(rows, show)}
}

func shown(rows []*record, show render) []object {
	out := make([]object, 0, len(rows))
	for _, r := range rows {
		out = append(out, show(r))
	}
	return out
}

// matches is the text filter of the lists: part of the value, any case.
func matches(value, search string) bool {
	return strings.Contains(strings.ToLower(value), strings.ToLower(search))
}

// only reports whether a record belongs to a workspace; "" is any.
func only(r *record, workspace string) bool {
	return workspace == "" || text(r.doc, "workspace_id") == workspace
}

// number reads a number from the query.
func (c *call) number(name string, standard float64) (float64, error) {
	value := c.query(name)
	if value == "" {
		return standard, nil
	}
	x, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(x) {
		return 0, invalid(name, "The value of "+name+" is not a number.")
	}
	return x, nil
}
