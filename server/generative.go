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

// A generative finds what the answers of a generative RPC report, without building the
// message. A nil one finds nothing.
type generative struct {
	operation        string
	id, model, usage protowire.Number // of the answer; 0 where it has none
	input, output    []protowire.Number
}

// newGenerative makes what reads the answers of an RPC, nil unless it is generative.
func newGenerative(plan *transcode.Plan) *generative {
	operation := generativeOperation(plan.RPC)
	if operation == "" {
		return nil
	}
	number := func(m protoreflect.MessageDescriptor, name protoreflect.Name) protowire.Number {
		if f := m.Fields().ByName(name); f != nil {
			return f.Number()
		}
		return 0
	}
	answer := plan.OutputDescriptor()
	g := &generative{operation: operation, id: number(answer, "id"), model: number(answer, "model")}
	if usage := answer.Fields().ByName("usage"); usage != nil {
		g.usage = usage.Number()
		// The second names are the older ones, of chat completions.
		g.input = []protowire.Number{number(usage.Message(), "input_tokens"), number(usage.Message(), "prompt_tokens")}
		g.output = []protowire.Number{number(usage.Message(), "output_tokens"), number(usage.Message(), "completion_tokens")}
	}
	return g
}

// generated is what an answer reports of itself.
type generated struct {
	id, model     string
	input, output int64
}

// read looks through the top level of an answer in wire format, and its usage.
func (g *generative) read(wire []byte) (found generated) {
	if g == nil {
		return found
	}
	eachField(wire, func(n protowire.Number, value []byte, _ uint64) {
		switch n {
		case g.id:
			found.id = string(value)
		case g.model:
			found.model = string(value)
		case g.usage:
			eachField(value, func(n protowire.Number, _ []byte, count uint64) {
				for i := range g.input {
					switch n {
					case g.input[i]:
						found.input = int64(count) //nolint:gosec // an int64 on the wire
					case g.output[i]:
						found.output = int64(count) //nolint:gosec // an int64 on the wire
					}
				}
			})
		}
	})
	return found
}

// eachField goes through the fields of a message: value is that of strings and
// messages, number that of varints.
func eachField(wire []byte, visit func(n protowire.Number, value []byte, number uint64)) {
	for len(wire) > 0 {
		n, kind, size := protowire.ConsumeTag(wire)
		if size < 0 {
			return
		}
		wire = wire[size:]
		switch kind {
		case protowire.BytesType:
			value, size := protowire.ConsumeBytes(wire)
			if size < 0 {
				return
			}
			visit(n, value, 0)
			wire = wire[size:]
		case protowire.VarintType:
			number, size := protowire.ConsumeVarint(wire)
			if size < 0 {
				return
			}
			visit(n, nil, number)
			wire = wire[size:]
		default:
			if size = protowire.ConsumeFieldValue(n, kind, wire); size < 0 {
				return
			}
			wire = wire[size:]
		}
	}
}
