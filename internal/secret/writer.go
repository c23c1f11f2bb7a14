package secret

import (
	"bytes"
	"fmt"
	"io"
)

// A Writer redacts what is written through it: no key gets into a log, whichever
// attribute, error or message it came in.
type Writer struct{ next io.Writer }

// NewWriter returns a writer in front of next. Each Write must be a whole line, as
// those of the handlers of log/slog are: a key that is split between two of them
// would not be recognised. Nor would one that is encoded, as a []byte attribute is in
// JSON.
func NewWriter(next io.Writer) Writer { return Writer{next: next} }

// Write writes the line, redacted if need be.
func (w Writer) Write(line []byte) (int, error) {
	if !bytes.Contains(line, []byte(prefix)) { // nearly all lines
		n, err := w.next.Write(line)
		if err != nil {
			return n, fmt.Errorf("write line: %w", err)
		}
		return n, nil
	}
	if _, err := io.WriteString(w.next, Redact(string(line))); err != nil {
		return 0, fmt.Errorf("write redacted line: %w", err)
	}
	return len(line), nil
}
