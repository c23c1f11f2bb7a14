package transcode

import (
	"fmt"
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
	if m.item == nil || !m.item.list || m.item.msg == nil || m.page.total == nil {
		return fmt.Errorf("a page has the fields data, next_page_token and total_size")
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

// pageRequest is how one page was asked for.
type pageRequest struct {
	bare bool   // the upstream gives the whole list
	size int32  // rows asked for, 0 for the upstream's default
	bind uint64 // what the token is bound to
	at   position
}

// ask reads page_size and page_token and appends the upstream's parameters.
func (p *paging) ask(q []byte, size int32, token string, bind uint64) ([]byte, *pageRequest, error) {
	r := &pageRequest{bare: p.envelope == optionsv1.Paging_ENVELOPE_BARE, bind: bind, size: size}
	if p.maxSize > 0 {
		r.size = min(size, p.maxSize)
	}
	if token != "" {
		var err error
		if r.at, err = parseToken(token, bind); err != nil {
			return nil, nil, err
		}
	}
	if r.size > 0 && p.size != "" {
		q = appendParam(q, p.size, strconv.FormatInt(int64(r.size), 10))
	}
	switch {
	case token == "" || r.bare:
	case r.at.byOffset:
		q = appendParam(q, "offset", strconv.FormatInt(r.at.offset, 10))
	default:
		q = appendParam(q, "cursor", r.at.cursor)
	}
	return q, r, nil
}

// An envelope is what a list says about itself, in whichever of Mavera's four
// forms: with a cursor, with an offset, with a count, or bare.
type envelope struct {
	rows    int64
	hasMore bool
	ended   bool // has_more is false
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
	seen := make([]bool, len(m.fields))
	for ok := d.open('}'); ok; ok = d.more('}') {
		key := d.key()
		f := d.lookup(m, key)
		switch {
		case f == nil && d.control(&e, string(key.raw)):
		case f == nil || seen[f.index]:
			d.keep(key, UnknownField)
		case f == m.item:
			seen[f.index] = true
			if loss := d.rows(f, &e); loss != "" {
				return loss
			}
		default:
			seen[f.index] = true
			d.member(f, key)
		}
	}
	d.total(m, &e)
	d.next(m, &e)
	return d.writeExtras(m, mine)
}

// control reads a key of the envelope itself. One of another type than it should
// have is not read.
func (d *decoder) control(e *envelope, key string) bool {
	c := d.peek()
	number := '0' <= c && c <= '9'
	switch {
	case key == "object" && c == '"':
		d.str()
	case key == "has_more" && c == 't':
		d.literal("true")
		e.hasMore = true
	case key == "has_more" && c == 'f':
		d.literal("false")
		e.ended = true
	case key == "next_cursor" && c == '"':
		text, _ := d.str().appendTo(nil)
		e.cursor = string(text)
	case key == "next_cursor" && number:
		text, _ := d.number()
		e.cursor = string(text)
	case key == "total" && number:
		e.total, _ = parseInt(d.number())
	case key == "offset" && number:
		e.offset, _ = parseInt(d.number())
	case key == "limit" && number:
		d.number()
	case c == 'n' && (key == "has_more" || key == "next_cursor" || key == "total" || key == "offset" || key == "limit"):
		d.literal("null")
	default:
		return false
	}
	return true
}

// rows reads the rows; of a bare list only those of the page.
func (d *decoder) rows(f *field, e *envelope) LossKind {
	switch d.peek() {
	case 'n':
		d.literal("null")
		return ""
	case '[':
	default:
		return WrongType
	}
	var first, size int64
	if d.page != nil && d.page.bare {
		first, size = d.page.at.offset, int64(d.page.size)
	}
	d.path = append(d.path, f.key)
	for ok := d.open(']'); ok; ok = d.more(']') {
		if i := e.rows; i < first || size > 0 && i >= first+size {
			d.skip()
		} else if loss := d.single(f); loss != "" {
			return loss
		}
		e.rows++
	}
	d.path = d.path[:len(d.path)-1]
	return ""
}

func (d *decoder) total(m *message, e *envelope) {
	total := e.total
	if total < 0 && d.page != nil && d.page.bare && d.page.size == 0 {
		total = e.rows
	}
	if total < 0 || total > 1<<31-1 {
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
	at := d.page.at
	switch {
	case d.page.bare:
		end := at.offset + int64(d.page.size)
		if d.page.size == 0 || end >= e.rows {
			return
		}
		at = position{byOffset: true, offset: end}
	case e.ended:
		return
	case e.cursor != "":
		var ok bool
		if at, ok = at.after(e.cursor); !ok {
			d.err = errCursorRepeats
			return
		}
	case e.rows == 0 || !e.hasMore && e.total < 0 || e.total < 0 && e.offset < 0 && !at.byOffset:
		return // has_more alone says that there is more, but not how to ask for it
	default:
		if e.offset >= 0 && e.offset != at.offset {
			d.err = errCursorRepeats
			return
		}
		at = position{byOffset: true, offset: at.offset + e.rows}
		if e.total >= 0 && at.offset >= e.total {
			return
		}
	}
	token := at.token(d.page.bind)
	d.out = append(d.out, m.page.token.tag...)
	d.out = protowire.AppendString(d.out, token)
}
