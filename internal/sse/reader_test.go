package sse

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/mavera-gateway/mavera-gateway/internal/contract"
)

var update = flag.Bool("update", false, "rewrite golden files")

// An event is an Event that stays valid.
type event struct{ Name, Data string }

// collect reads a stream to its end.
func collect(in io.Reader, limits Limits) ([]event, error) {
	r := NewReader(in, limits)
	var events []event
	for {
		e, err := r.Next()
		if err != nil {
			return events, err
		}
		events = append(events, event{string(e.Name), string(e.Data)})
	}
}

// pieces reads text with a read ending at every place that at holds.
func pieces(text string, at ...int) io.Reader {
	var readers []io.Reader
	from := 0
	for _, to := range append(at, len(text)) {
		readers = append(readers, strings.NewReader(text[from:to]))
		from = to
	}
	return io.MultiReader(readers...)
}

var rules = []struct {
	name    string
	in      string
	want    []event
	wantErr string // default: EOF
}{
	{name: "nothing", in: ""},
	{name: "data", in: "data: x\n\n", want: []event{{"", "x"}}},
	{name: "name and data", in: "event: a\ndata: x\n\n", want: []event{{"a", "x"}}},
	{name: "name after data", in: "data: x\nevent: a\n\n", want: []event{{"a", "x"}}},
	{name: "name between data", in: "data: x\nevent: abc\ndata: y\n\n", want: []event{{"abc", "x\ny"}}},
	{name: "the last name counts", in: "event: a\nevent: b\ndata: x\n\n", want: []event{{"b", "x"}}},
	{name: "an empty name is none", in: "event: a\nevent\ndata: x\n\n", want: []event{{"", "x"}}},
	{name: "a name is for one event", in: "event: a\ndata: x\n\ndata: y\n\n", want: []event{{"a", "x"}, {"", "y"}}},
	{name: "carriage returns", in: "event: a\rdata: x\r\rdata: y\r\r", want: []event{{"a", "x"}, {"", "y"}}},
	{name: "both", in: "event: a\r\ndata: x\r\n\r\ndata: y\r\n\r\n", want: []event{{"a", "x"}, {"", "y"}}},
	{name: "mixed", in: "data: x\rdata: y\ndata: z\r\n\n", want: []event{{"", "x\ny\nz"}}},
	{name: "line feed and carriage return are two ends", in: "data: x\n\rdata: y\n\r", want: []event{{"", "x"}, {"", "y"}}},
	{name: "data of several lines", in: "data: x\ndata: y\ndata: zz\n\n", want: []event{{"", "x\ny\nzz"}}},
	{name: "data with a gap", in: "data: x\n: a long comment\nid: 7\ndata: y\n\n", want: []event{{"", "x\ny"}}},
	{name: "empty lines of data", in: "data\ndata: \n:\ndata:\n\n", want: []event{{"", "\n\n"}}},
	{name: "empty data is an event", in: "data\n\ndata: \n\n:\ndata:\n\n", want: []event{{"", ""}, {"", ""}, {"", ""}}},
	{name: "no data is no event", in: "event: a\n\ndata: x\n\n", want: []event{{"", "x"}}},
	{name: "blank lines are no events", in: "\n\n\r\r\n\ndata: x\n\n\n\n", want: []event{{"", "x"}}},
	{name: "one space is taken off", in: "data:x\n\ndata: x\n\ndata:  x \n\ndata:\tx\n\n", want: []event{{"", "x"}, {"", "x"}, {"", " x "}, {"", "\tx"}}},
	{name: "colons in the value", in: "data: a:b: c\n\n", want: []event{{"", "a:b: c"}}},
	{name: "comments", in: ": hello\n:\ndata: x\n:data: y\n\n: bye\n", want: []event{{"", "x"}}},
	{name: "comments alone are no event", in: ": keep-alive\n\n: keep-alive\n\n"},
	{name: "other fields", in: "id: 7\nretry: 10\nfoo: bar\nfoo\ndata: x\n\nid: 8\n", want: []event{{"", "x"}}},
	{name: "fields are spelled exactly", in: "Data: x\ndata : y\n data: z\ndata: w\n\n", want: []event{{"", "w"}}},
	{name: "a BOM", in: "\ufeffdata: x\n\n", want: []event{{"", "x"}}},
	{name: "a BOM before a blank line", in: "\ufeff\ndata: x\n\n", want: []event{{"", "x"}}},
	{name: "one BOM only", in: "\ufeff\ufeffdata: x\n\ndata: y\n\n", want: []event{{"", "y"}}},
	{name: "a BOM later", in: "\n\ufeffdata: x\n\ndata: \ufeffy\n\n", want: []event{{"", "\ufeffy"}}},
	{name: "bytes that are not UTF-8", in: "data: \xff\x00\n\n", want: []event{{"", "\xff\x00"}}},
	{name: "the closing line is an event", in: "data: x\n\ndata: [DONE]\n\n", want: []event{{"", "x"}, {"", "[DONE]"}}},
	{name: "cut in a line", in: "data: x\n\ndata: y", want: []event{{"", "x"}}, wantErr: "unexpected EOF"},
	{name: "cut in a comment", in: "data: x\n\n: y", want: []event{{"", "x"}}, wantErr: "unexpected EOF"},
	{name: "cut after data", in: "data: x\n\ndata: y\n", want: []event{{"", "x"}}, wantErr: "unexpected EOF"},
	{name: "cut after a name", in: "event: a\n", wantErr: "unexpected EOF"},
	{name: "cut in a CRLF is no cut", in: "data: x\r\n\r", want: []event{{"", "x"}}},
}

