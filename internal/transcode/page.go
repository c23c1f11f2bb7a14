package transcode

import (
	"bytes"
	"errors"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	optionsv1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/options/v1"
)

// pageFields are the fields of a page that the gateway fills by itself.
type pageFields struct {
	token *field // next_page_token
	total *field // total_size
}

func (m *message) compilePage() error {
	m.item, m.page.token, m.page.total = m.named("data"), m.named("next_page_token"), m.named("total_size")
	if m.item == nil || !m.item.list || m.item.msg == nil || m.page.total == nil || m.extra == nil {
		return errors.New("a page has the fields data, next_page_token, total_size and additional_fields")
	}
	delete(m.byKey, m.page.token.key)
	delete(m.byKey, m.page.total.key)
	return nil
}

// paging is how the list of an RPC is asked for.
type paging struct {
	envelope optionsv1.Paging_Envelope
	maxSize  int32
	size     string // query parameter of the page size, empty for none
	field    string // field of the answer that holds the page, empty for the answer
}

func compilePaging(opts *optionsv1.Paging) *paging {
	p := &paging{
		envelope: opts.GetEnvelope(),
		maxSize:  opts.GetMaxPageSize(),
		size:     opts.GetSizeParameter(),
		field:    opts.GetField(),
	}
	if p.size == "" && p.envelope != optionsv1.Paging_ENVELOPE_BARE {
		p.size = "limit"
	}
	return p
}

// bare says that the upstream does not page, so that the gateway cuts the pages.
func (p *paging) bare() bool { return p.envelope == optionsv1.Paging_ENVELOPE_BARE }

// pageRequest is how one page was asked for.
type pageRequest struct {
	*paging
	rows int64 // most rows of the page, 0 for the upstream's default
	list filteredList
	at   position
}

// A filteredList is what a page token is bound to: all of the request but the page.
type filteredList struct {
	procedure, path string
	filters         []byte // of the query
}

// bind stands for the list in a token.
func (l filteredList) bind() uint64 {
	return hashOf(l.procedure + " " + l.path + "?" + string(l.filters))
}

// ask reads page_size and page_token and appends the upstream's parameters.
func (p *paging) ask(q []byte, size int32, token string, of filteredList) ([]byte, *pageRequest, error) {
	if p.maxSize > 0 {
		size = min(size, p.maxSize)
	}
	r := &pageRequest{paging: p, list: of, rows: int64(size)}
	if token != "" {
		var err error
		if r.at, err = parseToken(token, of.bind()); err != nil {
			return nil, nil, err
		}
	}
	if limit := r.limit(); limit > 0 && p.size != "" {
		q = appendParam(q, p.size, strconv.FormatInt(limit, 10))
	}
	switch {
	case r.at.cursor != "":
		q = appendParam(q, "cursor", r.at.cursor)
	case r.at.offset > 0 && !p.bare():
		q = appendParam(q, "offset", strconv.FormatInt(r.at.offset, 10))
	}
	return q, r, nil
}

// limit is how many rows the upstream is asked for. A bare list always starts at
// its first row, so it must reach to the end of the page, and one row further to
// show whether there is another page.
func (r *pageRequest) limit() int64 {
	switch {
	case !r.bare() || r.rows == 0 && r.at.offset == 0:
		return r.rows
	case r.rows == 0:
		return int64(r.maxSize)
	case r.maxSize > 0:
		return min(r.at.offset+r.rows+1, int64(r.maxSize))
	}
	return r.at.offset + r.rows + 1
}

// An envelope is what a list says about itself, in whichever of Mavera's four
// forms: with a cursor, with an offset, with a count, or bare.
type envelope struct {
	rows    int64
	hasMore bool
	ended   bool // has_more is false, or next_cursor says so
	cursor  string
	total   int64 // -1 when not said
	offset  int64 // -1 when not said
}

// envelope reads a list. Which way the next page is asked for depends on what
// the answer has, not on what the contract says, since older copies of some
// lists answer with offsets.
func (d *decoder) envelope(m *message) LossKind {
	e := envelope{total: -1, offset: -1}
	mine := len(d.extras)
	var seen set
	for ok := d.open('}'); ok; ok = d.more('}') {
		key := d.key()
		f := d.lookup(m, key)
		switch {
		case f == nil && d.control(&e, key):
		case f == nil:
			d.keep(key, UnknownField)
		case f == m.item && !seen.has(f) && d.peek() == '[':
			seen.add(f)
			d.rows(f, key, &e)
		default:
			d.member(f, key, &seen)
		}
	}
	d.total(m, &e)
	d.next(m, &e)
	return d.writeExtras(m, mine)
}

