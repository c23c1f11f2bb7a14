package transcode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep arrays and objects may be nested, so that a hostile
// answer cannot exhaust the stack. Free-form JSON takes three protobuf messages
// per level, and the strictest protobuf runtimes stop at 100 messages: what is
// deeper than this could be read by hardly any client.
const maxDepth = 256

// A syntaxError is a place where the text is not JSON (RFC 8259).
type syntaxError struct {
	offset int
	want   string
}

func (e *syntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: expected %s", e.offset, e.want)
}

// A scanner reads the tokens of a JSON text that is in memory as a whole. It can
// be moved back: saving pos and restoring it rereads a value, which is how unions
// look for their discriminator.
//
// Errors stick: after the first one every method reports the end of the text, so
// that callers check err once, at the end.
type scanner struct {
	in    []byte
	pos   int
	depth int
	err   error
}

func (s *scanner) fail(want string) {
	if s.err == nil {
		s.err = &syntaxError{offset: s.pos, want: want}
	}
	s.pos = len(s.in)
}

// peek skips white space and returns the first byte of the next token, 0 at the
// end.
func (s *scanner) peek() byte {
	for s.pos < len(s.in) {
		switch c := s.in[s.pos]; c {
		case ' ', '\n', '\r', '\t':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// open enters an array or object and reports whether it holds anything; when it
// does not, it has been left again.
func (s *scanner) open(closing byte) bool {
	s.pos++
	if s.depth++; s.depth > maxDepth {
		s.fail(fmt.Sprintf("at most %d levels", maxDepth))
		return false
	}
	if s.peek() == closing {
		s.pos++
		s.depth--
		return false
	}
	return s.err == nil
}

// more goes to the next element after one was read and reports whether there is
// one; when there is none, the array or object has been left.
func (s *scanner) more(closing byte) bool {
	switch s.peek() {
	case ',':
		s.pos++
		return s.err == nil
	case closing:
		s.pos++
		s.depth--
		return false
	}
	s.fail(fmt.Sprintf("',' or %q", closing))
	return false
}

// A text is a string of the JSON text: what is between its quotes, and what must
// be done to get at its characters.
type text struct {
	raw      []byte
	escaped  bool // has escape sequences
	nonASCII bool // has bytes that may not be valid UTF-8
}

// exact says that the characters of the text are what is between the quotes.
func (t text) exact() bool { return !t.escaped && (!t.nonASCII || utf8.Valid(t.raw)) }

// key reads an object key and its colon.
func (s *scanner) key() text {
	if s.peek() != '"' {
		s.fail("an object key")
		return text{}
	}
	t := s.str()
	if s.peek() != ':' {
		s.fail("':'")
		return text{}
	}
	s.pos++
	return t
}

// str reads a string; the caller has seen its quote.
func (s *scanner) str() (t text) {
	in, start := s.in, s.pos+1
	i := start
	for {
		// Eight bytes at a time while they are printable ASCII, no quote and no
		// backslash.
		for i+8 <= len(in) {
			w := binary.LittleEndian.Uint64(in[i:])
			if marks := escapes(w) | w&highBits; marks != 0 {
				i += bits.TrailingZeros64(marks) / 8
				break
			}
			i += 8
		}
		if i >= len(in) {
			s.pos = i
			s.fail("the end of a string")
			return text{}
		}
		switch c := in[i]; {
		case c == '"':
			s.pos = i + 1
			t.raw = in[start:i]
			return t
		case c == '\\':
			t.escaped = true
			n := escapeLen(in[i:])
			if n == 0 {
				s.pos = i
				s.fail("an escape sequence")
				return text{}
			}
			i += n
		case c < 0x20:
			s.pos = i
			s.fail("no control character in a string")
			return text{}
		case c >= utf8.RuneSelf:
			t.nonASCII = true
			for i < len(in) && in[i] >= utf8.RuneSelf {
				i++
			}
		default:
			i++
		}
	}
}

// escapeLen returns the length of the escape sequence that b starts with, 0 when
// it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads the code unit of an escape \uXXXX.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// appendTo appends the characters of the text. What is not valid Unicode becomes
// U+FFFD, and exact is false then.
func (t text) appendTo(dst []byte) (_ []byte, exact bool) {
	valid := !t.nonASCII || utf8.Valid(t.raw) // of which escapes are no part: they are ASCII
	exact = valid
	for raw := t.raw; ; {
		n := len(raw)
		if t.escaped {
			if i := bytes.IndexByte(raw, '\\'); i >= 0 {
				n = i
			}
		}
		if valid {
			dst = append(dst, raw[:n]...)
		} else {
			dst = append(dst, string([]rune(string(raw[:n])))...) // U+FFFD for each byte that is none
		}
		if raw = raw[n:]; len(raw) == 0 {
			return dst, exact
		}
		if raw[1] != 'u' {
			dst, raw = append(dst, unescaped(raw[1])), raw[2:]
			continue
		}
		r, _ := hex4(raw)
		raw = raw[6:]
		if utf16.IsSurrogate(r) {
			low, _ := hex4(raw)
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				exact = false
			} else {
				raw = raw[6:]
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // quote, backslash, slash
}

// number reads a number and returns its text. integer says that it has neither
// fraction nor exponent.
func (s *scanner) number() (text []byte, integer bool) {
	start := s.pos
	s.accept('-')
	switch {
	case s.accept('0'):
	case s.digits() == 0:
		s.fail("a number")
		return nil, false
	}
	integer = true
	if s.accept('.') {
		if integer = false; s.digits() == 0 {
			s.fail("a digit")
			return nil, false
		}
	}
	if s.accept('e') || s.accept('E') {
		integer = false
		if !s.accept('+') {
			s.accept('-')
		}
		if s.digits() == 0 {
			s.fail("a digit")
			return nil, false
		}
	}
	return s.in[start:s.pos], integer
}

func (s *scanner) accept(c byte) bool {
	if s.pos < len(s.in) && s.in[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.in) && '0' <= s.in[s.pos] && s.in[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}

// literal reads true, false or null.
func (s *scanner) literal(word string) {
	end := s.pos + len(word)
	if end > len(s.in) || string(s.in[s.pos:end]) != word {
		s.fail(word)
		return
	}
	s.pos = end
}

// skip reads the next value, whatever it is.
func (s *scanner) skip() {
	switch s.peek() {
	case '{':
		for ok := s.open('}'); ok; ok = s.more('}') {
			s.key()
			s.skip()
		}
	case '[':
		for ok := s.open(']'); ok; ok = s.more(']') {
			s.skip()
		}
	case '"':
		s.str()
	case 't':
		s.literal("true")
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	case 0:
		s.fail("a value")
	default:
		s.number()
	}
}

// end checks that nothing follows the value that was read.
func (s *scanner) end() error {
	if s.err == nil && s.peek() != 0 || s.pos < len(s.in) {
		s.fail("the end")
	}
	return s.err
}
