package transcode

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	optionsv1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/options/v1"
)

// Idempotency says what a repeated call does (RFC 9110 section 9.2).
type Idempotency int

// The levels, from the standard option idempotency_level.
const (
	NonIdempotent Idempotency = iota // unset: a repeat may do it twice
	Idempotent                       // IDEMPOTENT: a repeat changes nothing more
	Safe                             // NO_SIDE_EFFECTS: it changes nothing at all
)

func (i Idempotency) String() string {
	return [...]string{"non-idempotent", "idempotent", "safe"}[i]
}

// A Plan is one RPC, compiled: all that the gateway needs to know about it. It
// does not change once it is made.
type Plan struct {
	// Procedure is the full gRPC method, "/mavera.v1.PersonasService/GetPersona".
	Procedure string
	// Service is the full name of the service, "mavera.v1.PersonasService".
	Service string
	// File is the path of the .proto file, for reflection.
	File string
	// RPC is the name of the method, "GetPersona".
	RPC string
	// Kind is how the messages of the RPC travel.
	Kind Kind
	// Sibling is the unary RPC whose route a stream repeats; nil for unary RPCs.
	Sibling *Plan
	// HTTPMethod and Route are the upstream route, "GET" and "/personas/{id}".
	HTTPMethod, Route string
	// Endpoint is the two together, "GET /personas/{id}".
	Endpoint string
	// Family is the group of endpoints that share limits.
	Family string
	// Idempotency is what a repeated call does.
	Idempotency Idempotency
	// Billed says whether a call can cost credits.
	Billed bool
	// Capped says whether a call takes one of the family's slots.
	Capped bool
	// AttemptTimeout bounds one upstream attempt: of a unary RPC until the whole
	// answer is there, of Events until the first event is. Of an upload it bounds the
	// time without progress.
	AttemptTimeout time.Duration
	// TotalTimeout bounds the call when the caller has set no deadline; 0 for streams,
	// which have none.
	TotalTimeout time.Duration

	template      template
	resourceType  string // see [Request]
	input, output *message
	inputType     protoreflect.MessageType
	hasBody       bool
	pathFields    []*field
	queryFields   []*field
	bodyFields    []*field
	notInBody     set      // fields of the request that the body leaves out
	reserved      []string // keys of the body that callers cannot add
	updateMask    *field
	paging        *paging
	pageSize      *field
	pageToken     *field
	hook          hook       // of an RPC whose answers come in two forms, or nil
	decoders      *sync.Pool // of *decoder
}

// NewInput returns an empty request message of the RPC.
func (p *Plan) NewInput() proto.Message { return p.inputType.New().Interface() }

// OutputDescriptor describes the answers of the RPC.
func (p *Plan) OutputDescriptor() protoreflect.MessageDescriptor { return p.output.desc }

// fieldMaskName is the type of update_mask.
const fieldMaskName = "google.protobuf.FieldMask"