func TestRules(t *testing.T) {
	for _, tt := range rules {
		t.Run(tt.name, func(t *testing.T) {
			wantErr := tt.wantErr
			if wantErr == "" {
				wantErr = "EOF"
			}
			check := func(how string, in io.Reader) {
				t.Helper()
				got, err := collect(in, Limits{})
				if diff := cmp.Diff(tt.want, got); diff != "" || err.Error() != wantErr {
					t.Errorf("%s: error %q, want %q; events (-want +got):\n%s", how, err, wantErr, diff)
				}
			}
			check("at once", strings.NewReader(tt.in))
			check("data with the error", iotest.DataErrReader(strings.NewReader(tt.in)))
			check("by bytes", iotest.OneByteReader(strings.NewReader(tt.in)))
			for i := range tt.in {
				check(fmt.Sprintf("split at %d", i), pieces(tt.in, i))
			}
		})
	}
}

// The transcripts of the contract read the same wherever they are split.
func TestTranscripts(t *testing.T) {
	files, err := fs.Glob(contract.Examples, "examples/*.sse")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no transcripts: ", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := contract.Examples.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			want, err := collect(bytes.NewReader(text), Limits{})
			for _, e := range want {
				fmt.Fprintf(&out, "%q %s\n", e.Name, e.Data)
			}
			fmt.Fprintln(&out, err)
			checkGolden(t, strings.TrimSuffix(filepath.Base(file), ".sse"), out.String())

			for _, end := range []string{"\n", "\r", "\r\n"} {
				text := strings.ReplaceAll(string(text), "\n", end)
				for i := range text {
					got, err := collect(pieces(text, i), Limits{})
					if !slices.Equal(want, got) || !errors.Is(err, io.EOF) {
						t.Fatalf("lines end in %q, split at %d: %v; events (-whole +split):\n%s", end, i, err, cmp.Diff(want, got))
					}
				}
				got, err := collect(iotest.OneByteReader(strings.NewReader(text)), Limits{})
				if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, io.EOF) {
					t.Errorf("lines end in %q, by bytes: %v; events (-whole +bytes):\n%s", end, err, diff)
				}
			}
		})
	}
}

func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name    string
		in      string
		limits  Limits
		want    []event
		wantErr string
	}{
		{
			name: "at the limits", limits: Limits{Line: 9, Event: 7},
			in: "data: xyz\ndata: abc\n\n", want: []event{{"", "xyz\nabc"}}, wantErr: "EOF",
		},
		{
			name: "line", limits: Limits{Line: 9},
			in: "data: xyz\n\ndata: wxyz\n\ndata: a\n\n", want: []event{{"", "xyz"}}, wantErr: "line of an event stream is over 9 bytes",
		},
		{
			name: "line without an end", limits: Limits{Line: 9},
			in: "data: xyz\n\n" + strings.Repeat("x", 10), want: []event{{"", "xyz"}}, wantErr: "line of an event stream is over 9 bytes",
		},
		{
			name: "comment", limits: Limits{Line: 9},
			in: ":12345678\n:123456789\n", wantErr: "line of an event stream is over 9 bytes",
		},
		{
			name: "a BOM is part of its line", limits: Limits{Line: 9},
			in: "\ufeffdata: x\n\n", wantErr: "line of an event stream is over 9 bytes",
		},
		{
			name: "event", limits: Limits{Event: 6},
			in: "data: abc\n\ndata: xyz\ndata: xyz\n\ndata: a\n\n", want: []event{{"", "abc"}}, wantErr: "event of an event stream is over 6 bytes",
		},
		{
			name: "event that does not end", limits: Limits{Event: 100},
			in: strings.Repeat("data\n", 102), wantErr: "event of an event stream is over 100 bytes",
		},
		{
			name: "event in one line", limits: Limits{Event: 6},
			in: "data: 1234567\n\n", wantErr: "event of an event stream is over 6 bytes",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			check := func(how string, in io.Reader) {
				t.Helper()
				got, err := collect(in, tt.limits)
				if diff := cmp.Diff(tt.want, got); diff != "" || err.Error() != tt.wantErr {
					t.Errorf("%s: error %q, want %q; events (-want +got):\n%s", how, err, tt.wantErr, diff)
				}
			}
			check("at once", strings.NewReader(tt.in))
			for i := range tt.in {
				check(fmt.Sprintf("split at %d", i), pieces(tt.in, i))
			}
		})
	}
	var limit *LimitError
	if _, err := NewReader(strings.NewReader("data: xyz\n"), Limits{Line: 3}).Next(); !errors.As(err, &limit) || *limit != (LimitError{What: "line", Limit: 3}) {
		t.Errorf("error is %#v", err)
	}
}

