package sse

import (
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mavera-gateway/mavera-gateway/internal/contract"
)

// reference reads a whole stream by the words of the standard, line by line. whole
// says that the stream ends between two events.
func reference(text string) (events []event, whole bool) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	lines := strings.Split(strings.ReplaceAll(text, "\r", "\n"), "\n")
	lines, rest := lines[:len(lines)-1], lines[len(lines)-1]
	var name, data string
	for i, line := range lines {
		if i == 0 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && data == "":
			name = ""
		case line == "":
			events = append(events, event{name, strings.TrimSuffix(data, "\n")})
			name, data = "", ""
		case field == "data":
			data += value + "\n"
		case field == "event":
			name = value
		}
	}
	return events, rest == "" && name == "" && data == ""
}

// FuzzReader holds the reader against the reference. The stream comes in pieces of
// the lengths that steps holds, over and over; 0 stands for all at once.
func FuzzReader(f *testing.F) {
	for _, tt := range rules {
		f.Add(tt.in, "\x01")
	}
	files, err := fs.Glob(contract.Examples, "examples/*.sse")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := contract.Examples.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "\x00")
		f.Add(strings.ReplaceAll(string(text), "\n", "\r\n"), "\xff\x01")
	}
	f.Add("data: "+strings.Repeat("x", 2000)+"\rdata: y\n\r", "\x7f")
	f.Add(strings.Repeat("data\r", 700)+"\r", "")
	f.Fuzz(func(t *testing.T, text, steps string) {
		want, whole := reference(text)
		got, err := collect(&stepper{text: text, steps: steps}, Limits{})
		wantErr := io.EOF
		if !whole {
			wantErr = io.ErrUnexpectedEOF
		}
		if !slices.Equal(got, want) || err != wantErr { //nolint:errorlint // exactly these are promised
			t.Errorf("error %v, want %v; events (-reference +reader):\n%s", err, wantErr, cmp.Diff(want, got))
		}
		// Limits never hold back an event that comes before the breach, nor depend on the pieces.
		limits := Limits{Line: 12, Event: 9}
		once, onceErr := collect(strings.NewReader(text), limits)
		split, splitErr := collect(&stepper{text: text, steps: steps}, limits)
		if !slices.Equal(once, split) || onceErr.Error() != splitErr.Error() {
			t.Errorf("with limits: error %v at once, %v in pieces; events (-once +pieces):\n%s", onceErr, splitErr, cmp.Diff(once, split))
		}
		if len(once) > len(want) || !slices.Equal(want[:len(once)], once) {
			t.Errorf("with limits: the events are not the first without (-without +with):\n%s", cmp.Diff(want, once))
		}
	})
}

// A stepper reads a text in pieces.
type stepper struct {
	text, steps string
	turn        int
}

func (s *stepper) Read(p []byte) (int, error) {
	if s.text == "" {
		return 0, io.EOF
	}
	n := len(p)
	if s.steps != "" {
		if step := int(s.steps[s.turn%len(s.steps)]); step > 0 {
			n = min(n, step)
		}
		s.turn++
	}
	n = copy(p[:n], s.text)
	s.text = s.text[n:]
	return n, nil
}
