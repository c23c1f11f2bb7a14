package sse

import (
	"bytes"
	"cmp"
	"errors"
	"io"
)

// Sizes of the buffer, in bytes. It starts small, because there are many streams
// and most of them are waiting; an event of usual size fits. It is doubled while
// an event does not fit, and exchanged for a small one when it is empty and above
// keptBuffer, so that one large event does not cost its size until the stream ends.
const (
	firstBuffer = 1 << 9
	keptBuffer  = 32 << 10
)

// maxEmptyReads is how often a stream may be read without a byte and without an
// error before it counts as broken. It is what bufio allows.
const maxEmptyReads = 100

// byteOrderMark may stand before the first line.
const byteOrderMark = "\ufeff"

// A Reader reads the events of one stream. It holds a buffer of 512 B, more while
// events are larger, and allocates nothing for an event that fits. It is for one
// goroutine. Make one with [NewReader].
type Reader struct {
	in     io.Reader
	limits Limits

	// buffer[line:end] has been read and is to be looked at, from the start of a
	// line on. buffer[data:dataEnd] is the data of the event so far. It lies below
	// line and grows in place, over what stood between the values.
	buffer        []byte
	line, end     int
	data, dataEnd int
	// buffer[line:lf] has no line feed and buffer[line:cr] no carriage return, so
	// that no byte is searched twice.
	lf, cr int

	name     []byte
	hasData  bool
	begun    bool  // the first line, which may start with a BOM, has been taken
	returned bool  // the last line ended in a carriage return: a line feed belongs to it
	err      error // what reading ended with
}

// NewReader returns a reader of the event stream in. It reads in small steps, so in
// is best buffered, as the body of an HTTP answer is.
func NewReader(in io.Reader, limits Limits) *Reader {
	return &Reader{
		in: in,
		limits: Limits{
			Line:  cmp.Or(limits.Line, DefaultLimit),
			Event: cmp.Or(limits.Event, DefaultLimit),
		},
		buffer: make([]byte, firstBuffer),
	}
}

// Next returns the next event that has data, as soon as its blank line has been
// read. Its errors stay: io.EOF after the last event, io.ErrUnexpectedEOF where the
// stream ends inside a line or an event, a [*LimitError], or what the stream could
// not be read for.
func (r *Reader) Next() (Event, error) {
	r.hasData, r.name = false, r.name[:0]
	for {
		start, stop, whole := r.nextLine()
		if stop-start > r.limits.Line {
			r.fail(&LimitError{What: "line", Limit: r.limits.Line})
			return Event{}, r.err
		}
		if !whole {
			if r.err != nil {
				return Event{}, r.ended()
			}
			r.fill()
			continue
		}
		if !r.begun {
			r.begun = true
			if bytes.HasPrefix(r.buffer[start:stop], []byte(byteOrderMark)) {
				start += len(byteOrderMark)
			}
		}
		switch {
		case start < stop:
			r.field(start, stop)
		case r.hasData:
			return Event{Name: r.name, Data: r.buffer[r.data:r.dataEnd]}, nil
		default: // without data there is no event, and its name is forgotten
			r.name = r.name[:0]
		}
	}
}

// nextLine takes a line out of the buffer: it is buffer[start:stop], without its
// end. Where the end has not been read, it is what there is, and stays.
func (r *Reader) nextLine() (start, stop int, whole bool) {
	start = r.line
	// A line feed is looked for in all that was read, a carriage return only up to
	// there. Both places are kept: a stream with one of them only costs no more.
	r.lf = index(r.buffer[:r.end], max(r.lf, start), '\n')
	r.cr = index(r.buffer[:r.lf], max(r.cr, start), '\r')
	if stop = r.cr; stop == r.end {
		return start, stop, false
	}
	r.line = stop + 1
	r.returned = r.buffer[stop] == '\r'
	r.swallow()
	return start, stop, true
}

// index returns where c is in text, from a place on; the end where it is not.
func index(text []byte, from int, c byte) int {
	if i := bytes.IndexByte(text[from:], c); i >= 0 {
		return from + i
	}
	return len(text)
}

// swallow drops the line feed of a CRLF, once it is there.
func (r *Reader) swallow() {
	if !r.returned || r.line == r.end {
		return
	}
	r.returned = false
	if r.buffer[r.line] == '\n' {
		r.line++
	}
}

// field takes in the line buffer[start:stop], which is not blank.
func (r *Reader) field(start, stop int) {
	name, value, _ := bytes.Cut(r.buffer[start:stop], []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch {
	case string(name) == "event":
		r.name = append(r.name[:0], value...)
		return
	case string(name) != "data":
		return // a comment, whose name is empty, or unknown
	case !r.hasData:
		r.hasData, r.data, r.dataEnd = true, stop-len(value), stop
	default:
		r.buffer[r.dataEnd] = '\n'
		r.dataEnd += 1 + copy(r.buffer[r.dataEnd+1:], value)
	}
	if r.dataEnd-r.data > r.limits.Event {
		r.fail(&LimitError{What: "event", Limit: r.limits.Event})
	}
}

// fail ends the stream: what is left in the buffer counts no more.
func (r *Reader) fail(err error) {
	r.err, r.line, r.end, r.lf, r.cr = err, 0, 0, 0, 0
}

// ended is the error of a stream of which everything has been taken.
func (r *Reader) ended() error {
	inside := r.line < r.end || r.hasData || len(r.name) > 0
	if inside && errors.Is(r.err, io.EOF) {
		r.fail(io.ErrUnexpectedEOF)
	}
	return r.err
}

// fill reads once more.
func (r *Reader) fill() {
	r.makeRoom()
	for range maxEmptyReads {
		n, err := r.in.Read(r.buffer[r.end:])
		r.end, r.err = r.end+n, err
		if n > 0 || err != nil {
			r.swallow()
			return
		}
	}
	r.err = io.ErrNoProgress
}

// makeRoom sees to it that at least a quarter of the buffer can be read into. It is
// called when the buffer holds no whole line.
func (r *Reader) makeRoom() {
	if !r.hasData {
		r.data, r.dataEnd = r.line, r.line
	}
	used := r.dataEnd - r.data + r.end - r.line
	into := r.buffer
	switch size := len(into); {
	case used == 0 && size > keptBuffer:
		into = make([]byte, firstBuffer)
	case used > size/4*3:
		into = make([]byte, 2*size)
	case used > 0 && size-r.end >= size/4:
		return
	}
	r.dataEnd = copy(into, r.buffer[r.data:r.dataEnd])
	r.end = r.dataEnd + copy(into[r.dataEnd:], r.buffer[r.line:r.end])
	r.buffer, r.data, r.line = into, 0, r.dataEnd
	r.lf, r.cr = r.end, r.end // there is no line end in what was kept
}