func TestErrorsStay(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name string
		in   io.Reader
		want error
	}{
		{"end", strings.NewReader("data: x\n\n"), io.EOF},
		{"cut", strings.NewReader("data: x\n\ndata"), io.ErrUnexpectedEOF},
		{"broken", io.MultiReader(strings.NewReader("data: x\n\ndata: y\n"), iotest.ErrReader(broken)), broken},
		{"stuck", io.MultiReader(strings.NewReader("data: x\n\n"), stuck{}), io.ErrNoProgress},
	} {
		r := NewReader(tt.in, Limits{})
		if e, err := r.Next(); err != nil || string(e.Data) != "x" {
			t.Errorf("%s: first event %q, %v", tt.name, e.Data, err)
		}
		for range 3 {
			if e, err := r.Next(); !errors.Is(err, tt.want) || e.Data != nil || e.Name != nil {
				t.Errorf("%s: %q, %v, want %v", tt.name, e.Data, err, tt.want)
			}
		}
	}
}

// stuck never reads a byte.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// An event is returned before anything after its blank line is read.
func TestEventsDoNotWait(t *testing.T) {
	for _, end := range []string{"\n", "\r", "\r\n"} {
		t.Run(fmt.Sprintf("%q", end), func(t *testing.T) {
			in := &served{}
			r := NewReader(in, Limits{})
			for i := range 3 {
				// The last byte of a CRLF comes with what follows it.
				in.next = append(in.next, fmt.Sprintf("data: %d%s%s", i, end, end[:1]))
				e, err := r.Next()
				if want := fmt.Sprint(i); err != nil || string(e.Data) != want {
					t.Fatalf("got %q, %v, want %q", e.Data, err, want)
				}
				in.next = append(in.next, end[1:])
			}
		})
	}
}

// served reads what has been put there, one piece at a time, and fails where a
// stream would wait.
type served struct{ next []string }

func (s *served) Read(p []byte) (int, error) {
	for len(s.next) > 0 {
		piece := s.next[0]
		s.next = s.next[1:]
		if piece != "" {
			return copy(p, piece), nil
		}
	}
	return 0, errors.New("would wait")
}

func TestDone(t *testing.T) {
	for in, want := range map[string]bool{
		"data: [DONE]\n\n":           true,
		"data:[DONE]\n\n":            true,
		"event: x\ndata: [DONE]\n\n": false,
		"data: [DONE] \n\n":          false,
		"data: \"[DONE]\"\n\n":       false,
	} {
		e, err := NewReader(strings.NewReader(in), Limits{}).Next()
		if err != nil || e.Done() != want {
			t.Errorf("%q: done is %v, %v, want %v", in, e.Done(), err, want)
		}
	}
}

// The buffer follows the size of the events, up and down.
func TestBufferGrowsOnlyWhenNeeded(t *testing.T) {
	r := NewReader(iotest.HalfReader(strings.NewReader(
		strings.Repeat("event: a\ndata: a usual event\n\n", 1000)+
			"data: "+strings.Repeat("x", 3000)+"\n\n"+
			"data: "+strings.Repeat("x", 1<<20)+"\n\n"+
			strings.Repeat("data: y\n\n", 2000))), Limits{})
	sizes := []int{len(r.buffer)}
	for {
		_, err := r.Next()
		if size := len(r.buffer); size != sizes[len(sizes)-1] {
			sizes = append(sizes, size)
		}
		if err != nil {
			break
		}
	}
	if diff := cmp.Diff([]int{1 << 9, 4 << 10, 2 << 20, 1 << 9}, sizes); diff != "" {
		t.Errorf("sizes of the buffer after each event (-want +got):\n%s", diff)
	}
}
