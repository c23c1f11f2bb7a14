// Package lines takes the making of log lines off those who log.
//
// A line costs a twentieth of what the gateway adds to a call, twice that where its code
// is in no cache, and the caller waits for it; writing it is a system call, and may block:
// a pipe that nobody empties holds up everybody who logs. A [Log] gathers what was logged
// in some milliseconds, and makes and writes the lines in one go. What a crash can lose is
// what was logged in those milliseconds.
package lines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// Delay is how long a line waits for others at most.
	Delay = 5 * time.Millisecond
	// Limit is how many lines wait, at most: whoever logs more writes them, and waits for
	// as long as that takes.
	Limit = 256
)

// A Log gathers lines. It is safe for concurrent use.
type Log struct {
	writing sync.Mutex // Held while lines are made and written: they stay in order.
	next    io.Writer
	format  slog.Handler // Writes to text.
	text    bytes.Buffer // Guarded by writing.
	spare   []line       // Guarded by writing.

	mu      sync.Mutex
	waiting []line      // Guarded by mu, as is all below.
	timer   *time.Timer // Writes what waits.
	closed  bool
}

// A line is one that is not made yet.
type line struct {
	format slog.Handler
	record slog.Record
}

// New returns a log in front of next. format makes the handler that makes the lines. The
// log is to be closed.
func New(next io.Writer, format func(io.Writer) slog.Handler) *Log {
	l := &Log{next: next}
	l.format = format(&l.text)
	l.timer = time.AfterFunc(time.Hour, func() { _ = l.flush() }) // there is nobody to tell of an error
	l.timer.Stop()
	return l
}

// Handler is for loggers. The error of its Handle, if there is one, is that of writing all
// that waits, which is done there when it comes to [Limit] lines, after Close, and for a
// line with values that may change, such as an error. What cannot be written when its
// delay is over is lost without a word.
func (l *Log) Handler() slog.Handler { return handler{log: l, format: l.format} }

// Close writes what waits. Lines that come later are written one by one.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.timer.Stop()
	l.mu.Unlock()
	return l.flush()
}

func (l *Log) add(next line) error {
	l.mu.Lock()
	if len(l.waiting) == 0 && !l.closed {
		l.timer.Reset(Delay)
	}
	l.waiting = append(l.waiting, next)
	now := l.closed || len(l.waiting) >= Limit
	l.mu.Unlock()
	if now || !settled(next.record) {
		return l.flush()
	}
	return nil
}

// flush makes and writes what waits.
func (l *Log) flush() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	lines := l.waiting
	l.waiting = l.spare[:0]
	l.mu.Unlock()
	var errs []error
	for i := range lines {
		errs = append(errs, lines[i].format.Handle(context.Background(), lines[i].record)) // the call may be over
	}
	clear(lines)
	l.spare = lines
	if l.text.Len() > 0 {
		_, err := l.next.Write(l.text.Bytes())
		errs = append(errs, err)
		l.text.Reset()
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("write lines: %w", err)
	}
	return nil
}

// settled reports whether the values of a record are what they will be later on.
func settled(record slog.Record) bool {
	yes := true
	record.Attrs(func(a slog.Attr) bool {
		switch a.Value.Kind() {
		case slog.KindAny, slog.KindLogValuer, slog.KindGroup:
			yes = false
		default:
		}
		return yes
	})
	return yes
}

// A handler gives lines to a log.
type handler struct {
	log    *Log
	format slog.Handler
}

func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.format.Enabled(ctx, level)
}

func (h handler) Handle(_ context.Context, record slog.Record) error {
	return h.log.add(line{format: h.format, record: record.Clone()})
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{log: h.log, format: h.format.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{log: h.log, format: h.format.WithGroup(name)}
}
