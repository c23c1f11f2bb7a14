package transcode

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// A Request is one HTTP request to the Mavera API, without host and headers. It
// can be sent any number of times.
type Request struct {
	// Method is the HTTP method.
	Method string
	// Target is the escaped path below the base URL, with the query if there is one.
	Target string
	// Body is the JSON body, nil for none.
	Body []byte
	// Resource is what the path names, for NOT_FOUND: the collection, such as
	// "workspaces/members", and the id. The id is empty where the path has none.
	Resource struct{ Type, Name string }

	page *pageRequest
}

// A Violation is one fault of a request message.
type Violation struct {
	// Field is the path of the proto field, for instance "tools[0].parameters_json".
	Field string
	// Description says what is wrong with it.
	Description string
}

// An InvalidRequestError lists every fault of a request message that was found.
type InvalidRequestError struct{ Violations []Violation }

func (e *InvalidRequestError) Error() string {
	var b strings.Builder
	for i, v := range e.Violations {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(v.Field + ": " + v.Description)
	}
	return b.String()
}

// Request translates a request message of the plan's RPC. A message that cannot
// be translated gives an [*InvalidRequestError].
func (p *Plan) Request(in protoreflect.ProtoMessage) (*Request, error) {
	msg := in.ProtoReflect()
	if msg.Descriptor().FullName() != p.input.desc.FullName() {
		return nil, fmt.Errorf("%s takes %s, not %s", p.RPC, p.input.desc.FullName(), msg.Descriptor().FullName())
	}
	if p.Kind == Upload {
		return nil, fmt.Errorf("%s: an upload is no single request", p.RPC)
	}
	var e encoder
	r := &Request{Method: p.HTTPMethod}
	path := p.expand(&e, msg, r)
	if p.hasBody {
		if err := p.body(&e, msg); err != nil {
			return nil, err
		}
		r.Body = e.out
		if p.Kind == Events {
			r.Body = askStream(r.Body)
		}
	}
	query := p.queryOf(&e, msg)
	if p.paging != nil {
		query = p.askPage(&e, msg, r, path, query)
	}
	if len(e.violations) > 0 {
		return nil, &InvalidRequestError{Violations: e.violations}
	}
	r.Target = path
	if len(query) > 0 {
		r.Target = path + "?" + string(query)
	}
	return r, nil
}

// expand fills the path.
func (p *Plan) expand(e *encoder, msg protoreflect.Message, r *Request) string {
	ids := make([]string, len(p.pathFields))
	for i, f := range p.pathFields {
		ids[i] = msg.Get(f.desc).String()
		if err := checkID(ids[i]); err != nil {
			e.violatef(f.name, "%v", err)
		}
		r.Resource.Name = ids[i]
	}
	r.Resource.Type = p.resourceType
	return p.template.expand(ids)
}

// queryOf writes the fields that travel in the query.
func (p *Plan) queryOf(e *encoder, msg protoreflect.Message) []byte {
	if len(p.queryFields) == 0 {
		return nil
	}
	q := make([]byte, 0, 64) // most fit in
	for _, f := range p.queryFields {
		if !msg.Has(f.desc) {
			continue
		}
		v := msg.Get(f.desc)
		if !f.list {
			if text := e.param(f, v); text != "" || f.kind == protoreflect.StringKind {
				q = appendParam(q, f.key, text)
			}
			continue
		}
		items := make([]string, v.List().Len())
		for i := range items {
			items[i] = e.param(f, v.List().Get(i))
			if strings.Contains(items[i], ",") {
				e.violatef(fmt.Sprintf("%s[%d]", f.name, i), "must not hold a comma")
			}
		}
		q = appendParam(q, f.key, strings.Join(items, ","))
	}
	return q
}

// param spells a scalar of the query; an enum that says nothing is empty.
func (e *encoder) param(f *field, v protoreflect.Value) string {
	switch f.kind {
	case protoreflect.StringKind:
		return v.String()
	case protoreflect.EnumKind:
		word, ok := f.enum.words[v.Enum()]
		if !ok && v.Enum() != 0 {
			e.violatef(f.name, "%d is no value of %s", v.Enum(), f.desc.Enum().Name())
		}
		return string(word)
	case protoreflect.DoubleKind:
		scalar := encoder{path: []step{{name: f.name, index: fieldStep}}}
		scalar.double(v.Float())
		e.violations = append(e.violations, scalar.violations...)
		return string(scalar.out)
	case protoreflect.BoolKind:
		return strconv.FormatBool(v.Bool())
	default:
		return strconv.FormatInt(v.Int(), 10)
	}
}

func appendParam(q []byte, key, value string) []byte {
	if len(q) > 0 {
		q = append(q, '&')
	}
	q = append(q, url.QueryEscape(key)...)
	q = append(q, '=')
	return append(q, url.QueryEscape(value)...)
}

// askPage adds the parameters of the page.
func (p *Plan) askPage(e *encoder, msg protoreflect.Message, r *Request, path string, query []byte) []byte {
	size := msg.Get(p.pageSize.desc).Int()
	if size < 0 {
		e.violatef(p.pageSize.name, "must not be negative")
		return query
	}
	query, page, err := p.paging.ask(query, int32(size), msg.Get(p.pageToken.desc).String(), p.list(path, query))
	if err != nil {
		e.violatef(p.pageToken.name, "%v", err)
	}
	r.page = page
	return query
}

// list names the list that a path and the filters in a query ask for.
func (p *Plan) list(path string, filters []byte) filteredList {
	return filteredList{procedure: p.Procedure, path: path, filters: filters}
}

// body writes the JSON body: every field that is neither in the path nor about
// the call itself.
func (p *Plan) body(e *encoder, msg protoreflect.Message) error {
	w, err := marshal(msg.Interface())
	if err != nil {
		return fmt.Errorf("%s: %w", p.RPC, err)
	}
	e.reserve(w)
	if p.updateMask != nil && msg.Has(p.updateMask.desc) {
		mask, _ := msg.Get(p.updateMask.desc).Message().Interface().(*fieldmaskpb.FieldMask)
		if len(mask.GetPaths()) > 0 {
			e.masked(p, w, mask.GetPaths())
			return nil
		}
	}
	e.object(p.input, w, p.notInBody, p.reserved...)
	return nil
}

// askStream adds to a body, which is an object, what makes Mavera answer with
// server-sent events (/guides/streaming).
func askStream(body []byte) []byte {
	body = body[:len(body)-1]
	if len(body) > len("{") {
		body = append(body, ',')
	}
	return append(body, `"stream":true}`...)
}

func names(fields []*field) string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.name
	}
	return strings.Join(out, ", ")
}