// Compile makes the plans of all RPCs of the services, in their order. Every mistake
// in the protos is reported, each with the RPC and the field it is about.
func Compile(services ...protoreflect.ServiceDescriptor) ([]*Plan, error) {
	types := &schemas{
		messages: make(map[protoreflect.FullName]*message),
		enums:    make(map[protoreflect.FullName]*enum),
	}
	var methods []protoreflect.MethodDescriptor
	for _, service := range services {
		for i := range service.Methods().Len() {
			methods = append(methods, service.Methods().Get(i))
		}
	}
	plans, errs := make([]*Plan, len(methods)), make([]error, len(methods))
	known := make(routes)
	for _, streams := range []bool{false, true} { // a stream repeats the route of a unary RPC
		for i, method := range methods {
			if isStream(method) != streams {
				continue
			}
			var err error
			if plans[i], err = types.plan(method); err == nil {
				err = known.add(plans[i])
			}
			if err != nil {
				errs[i] = fmt.Errorf("rpc %s: %w", method.FullName(), err)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return plans, nil
}

func (s *schemas) plan(method protoreflect.MethodDescriptor) (*Plan, error) {
	p := &Plan{
		decoders: new(sync.Pool),
		Service:  string(method.Parent().FullName()),
		File:     method.ParentFile().Path(),
		RPC:      string(method.Name()),
	}
	p.Procedure = "/" + p.Service + "/" + p.RPC
	rule, err := p.route(method)
	if err != nil {
		return nil, err
	}
	if p.Kind, err = kindOf(method, p.HTTPMethod); err != nil {
		return nil, err
	}
	if err := p.call(method); err != nil {
		return nil, err
	}
	if p.output, err = s.message(method.Output()); err != nil {
		return nil, err
	}
	switch {
	case p.Kind == Events && p.output.shape != shapeEvent:
		return nil, errors.New("the answer must be an event")
	case p.Kind != Events && p.output.shape != shapeObject && p.output.shape != shapePage:
		return nil, errors.New("the answer must be an object")
	}
	switch rule.GetBody() {
	case "":
	case "*":
		p.hasBody = true
	default:
		return nil, fmt.Errorf("body %q: only \"*\" or none", rule.GetBody())
	}
	if p.hasBody && (p.HTTPMethod == http.MethodGet || p.HTTPMethod == http.MethodDelete) {
		return nil, fmt.Errorf("%s has no body", p.HTTPMethod)
	}
	if err := s.request(p, method.Input()); err != nil {
		return nil, err
	}
	p.hook = hookOf(p.RPC)
	p.inputType, err = protoregistry.GlobalTypes.FindMessageByName(method.Input().FullName())
	if err != nil {
		return nil, fmt.Errorf("no Go type for %s: %w", method.Input().FullName(), err)
	}
	return p, lossless(p.output, make(map[*message]bool))
}

// request compiles the request message. That of an upload is no JSON.
func (s *schemas) request(p *Plan, desc protoreflect.MessageDescriptor) error {
	if p.Kind == Upload {
		p.input = &message{desc: desc}
		return checkUpload(desc)
	}
	var err error
	if p.input, err = s.message(desc); err != nil {
		return err
	}
	if p.input.shape != shapeObject || p.input.shorthand != nil {
		return errors.New("the request must be an object")
	}
	return p.assign()
}

// lossless reports the first object of an answer that has no place for what the
// proto does not model.
func lossless(m *message, seen map[*message]bool) error {
	if m == nil || seen[m] {
		return nil
	}
	seen[m] = true
	if m.shape == shapeObject && m.extra == nil && m.desc.FullName() != unknownEventName {
		return fmt.Errorf("message %s is part of the answer and lacks %s", m.desc.FullName(), additionalName)
	}
	for _, f := range m.fields {
		if err := lossless(f.msg, seen); err != nil {
			return err
		}
	}
	return nil
}

// route reads google.api.http.
func (p *Plan) route(method protoreflect.MethodDescriptor) (*annotations.HttpRule, error) {
	rule, _ := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	switch pattern := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		p.HTTPMethod, p.Route = http.MethodGet, pattern.Get
	case *annotations.HttpRule_Post:
		p.HTTPMethod, p.Route = http.MethodPost, pattern.Post
	case *annotations.HttpRule_Put:
		p.HTTPMethod, p.Route = http.MethodPut, pattern.Put
	case *annotations.HttpRule_Patch:
		p.HTTPMethod, p.Route = http.MethodPatch, pattern.Patch
	case *annotations.HttpRule_Delete:
		p.HTTPMethod, p.Route = http.MethodDelete, pattern.Delete
	default:
		return nil, errors.New("option (google.api.http) is missing")
	}
	if len(rule.GetAdditionalBindings()) > 0 || rule.GetResponseBody() != "" {
		return nil, errors.New("option (google.api.http): additional_bindings and response_body have no meaning here")
	}
	var err error
	p.template, err = parseTemplate(p.Route)
	p.Endpoint = p.HTTPMethod + " " + p.Route
	p.resourceType = cmp.Or(p.template.collection(), strings.Trim(p.template.route(), "/"))
	return rule, err
}

// call reads (mavera.options.v1.call) and idempotency_level.
func (p *Plan) call(method protoreflect.MethodDescriptor) error {
	call, _ := proto.GetExtension(method.Options(), optionsv1.E_Call).(*optionsv1.Call)
	switch {
	case call == nil:
		return errors.New("option (mavera.options.v1.call) is missing")
	case call.GetFamily() == "":
		return errors.New("option (mavera.options.v1.call) names no family")
	case call.GetAttemptTimeout().AsDuration() <= 0:
		return errors.New("option (mavera.options.v1.call) has no attempt_timeout")
	case p.Kind != Unary && call.GetTotalTimeout() != nil:
		return errors.New("option (mavera.options.v1.call): a stream has no total_timeout")
	case p.Kind == Unary && call.GetTotalTimeout().AsDuration() < call.GetAttemptTimeout().AsDuration():
		return errors.New("option (mavera.options.v1.call): total_timeout is below attempt_timeout")
	}
	p.Family, p.Billed, p.Capped = call.GetFamily(), call.GetBilled(), call.GetCapped()
	p.AttemptTimeout, p.TotalTimeout = call.GetAttemptTimeout().AsDuration(), call.GetTotalTimeout().AsDuration()

	opts, _ := method.Options().(*descriptorpb.MethodOptions)
	switch opts.GetIdempotencyLevel() {
	case descriptorpb.MethodOptions_NO_SIDE_EFFECTS:
		p.Idempotency = Safe
	case descriptorpb.MethodOptions_IDEMPOTENT:
		p.Idempotency = Idempotent
	case descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN:
		p.Idempotency = NonIdempotent
	}
	if (p.HTTPMethod == http.MethodGet) != (p.Idempotency == Safe) {
		return fmt.Errorf("%s with idempotency_level %s: GET, and nothing else, has NO_SIDE_EFFECTS", p.HTTPMethod, opts.GetIdempotencyLevel())
	}
	if paging := call.GetPaging(); paging != nil {
		p.paging = compilePaging(paging)
	}
	return nil
}

// assign decides for every field of the request where it travels.
func (p *Plan) assign() error {
	for _, name := range p.template.variables {
		f := p.input.named(name)
		if f == nil || f.kind != protoreflect.StringKind || f.list {
			return fmt.Errorf("path variable %q is no string field of %s", name, p.input.desc.Name())
		}
		if slices.Contains(p.pathFields, f) {
			return fmt.Errorf("path variable %q occurs twice", name)
		}
		p.pathFields = append(p.pathFields, f)
		p.reserved = append(p.reserved, f.key)
		p.notInBody.add(f)
	}
	p.reserved = append(p.reserved, "stream") // decides between one answer and a stream
	for _, f := range p.input.fields {
		switch {
		case slices.Contains(p.pathFields, f):
		case f.name == "page_size" && f.kind == protoreflect.Int32Kind:
			p.pageSize = f
		case f.name == "page_token" && f.kind == protoreflect.StringKind:
			p.pageToken = f
		case f.name == "update_mask":
			p.updateMask = f
			p.reserved = append(p.reserved, f.key)
			p.notInBody.add(f)
		case p.hasBody:
			p.bodyFields = append(p.bodyFields, f)
		case f.msg != nil || f.mapped || f.rawJSON:
			return fmt.Errorf("field %s cannot travel in a query", f.name)
		default:
			p.queryFields = append(p.queryFields, f)
		}
	}
	if p.updateMask != nil && (p.HTTPMethod != http.MethodPatch || p.updateMask.msg == nil || p.updateMask.msg.desc.FullName() != fieldMaskName) {
		return fmt.Errorf("update_mask is a %s of a PATCH", fieldMaskName)
	}
	switch {
	case p.hasBody && p.input.extra == nil:
		return fmt.Errorf("%s lacks %s", p.input.desc.Name(), additionalName)
	case p.hasBody && (p.pageSize != nil || p.pageToken != nil):
		return errors.New("a list is asked for without a body")
	case !p.hasBody && p.input.extra != nil:
		return fmt.Errorf("%s has %s but no body to carry them", p.input.desc.Name(), additionalName)
	}
	return p.checkPaging()
}

func (p *Plan) checkPaging() error {
	asked := p.pageSize != nil && p.pageToken != nil
	if (p.pageSize != nil || p.pageToken != nil) != asked || asked != (p.paging != nil) {
		return errors.New("page_size, page_token and the option paging go together")
	}
	if !asked {
		return nil
	}
	page := p.output
	if p.paging.field != "" {
		f := p.output.named(p.paging.field)
		if f == nil || f.msg == nil {
			return fmt.Errorf("paging: %s has no field %q", p.output.desc.Name(), p.paging.field)
		}
		page = f.msg
	}
	if page.shape != shapePage {
		return fmt.Errorf("paging: %s is no page", page.desc.Name())
	}
	if p.paging.envelope == optionsv1.Paging_ENVELOPE_UNSPECIFIED {
		return errors.New("paging: the envelope is missing")
	}
	return nil
}
