package main

import (
	"fmt"
	"strings"
)

// A size is one answer of the upstream.
type size struct {
	name  string // what the callers search for
	rows  int
	bytes int
}

// sizes are those that the targets are set for.
func sizes() []size {
	return []size{
		{name: "1KB", rows: 2, bytes: 1 << 10},
		{name: "12.5KB", rows: 20, bytes: 12_800},
		{name: "100KB", rows: 160, bytes: 100 << 10},
	}
}

// description is cut to fill a row. It has what makes text costly: an escape and
// characters beyond ASCII.
const description = `Runs marketing in a mid-size company, says \"show me\", wants proof – naïve claims lose her. ` +
	`Reads reports before calls, compares three vendors, asks for references, decides with finance by the end of a quarter. `

// body is the persona list of a size, as Mavera writes one: compact, a row for
// each custom persona. Times are ISO 8601, because protojson reads no Unix seconds.
func (s size) body() []byte { return []byte(s.list(persona)) }

// list is a list of exactly the size, of rows that are made to measure.
func (s size) list(row func(i, size int) string) string {
	const head, tail = `{"object":"list","data":[`, `],"has_more":false,"next_cursor":null}`
	var b strings.Builder
	b.WriteString(head)
	room := s.bytes - len(head) - len(tail) - (s.rows - 1)
	for i := range s.rows {
		if i > 0 {
			b.WriteByte(',')
		}
		share := room / (s.rows - i)
		room -= share
		b.WriteString(row(i, share))
	}
	b.WriteString(tail)
	return b.String()
}

// persona is one row of exactly size bytes.
func persona(i, size int) string {
	const format = `{"id":"clx%04dabc2d0001abcdef1234","object":"custom_persona","name":"Enterprise CMO %d","category":"IndustrySpecific","description":"%s",` +
		`"pipeline_type":"intermediate","type":"B2B","is_custom":true,"is_expert":false,"created_at":"2026-01-24T09:30:00Z",` +
		`"details":{"buying_stage":"SOLUTION_AWARE","role_segment":["CMO","VP Marketing"],"goals":["Better return on spend"],` +
		`"mcda_weights":{"price":3,"timeToValue":4},"is_localized":false}}`
	fill := size - len(fmt.Sprintf(format, i, i, ""))
	if fill < 0 || fill > len(description) {
		panic(fmt.Sprintf("a row of %d bytes needs a description of %d", size, fill))
	}
	return fmt.Sprintf(format, i, i, trim(description, fill))
}

// trim cuts text to n bytes of JSON string. Where the cut would split an escape
// or a character, letters take its place.
func trim(text string, n int) string {
	kept := text[:n]
	for !strings.HasPrefix(text[len(kept):]+" ", " ") && len(kept) > 0 {
		kept = kept[:len(kept)-1]
	}
	return kept + strings.Repeat("x", n-len(kept))
}
