package transcode

import (
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/protobuf/proto"
)

// An Answer is a JSON answer of the Mavera API as protobuf.
type Answer struct {
	// Wire is the answer message in protobuf wire format.
	Wire []byte
	// Credits is what the call cost, where the answer of a billed RPC says so.
	Credits float64
	// HasCredits says whether Credits is known.
	HasCredits bool
	// Losses lists what the proto does not model.
	Losses []Loss
}

// Unmarshal builds the typed message.
func (a *Answer) Unmarshal(into proto.Message) error { return proto.Unmarshal(a.Wire, into) }

// A MalformedAnswerError says why the body of an answer is not what it should
// be: not JSON at all, or no object of the expected kind.
type MalformedAnswerError struct{ cause error }

func (e *MalformedAnswerError) Error() string { return e.cause.Error() }
func (e *MalformedAnswerError) Unwrap() error { return e.cause }

// Answer translates the body of a 2xx answer to r. No body is an empty message
// after a DELETE: deletions are not documented to answer anything. A body that is
// not the expected JSON gives a [*MalformedAnswerError], never half a message.
func (p *Plan) Answer(r *Request, body []byte) (*Answer, error) {
	if p.hook != nil {
		body = p.hook(body)
	}
	d, ok := p.decoders.Get().(*decoder)
	if !ok {
		d = new(decoder)
	}
	defer p.release(d)
	d.restart(body)
	d.out = make([]byte, 0, len(body)+len(body)/8+16)
	d.page = r.page
	if d.peek() == 0 && d.pos == len(body) {
		if p.HTTPMethod == http.MethodDelete {
			return &Answer{}, nil
		}
		return nil, &MalformedAnswerError{errors.New("the body is empty")}
	}
	loss := d.content(p.output, "")
	switch {
	case d.err == nil && loss != "":
		return nil, &MalformedAnswerError{fmt.Errorf("the body is no %s", p.output.desc.Name())}
	case d.end() != nil:
		return nil, &MalformedAnswerError{d.err}
	}
	return &Answer{Wire: d.out, Credits: d.credits, HasCredits: d.hasCredits && p.Billed, Losses: d.losses}, nil
}

// release keeps the memory of a decoder for another answer, but for what is not its own.
func (p *Plan) release(d *decoder) {
	d.in, d.out, d.page, d.err, d.losses = nil, nil, nil, nil, nil
	clear(d.extras[:cap(d.extras)]) // they are parts of the answer
	if cap(d.scratch)+cap(d.extras) <= maxKeptEvent {
		p.decoders.Put(d)
	}
}
