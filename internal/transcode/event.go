package transcode

import (
	"bytes"
	"errors"
	"fmt"

	optionsv1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/options/v1"
)

// An Ending is what an event says of the stream that it comes in.
type Ending int

// The endings, each later than the one before.
const (
	GoesOn   = Ending(optionsv1.Field_ENDING_UNSPECIFIED)
	Complete = Ending(optionsv1.Field_ENDING_COMPLETE) // the answer is whole: the stream may end
	Failed   = Ending(optionsv1.Field_ENDING_FAILED)   // Mavera has given up
)

// unknownEventName is the message of events that are passed on as they are.
const unknownEventName = "mavera.v1.UnknownEvent"

// errorEvent is the name of an event, and the key in the data of one without a name,
// that says that the stream has failed. It is OpenAI's; none is documented.
const errorEvent = "error"

// compileEvent sorts the members of an event by the names of events.
func (m *message) compileEvent(opts *optionsv1.Json) error {
	if m.desc.Oneofs().Len() != 1 || m.extra != nil {
		return errors.New("an event has one oneof and nothing else")
	}
	m.discriminate(opts)
	for _, f := range m.fields {
		switch {
		case f.desc.ContainingOneof() == nil || f.msg == nil || f.msg.shape != shapeObject:
			return fmt.Errorf("field %s of an event is no object in its oneof", f.name)
		case f.msg.desc.FullName() == unknownEventName:
			m.unknown = f
		default:
			if err := m.addObject(f); err != nil {
				return err
			}
		}
	}
	if m.unknown == nil {
		return errors.New("an event has a member " + unknownEventName)
	}
	return nil
}

// An EventDecoder translates the events of one answer, one after the other. It
// allocates the bytes that are sent, and little else. It is for one goroutine.
type EventDecoder struct {
	plan    *Plan
	decoder decoder
	answer  Answer
}

// EventDecoder returns a decoder for one answer of an RPC that answers in Events.
func (p *Plan) EventDecoder() *EventDecoder { return &EventDecoder{plan: p} }

// Event translates one event: its name, which may be empty, and its data. An event of
// a kind that is not modelled, and one whose data is not what its kind promises,
// becomes an UnknownEvent: no event is dropped and none stops the stream. The answer
// is valid until the next call, but for its Wire, which is the caller's.
func (e *EventDecoder) Event(name, data []byte) (*Answer, Ending) {
	d, m := &e.decoder, e.plan.output
	d.restart(data)
	f, kind := d.eventMember(m, name)
	if f == nil || !d.event(f, m.discriminator) {
		d.restart(data)
		d.unknownEvent(m.unknown, kind, data)
	}
	return e.done(), d.ending
}

// Whole translates an answer that came as JSON where a stream was asked for: an
// UnknownEvent without a name, so that what was paid for is not lost. A body that is
// not the answer of the unary RPC gives a [*MalformedAnswerError].
func (e *EventDecoder) Whole(r *Request, body []byte) (*Answer, error) {
	whole, err := e.plan.Sibling.Answer(r, body)
	if err != nil {
		return nil, err
	}
	d := &e.decoder
	d.restart(body)
	d.unknownEvent(e.plan.output.unknown, nil, body)
	d.credits, d.hasCredits = whole.Credits, whole.HasCredits
	return e.done(), nil
}

func (e *EventDecoder) done() *Answer {
	d := &e.decoder
	e.answer = Answer{Wire: bytes.Clone(d.out), Credits: d.credits, HasCredits: d.hasCredits && e.plan.Billed, Losses: d.losses}
	d.in = nil // it is the caller's
	return &e.answer
}

// restart makes the decoder ready for another text, in the memory that it has.
func (d *decoder) restart(text []byte) {
	d.scanner = scanner{in: text}
	d.out, d.scratch, d.path, d.extras = d.out[:0], d.scratch[:0], d.path[:0], d.extras[:0]
	d.losses, d.lost = d.losses[:0], d.lost[:0]
	d.credits, d.hasCredits, d.ending = 0, false, GoesOn
	if cap(d.out) > maxKeptEvent {
		d.out = nil
	}
}

// maxKeptEvent is the size, in bytes, up to which the memory of an event is kept for
// the next: far above a usual one, since streams are many and most of them wait.
const maxKeptEvent = 16 << 10

// eventMember finds the member for an event by its name, else by the discriminator in
// its data, and the word that tells what it is, empty when there is none.
func (d *decoder) eventMember(m *message, name []byte) (*field, []byte) {
	if f := m.byTag[string(name)]; f != nil {
		return f, name
	}
	if d.peek() != '{' {
		return nil, name
	}
	unnamed := len(name) == 0 || string(name) == "message" // which is what no name means
	if m.discriminator != "" {
		f := d.discriminate(m)
		if f == nil && unnamed {
			name = bytes.Clone(d.scratch)
		}
		return f, name
	}
	switch {
	case !unnamed:
		return nil, name
	case d.fails():
		return nil, []byte(errorEvent)
	default:
		return m.untagged, nil
	}
}

// fails reports whether the object that comes next has an error at its top.
func (d *decoder) fails() bool {
	if !bytes.Contains(d.in, []byte(`"`+errorEvent+`"`)) {
		return false
	}
	found := false
	for ok := d.open('}'); ok; ok = d.more('}') {
		found = d.is(d.key(), errorEvent) && d.peek() == '{' || found
		d.skip()
	}
	if d.err == nil {
		d.pos, d.depth = 0, 0
	}
	return found
}

// event reads the data into a member and reports whether it fits.
func (d *decoder) event(f *field, discriminator string) bool {
	start := d.openMessage(f.tag)
	if d.content(f.msg, discriminator) != "" || d.end() != nil {
		return false
	}
	d.closeMessage(start)
	d.ending = max(d.ending, f.ending)
	return true
}

// unknownEvent writes an event as it is.
func (d *decoder) unknownEvent(f *field, name, data []byte) {
	start := d.openMessage(f.tag)
	for i, part := range [][]byte{name, data} {
		if len(part) > 0 {
			d.text(f.msg.fields[i].tag[0], text{raw: part, nonASCII: true})
		}
	}
	d.closeMessage(start)
	if string(name) == errorEvent {
		d.ending = Failed
	}
	d.lose(UnknownEnum, "event")
}
