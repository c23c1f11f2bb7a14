package sse

import (
	"fmt"
	"strings"
	"testing"
)

// endless repeats a text.
type endless struct {
	text string
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.at == len(e.text) {
		e.at = 0
	}
	n := copy(p, e.text[e.at:])
	e.at += n
	return n, nil
}

// One event of a usual size, as Mavera writes a delta, and of others. Nothing is
// allocated per event.
func BenchmarkNext(b *testing.B) {
	const delta = `{"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_abc123def456","output_index":0,"content_index":0,"delta":" a lid that"}`
	for _, tt := range []struct{ name, event string }{
		{"delta", "event: response.output_text.delta\ndata: " + delta + "\n\n"},
		{"delta/CRLF", "event: response.output_text.delta\r\ndata: " + delta + "\r\n\r\n"},
		{"delta/CR", "event: response.output_text.delta\rdata: " + delta + "\r\r"},
		{"lines", "event: lines\n" + strings.Repeat("data: a line of some forty bytes, not more\n", 8) + "\n"},
		{"12KB", "event: response.completed\ndata: " + strings.Repeat("x", 12<<10) + "\n\n"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			r := NewReader(&endless{text: strings.Repeat(tt.event, 20)}, Limits{})
			b.SetBytes(int64(len(tt.event)))
			b.ReportAllocs()
			for b.Loop() {
				if e, err := r.Next(); err != nil || len(e.Data) == 0 {
					b.Fatal(fmt.Errorf("%q: %w", e.Data, err))
				}
			}
		})
	}
}

// The steady state allocates nothing.
func TestAllocations(t *testing.T) {
	r := NewReader(&endless{text: "event: a\ndata: x\ndata: y\n\n: comment\r\n\r\nevent: b\rdata: z\r\r"}, Limits{})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(1000, func() { _, _ = r.Next() }); got != 0 {
		t.Errorf("%v allocations per event, want 0", got)
	}
}
