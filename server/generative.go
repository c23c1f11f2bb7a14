package server

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// generativeOperation is what a generative RPC does, in the words of the semantic
// conventions for GenAI; "" for all others. Jobs are not: what they generate comes
// later, and bit by bit.
func generativeOperation(rpc string) string {
	switch rpc {
	case "CreateResponse", "CreateChatCompletion", "ChatNewsStory", "ChatVideoAnalysis":
		return "chat"
	case "SendMaveMessage":
		return "invoke_agent"
	case "AnalyzeNewsStory", "CreateGeneration":
		return "generate_content"
	default:
		return ""
	}
}

// A generative finds what the answers of a generative RPC report of themselves, without
// building the message. A nil one finds nothing.
type generative struct {
	operation string
	answer    *reporting
}

// newGenerative makes what reads the answers of an RPC, nil unless it is generative. A
// stream is what its unary sibling is.
func newGenerative(plan *transcode.Plan) *generative {
	rpc := plan.RPC
	if plan.Sibling != nil {
		rpc = plan.Sibling.RPC
	}
	operation := generativeOperation(rpc)
	if operation == "" {
		return nil
	}
	return &generative{operation: operation, answer: newReporting(plan.OutputDescriptor(), plan.Kind == transcode.Events)}
}

// A reporting is where a message, by the numbers of its fields, reports something.
type reporting struct {
	id, model, usage protowire.Number // 0 where it does not
	input, output    [2]protowire.Number
	inner            map[protowire.Number]*reporting
}

// newReporting finds the fields of an answer, or of the members of an event: of those
// that have a usage, the whole answer inside an event included.
func newReporting(m protoreflect.MessageDescriptor, event bool) *reporting {
	r := &reporting{inner: make(map[protowire.Number]*reporting)}
	if usage := m.Fields().ByName("usage"); usage != nil {
		r.usage = usage.Number()
		r.id, r.model = number(m, "id"), number(m, "model")
		// The second names are the older ones, of chat completions.
		r.input = [2]protowire.Number{number(usage.Message(), "input_tokens"), number(usage.Message(), "prompt_tokens")}
		r.output = [2]protowire.Number{number(usage.Message(), "output_tokens"), number(usage.Message(), "completion_tokens")}
	}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if (event || f.Name() == "response") && f.Message() != nil && !f.IsList() && !f.IsMap() {
			if inner := newReporting(f.Message(), false); inner.usage != 0 || len(inner.inner) > 0 {
				r.inner[f.Number()] = inner
			}
		}
	}
	return r
}

func number(m protoreflect.MessageDescriptor, name protoreflect.Name) protowire.Number {
	if f := m.Fields().ByName(name); f != nil {
		return f.Number()
	}
	return 0
}

// generated is what answers report of themselves.
type generated struct {
	id, model     string
	input, output int64
}

// read notes what an answer, or the next event of one, reports.
func (g *generative) read(wire []byte, found *generated) {
	if g != nil {
		g.answer.read(wire, found)
	}
}

func (r *reporting) read(wire []byte, found *generated) {
	eachField(wire, func(n protowire.Number, value []byte, _ uint64) {
		switch n {
		case r.id:
			found.id = string(value)
		case r.model:
			found.model = string(value)
		case r.usage:
			r.readUsage(value, found)
		default:
			if inner := r.inner[n]; inner != nil {
				inner.read(value, found)
			}
		}
	})
}

func (r *reporting) readUsage(wire []byte, found *generated) {
	eachField(wire, func(n protowire.Number, _ []byte, count uint64) {
		if n == r.input[0] || n == r.input[1] {
			found.input = int64(count)
		}
		if n == r.output[0] || n == r.output[1] {
			found.output = int64(count)
		}
	})
}

// eachField goes through the fields of a message that are strings, messages or varints:
// value is that of the first two, number that of the last.
func eachField(wire []byte, visit func(n protowire.Number, value []byte, number uint64)) {
	for len(wire) > 0 {
		n, kind, size := protowire.ConsumeTag(wire)
		if size < 0 {
			return
		}
		wire = wire[size:]
		size = protowire.ConsumeFieldValue(n, kind, wire)
		if size < 0 {
			return
		}
		switch kind {
		case protowire.BytesType:
			value, _ := protowire.ConsumeBytes(wire)
			visit(n, value, 0)
		case protowire.VarintType:
			count, _ := protowire.ConsumeVarint(wire)
			visit(n, nil, count)
		default:
		}
		wire = wire[size:]
	}
}
