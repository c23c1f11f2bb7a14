package transcode

import (
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A Kind says how the messages of an RPC travel. It follows from the RPC's
// declaration and is set nowhere.
type Kind int

// The kinds. An RPC that streams repeats the route of a unary one, its sibling.
const (
	Unary  Kind = iota // one message each way
	Events             // a server stream on a POST: the answer as server-sent events
	Watch              // a server stream on a GET of one resource: its states
	Upload             // a client stream on a POST: a file, then what the POST made of it
)

func (k Kind) String() string { return [...]string{"unary", "events", "watch", "upload"}[k] }

// kindOf reads the kind off a method whose HTTP method is known.
func kindOf(method protoreflect.MethodDescriptor, httpMethod string) (Kind, error) {
	client, server := method.IsStreamingClient(), method.IsStreamingServer()
	switch {
	case client && server:
		return 0, errors.New("a stream in both directions has no meaning here")
	case client && httpMethod == http.MethodPost:
		return Upload, nil
	case client:
		return 0, fmt.Errorf("a client stream is for a POST, not a %s", httpMethod)
	case server && httpMethod == http.MethodPost:
		return Events, nil
	case server && httpMethod == http.MethodGet:
		return Watch, nil
	case server:
		return 0, fmt.Errorf("a server stream is for a POST or a GET, not a %s", httpMethod)
	default:
		return Unary, nil
	}
}

// isStream reports whether a method is of another kind than Unary.
func isStream(method protoreflect.MethodDescriptor) bool {
	return method.IsStreamingClient() || method.IsStreamingServer()
}

// routes are the RPCs compiled so far, by kind and route.
type routes map[string]*Plan

// add takes a plan in and finds its sibling. No two RPCs of one kind share a route.
func (r routes) add(p *Plan) error {
	route := p.HTTPMethod + " " + p.template.route()
	key := p.Kind.String() + " " + route
	if other := r[key]; other != nil {
		return fmt.Errorf("has the route of %s.%s, %s %s", other.Service, other.RPC, p.HTTPMethod, p.Route)
	}
	r[key] = p
	if p.Kind == Unary {
		return nil
	}
	if p.Sibling = r[Unary.String()+" "+route]; p.Sibling == nil {
		return fmt.Errorf("streams, but no unary RPC has its route, %s %s", p.HTTPMethod, p.Route)
	}
	return p.checkSibling()
}

// checkSibling holds a stream against the unary RPC whose route it repeats: what is
// one endpoint of Mavera's is one to callers and to the policies.
func (p *Plan) checkSibling() error {
	of := p.Sibling
	switch {
	case p.Family != of.Family, p.Billed != of.Billed, p.Capped != of.Capped:
		return fmt.Errorf("option (mavera.options.v1.call): family, billed or capped is not that of %s", of.RPC)
	case p.Idempotency != of.Idempotency:
		return fmt.Errorf("is %s, and %s is %s", p.Idempotency, of.RPC, of.Idempotency)
	case p.hasBody != of.hasBody:
		return fmt.Errorf("body is not that of %s", of.RPC)
	case p.Kind != Events && p.output != of.output:
		return fmt.Errorf("returns %s, and %s returns %s", p.output.desc.Name(), of.RPC, of.output.desc.Name())
	case p.Kind == Watch && (len(p.pathFields) == 0 || p.output.shape != shapeObject):
		return fmt.Errorf("GET %s is of no single resource to watch", p.Route)
	case p.Kind == Upload:
		return nil
	}
	return sameFields(p.input.desc, of.input.desc)
}

// sameFields reports the first field by which two requests differ: callers move from
// one to the other, and so does the body that is made of it.
func sameFields(a, b protoreflect.MessageDescriptor) error {
	for i := range max(a.Fields().Len(), b.Fields().Len()) {
		if i >= a.Fields().Len() {
			return fmt.Errorf("%s lacks the field %s of %s", a.Name(), b.Fields().Get(i).Name(), b.Name())
		}
		f := a.Fields().Get(i)
		g := b.Fields().ByNumber(f.Number())
		if g == nil || f.Name() != g.Name() || f.Kind() != g.Kind() || f.Cardinality() != g.Cardinality() ||
			f.HasPresence() != g.HasPresence() || f.Message() != g.Message() || f.Enum() != g.Enum() || JSONKey(f) != JSONKey(g) {
			return fmt.Errorf("field %s of %s is not as in %s", f.Name(), a.Name(), b.Name())
		}
	}
	return nil
}

// checkUpload reports whether the messages of an upload are a description of the
// file first, then its bytes. No JSON is made of them here.
func checkUpload(message protoreflect.MessageDescriptor) error {
	fields := message.Fields()
	metadata, chunk := fields.ByName("metadata"), fields.ByName("chunk")
	if fields.Len() != 2 || metadata == nil || metadata.Message() == nil || chunk == nil || chunk.Kind() != protoreflect.BytesKind ||
		metadata.ContainingOneof() == nil || metadata.ContainingOneof() != chunk.ContainingOneof() {
		return fmt.Errorf("%s is no oneof of a message metadata and bytes chunk", message.Name())
	}
	return nil
}