// control reads a key of the envelope itself. What has another value than it
// should is not read.
func (d *decoder) control(e *envelope, key text) bool {
	c, pos := d.peek(), d.pos
	number := '0' <= c && c <= '9'
	d.scratch, _ = key.appendTo(d.scratch[:0])
	switch string(d.scratch) {
	case "object":
		return d.take(`"list"`)
	case "has_more":
		e.hasMore = c == 't'
		e.ended = e.ended || c == 'f'
		return d.take("true") || d.take("false") || d.take("null")
	case "next_cursor":
		switch {
		case c == '"':
			d.scratch, _ = d.str().appendTo(d.scratch[:0])
			e.cursor = string(d.scratch)
		case number:
			digits, _ := d.number()
			e.cursor = string(digits)
		case !d.take("null"):
			return false
		}
		e.ended = e.ended || e.cursor == ""
		return true
	case "total":
		return d.take("null") || number && d.count(&e.total, pos)
	case "offset":
		return d.take("null") || number && d.count(&e.offset, pos)
	case "limit":
		var limit int64
		return d.take("null") || number && d.count(&limit, pos)
	}
	return false
}

// take passes over the given text, if it comes next.
func (d *decoder) take(word string) bool {
	if !bytes.HasPrefix(d.in[d.pos:], []byte(word)) {
		return false
	}
	d.pos += len(word)
	return true
}

// count reads a number of rows; one that is none is left at pos.
func (d *decoder) count(n *int64, pos int) bool {
	v, ok := parseInt(d.number())
	if ok {
		*n = v
	} else if d.err == nil {
		d.pos = pos
	}
	return ok
}

// rows reads the rows; of a bare list only those of the page. Where one does not
// fit, the list is kept as it came.
func (d *decoder) rows(f *field, key text, e *envelope) {
	first, last := int64(0), int64(math.MaxInt64)
	if d.page != nil && d.page.bare() {
		if first = d.page.at.offset; d.page.rows > 0 {
			last = first + d.page.rows
		}
	}
	before := d.mark()
	d.path = append(d.path, f.key)
	var loss LossKind
	for ok := d.open(']'); ok; ok = d.more(']') {
		d.peek()
		row := d.mark()
		if e.rows < first || e.rows >= last || loss != "" {
			d.skip()
		} else if loss = d.single(f); loss != "" {
			d.reset(row)
			d.skip()
		}
		e.rows++
	}
	d.path = d.path[:before.path]
	if loss != "" {
		d.reset(before)
		d.keep(key, loss)
	}
}

func (d *decoder) total(m *message, e *envelope) {
	total := e.total
	if p := d.page; total < 0 && p != nil && p.bare() && p.size == "" && p.at.cursor == "" && e.cursor == "" && !e.hasMore {
		total = e.rows
	}
	if total < 0 || total > math.MaxInt32 {
		return
	}
	d.out = append(d.out, m.page.total.tag...)
	d.out = protowire.AppendVarint(d.out, uint64(total))
}

// next writes the token of the page that follows, if one does.
func (d *decoder) next(m *message, e *envelope) {
	if d.page == nil || d.err != nil {
		return
	}
	at, more := d.page.next(e)
	if !more {
		return
	}
	if at == (position{}) {
		d.err = errCursorRepeats
		return
	}
	d.out = append(d.out, m.page.token.tag...)
	d.out = protowire.AppendString(d.out, at.token(d.page.list.bind()))
}

// next returns the position of the next page and whether there is one; no
// position means that the list repeats itself.
func (r *pageRequest) next(e *envelope) (_ position, more bool) {
	at := r.at
	switch end := at.offset + r.rows; {
	case r.bare() && r.rows > 0 && end < e.rows:
		at.offset = end
		return at, true
	case e.ended:
		return at, false
	case e.cursor != "":
		return at.after(e.cursor), true
	case r.bare() || at.cursor != "" || e.rows == 0:
		return at, false
	case e.offset >= 0 && e.offset != at.offset:
		return position{}, e.hasMore || e.total > at.offset+e.rows
	}
	at.offset += e.rows
	if e.total >= 0 {
		return at, at.offset < e.total
	}
	// has_more alone does not say how to ask for more.
	return at, e.hasMore && (e.offset >= 0 || r.envelope == optionsv1.Paging_ENVELOPE_OFFSET)
}
