// Package lines takes the writing of log lines off those who log.
//
// A line costs a system call, which is a thirtieth of a small call to Mavera, and it may
// block: a pipe that nobody empties holds up everybody who logs. A [Writer] gathers the
// lines of some milliseconds and writes them in one go. What a crash can lose is what was
// logged in those milliseconds.
package lines

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// Delay is how long a line waits for others at most.
	Delay = 5 * time.Millisecond
	// limit is how many bytes wait, at most: whoever logs more writes them itself, and
	// waits for as long as that takes.
	limit = 64 << 10
)

// A Writer gathers lines. It is safe for concurrent use.
type Writer struct {
	writing sync.Mutex // Held while next is written to: lines stay in order.
	next    io.Writer
	spare   []byte // Guarded by writing.

	mu      sync.Mutex
	waiting []byte      // Guarded by mu, as is all below.
	timer   *time.Timer // Writes what waits.
	closed  bool
}

// NewWriter returns a writer in front of next. It is to be closed.
func NewWriter(next io.Writer) *Writer {
	w := &Writer{next: next}
	w.timer = time.AfterFunc(time.Hour, func() { _ = w.flush() }) // there is nobody to tell of an error
	w.timer.Stop()
	return w
}

// Write takes a whole line. The error, if there is one, is that of writing all that waits,
// which is done here when it comes to 64 KiB, and after Close. What cannot be written
// when its delay is over is lost without a word.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	if len(w.waiting) == 0 && !w.closed {
		w.timer.Reset(Delay)
	}
	w.waiting = append(w.waiting, line...)
	now := w.closed || len(w.waiting) >= limit
	w.mu.Unlock()
	if !now {
		return len(line), nil
	}
	return len(line), w.flush()
}

// Close writes what waits. Lines that come later are written one by one.
func (w *Writer) Close() error {
	w.mu.Lock()
	w.closed = true
	w.timer.Stop()
	w.mu.Unlock()
	return w.flush()
}

// flush writes what waits.
func (w *Writer) flush() error {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.mu.Lock()
	lines := w.waiting
	w.waiting = w.spare[:0]
	w.mu.Unlock()
	w.spare = lines
	if len(lines) == 0 {
		return nil
	}
	if _, err := w.next.Write(lines); err != nil {
		return fmt.Errorf("write lines: %w", err)
	}
	return nil
}
