package transcode

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// valid reports what the scanner says about a whole text.
func valid(text string) error {
	s := scanner{in: []byte(text)}
	s.skip()
	return s.end()
}

func TestScanner(t *testing.T) {
	tests := []struct {
		text    string
		wantErr string
	}{
		{`{"a":[1,-0.5e+3,true,false,null,"x\u00e9\n"],"b":{}}`, ""},
		{" \t\r\n[ ] ", ""},
		{`0`, ""},
		{`-0`, ""},
		{"\"\xff\"", ""}, // not UTF-8; the decoder replaces it
		{`"\ud800"`, ""}, // half a surrogate pair, as well
		{strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), ""},
		{strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), "invalid JSON at byte 257: expected at most 256 levels"},
		{``, "invalid JSON at byte 0: expected a value"},
		{" \x00", "invalid JSON at byte 1: expected a value"},
		{"1\x00", "invalid JSON at byte 1: expected the end"},
		{`1 2`, "invalid JSON at byte 2: expected the end"},
		{`01`, "invalid JSON at byte 1: expected the end"},
		{`1.`, "invalid JSON at byte 2: expected a digit"},
		{`1e`, "invalid JSON at byte 2: expected a digit"},
		{`-`, "invalid JSON at byte 1: expected a number"},
		{`+1`, "invalid JSON at byte 0: expected a number"},
		{`NaN`, "invalid JSON at byte 0: expected a number"},
		{`nul`, "invalid JSON at byte 0: expected null"},
		{`[1,]`, "invalid JSON at byte 3: expected a number"},
		{`[1 2]`, `invalid JSON at byte 3: expected ',' or ']'`},
		{`[1`, `invalid JSON at byte 2: expected ',' or ']'`},
		{`{"a":1,}`, "invalid JSON at byte 7: expected an object key"},
		{`{"a" 1}`, "invalid JSON at byte 5: expected ':'"},
		{`{a:1}`, "invalid JSON at byte 1: expected an object key"},
		{`{"a":1`, `invalid JSON at byte 6: expected ',' or '}'`},
		{`"abc`, "invalid JSON at byte 4: expected the end of a string"},
		{`"abcdefgh\q"`, "invalid JSON at byte 9: expected an escape sequence"},
		{`"\u12g4"`, "invalid JSON at byte 1: expected an escape sequence"},
		{`"\`, "invalid JSON at byte 1: expected an escape sequence"},
		{"\"a\nb\"", "invalid JSON at byte 2: expected no control character in a string"},
		{`<html>`, "invalid JSON at byte 0: expected a number"},
	}
	for _, tt := range tests {
		got := ""
		if err := valid(tt.text); err != nil {
			got = err.Error()
		}
		if got != tt.wantErr {
			t.Errorf("%.40q: error %q, want %q", tt.text, got, tt.wantErr)
		}
	}
}

func TestText(t *testing.T) {
	tests := []struct {
		text      string
		want      string
		wantExact bool
	}{
		{`"plain text of more than eight bytes"`, "plain text of more than eight bytes", true},
		{`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t", true},
		{`"caf\u00e9 café"`, "café café", true},
		{`"\ud83d\ude00"`, "😀", true},
		{`"\u0000"`, "\x00", true},
		{`"a\ud83d"`, "a\ufffd", false},                   // a high surrogate at the end
		{`"\ud83dx"`, "\ufffdx", false},                   // and before a letter
		{`"\ude00\ud83d"`, "\ufffd\ufffd", false},         // the wrong way round
		{`"\ud83d\u0041"`, "\ufffdA", false},              // and before another escape
		{"\"a\xffb\"", "a\ufffdb", false},                 // a byte that is no UTF-8
		{"\"\xed\xa0\x80\"", "\ufffd\ufffd\ufffd", false}, // a surrogate as UTF-8
		{`"\ufffd"`, "\ufffd", true},                      // the replacement character itself
	}
	for _, tt := range tests {
		s := scanner{in: []byte(tt.text)}
		got, exact := s.str().appendTo(nil)
		if err := s.end(); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
		if string(got) != tt.want || exact != tt.wantExact {
			t.Errorf("%s: got %q, %v, want %q, %v", tt.text, got, exact, tt.want, tt.wantExact)
		}
	}
}

// TestEscapes puts every byte at every place of strings of several lengths.
func TestEscapes(t *testing.T) {
	for _, plain := range []string{"abc", "abcdefgh", "\xff\x80cdefghijk", "abcdefghijklmnopqrstuvwxyz"} {
		for c := range 256 {
			for at := range len(plain) {
				text := []byte(plain)
				text[at] = byte(c)
				want := len(text)
				if c < 0x20 || c == '"' || c == '\\' {
					want = at
				}
				if got := plainLen(text); got != want {
					t.Errorf("%q: got %d, want %d", text, got, want)
				}
			}
		}
	}
}

// FuzzScan holds the scanner against another parser: of valid UTF-8 both take
// and refuse the same.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e-3,"x\n\u00e9",null]}`, `[[[]]]`, `"\ud800\udc00"`, `-0`, `1e400`, "\"\x7f\"", `{"a":1,"a":2}`, " \n1 "} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if !utf8.Valid(in) {
			return
		}
		s := scanner{in: in}
		s.skip()
		got := s.end()
		if got != nil && strings.Contains(got.Error(), "levels") {
			return
		}
		// Half surrogate pairs are ours to replace: as UTF-8 they are invalid too.
		dec := jsontext.NewDecoder(bytes.NewReader(in), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		want := dec.SkipValue()
		if want == nil {
			if _, want = dec.ReadToken(); errors.Is(want, io.EOF) {
				want = nil
			} else if want == nil {
				want = errors.New("a second value")
			}
		}
		if (got == nil) != (want == nil) {
			t.Errorf("%q: we say %v, jsontext says %v", in, got, want)
		}
	})
}
