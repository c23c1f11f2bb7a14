package contracttest

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Event is one server-sent event.
type Event struct {
	// Name is the value of the event line, "" when there was none.
	Name string
	// Data is the text of the data lines, joined by line feeds.
	Data string
}

// Events parses the text of an SSE stream. Comments and other fields are left out.
func Events(text []byte) []Event {
	var events []Event
	var e Event
	var seen bool
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if seen {
				events = append(events, e)
			}
			e, seen = Event{}, false
		case field == "event":
			e.Name = value
		case field == "data":
			if seen {
				value = e.Data + "\n" + value
			}
			e.Data, seen = value, true
		}
	}
	return events
}

// stream checks every event of an SSE answer but the closing [DONE]. plain says
// that the contract leaves the payload open.
func (v *Validator) stream(where string, plain bool, text []byte) error {
	events := Events(text)
	if len(events) == 0 {
		return fmt.Errorf("a stream without events")
	}
	for i, e := range events {
		if e.Data == "[DONE]" {
			if i != len(events)-1 {
				return fmt.Errorf("event %d: [DONE] is not the last event", i)
			}
			continue
		}
		if plain {
			continue
		}
		if err := v.check(where, []byte(e.Data)); err != nil {
			return fmt.Errorf("event %d (%s): %w", i, e.Name, err)
		}
		var typed struct{ Type string }
		if err := json.Unmarshal([]byte(e.Data), &typed); err != nil {
			return fmt.Errorf("event %d (%s): %w", i, e.Name, err)
		}
		if e.Name != "" && typed.Type != "" && typed.Type != e.Name {
			return fmt.Errorf("event %d: the event line says %q and type says %q", i, e.Name, typed.Type)
		}
	}
	return nil
}
