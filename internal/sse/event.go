package sse

import "fmt"

// DefaultLimit is the limit of lines and events where none is set, in bytes: 4 MiB,
// which is also what gRPC clients take as one message by default.
const DefaultLimit = 4 << 20

// Limits bound what a [Reader] holds in memory. Zero means [DefaultLimit].
type Limits struct {
	// Line bounds a line of any kind, in bytes without its end.
	Line int
	// Event bounds the data of an event, in bytes, its lines joined.
	Event int
}

// A LimitError says that a line or an event is larger than the [Limits] allow.
type LimitError struct {
	// What is "line" or "event".
	What string
	// Limit is what it is allowed, in bytes.
	Limit int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s of an event stream is over %d bytes", e.What, e.Limit)
}

// An Event is one event of a stream. Its bytes are the reader's: they are valid
// until the next call of [Reader.Next].
type Event struct {
	// Name is the value of the last event field, empty if there was none.
	Name []byte
	// Data is the values of the data fields, joined by line feeds.
	Data []byte
}

// Done reports whether the event is the one by which OpenAI's formats close a
// stream: no name, and [DONE] for data.
func (e Event) Done() bool { return len(e.Name) == 0 && string(e.Data) == "[DONE]" }
