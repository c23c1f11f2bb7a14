// Package contracttest holds HTTP exchanges against the upstream contract
// (internal/contract, OpenAPI 3.1).
//
// Load reads the contract; a Validator then checks one request or one answer at
// a time, and Wrap puts a Validator around an http.Handler so that a test fails
// on the first exchange that the contract does not allow. kin-openapi loads the
// document and checks parameters and headers; bodies are checked by the JSON
// Schema 2020-12 engine that kin-openapi itself uses, compiled once per schema
// straight from the document (kin-openapi compiles anew for each body).
//
// What it does not do: credentials are not checked, `discriminator` is ignored
// (every union of the contract is told apart by const, enum or required
// members), unknown members are allowed wherever the contract allows them, and
// the reading rules "every enum is open, every field may be null" are not
// applied: an answer that only those rules would excuse is reported.
//
// Only tests import this package; the product binary never contains it.
package contracttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/oasdiff/yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mavera-gateway/mavera-gateway/internal/contract"
)

// resource is the name under which the document is known to the schema compiler.
const resource = "mem:///openapi.yaml"

// ErrNoOperation says that the contract has no operation for a method and path.
var ErrNoOperation = errors.New("the contract has no such operation")

// Validator checks exchanges against the contract. It is safe for concurrent use.
type Validator struct {
	doc    *openapi3.T
	routes []*Operation

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema // By JSON pointer. Guarded by mu.
}

// Operation is one operation of the contract.
type Operation struct {
	ID     string
	Method string
	// Path is the template, for instance /personas/{id}.
	Path string

	segments []string
	item     *openapi3.PathItem
	spec     *openapi3.Operation
	pointer  string // JSON pointer of the operation in the document.
}

// String returns the method and path template, for instance "GET /personas/{id}".
func (o *Operation) String() string { return o.Method + " " + o.Path }

// Load parses the embedded contract and checks that it is a valid OpenAPI 3.1
// document. It takes some tenths of a second; share the Validator.
func Load() (*Validator, error) {
	doc, err := openapi3.NewLoader().LoadFromData(contract.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("load the contract: %w", err)
	}
	// kin-openapi does not read externalValue and would take such examples for
	// null; the examples have a test of their own.
	if err := doc.Validate(context.Background(), openapi3.DisableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("validate the contract: %w", err)
	}
	text, err := yaml.YAMLToJSON(contract.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("convert the contract to JSON: %w", err)
	}
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parse the contract: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource(resource, tree); err != nil {
		return nil, fmt.Errorf("add the contract to the schema compiler: %w", err)
	}
	v := &Validator{doc: doc, compiler: compiler, compiled: map[string]*jsonschema.Schema{}}
	for path, item := range doc.Paths.Map() {
		for method, spec := range item.Operations() {
			v.routes = append(v.routes, &Operation{
				ID: spec.OperationID, Method: method, Path: path,
				segments: strings.Split(path, "/"), item: item, spec: spec,
				pointer: pointer("paths", path, strings.ToLower(method)),
			})
		}
	}
	sort.Slice(v.routes, func(i, j int) bool { return v.routes[i].ID < v.routes[j].ID })
	return v, nil
}

// Operations returns every operation of the contract, ordered by id.
func (v *Validator) Operations() []*Operation { return append([]*Operation(nil), v.routes...) }

// Find returns the operation for a method and an escaped path below the API's
// base path, and the values of its path parameters. A literal segment wins over
// a parameter. The error wraps ErrNoOperation.
func (v *Validator) Find(method, escapedPath string) (*Operation, map[string]string, error) {
	segments := strings.Split(escapedPath, "/")
	var found *Operation
	var params map[string]string
	for _, op := range v.routes {
		if op.Method != method || len(op.segments) != len(segments) {
			continue
		}
		if values, ok := op.match(segments); ok && (found == nil || len(values) < len(params)) {
			found, params = op, values
		}
	}
	if found == nil {
		return nil, nil, fmt.Errorf("%s %s: %w", method, escapedPath, ErrNoOperation)
	}
	return found, params, nil
}

func (o *Operation) match(segments []string) (map[string]string, bool) {
	params := map[string]string{}
	for i, want := range o.segments {
		if !strings.HasPrefix(want, "{") {
			if segments[i] != want {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(segments[i])
		if err != nil || value == "" {
			return nil, false
		}
		params[strings.Trim(want, "{}")] = value
	}
	return params, true
}

// Request checks method, path, query and body of a request. The path of r is
// taken as one below the API's base path; r.Body is not read.
func (v *Validator) Request(r *http.Request, body []byte) error {
	op, params, err := v.Find(r.Method, r.URL.EscapedPath())
	if err != nil {
		return err
	}
	if err := v.parameters(op, params, r); err != nil {
		return fmt.Errorf("%s: %w", op.ID, err)
	}
	declared := op.spec.RequestBody
	switch {
	case declared == nil && len(body) > 0:
		return fmt.Errorf("%s: body: the operation takes none, got %d bytes", op.ID, len(body))
	case declared == nil, len(body) == 0 && !declared.Value.Required:
		return nil
	case len(body) == 0:
		return fmt.Errorf("%s: body: is required and missing", op.ID)
	}
	media := mediaType(r.Header.Get("Content-Type"))
	if declared.Value.Content[media] == nil {
		return fmt.Errorf("%s: body: content type %q is not in the contract", op.ID, r.Header.Get("Content-Type"))
	}
	if err := v.check(op.pointer+pointer("requestBody", "content", media, "schema"), body); err != nil {
		return fmt.Errorf("%s: body: %w", op.ID, err)
	}
	return nil
}

// parameters checks the query by the contract and refuses parameters that the
// contract does not name.
func (v *Validator) parameters(op *Operation, params map[string]string, r *http.Request) error {
	known := map[string]bool{}
	for _, list := range []openapi3.Parameters{op.item.Parameters, op.spec.Parameters} {
		for _, p := range list {
			if p.Value.In == openapi3.ParameterInQuery {
				known[p.Value.Name] = true
			}
		}
	}
	for name := range r.URL.Query() {
		if !known[name] {
			return fmt.Errorf("query parameter %q is not in the contract", name)
		}
	}
	return openapi3filter.ValidateRequest(r.Context(), v.input(op, params, r))
}

func (v *Validator) input(op *Operation, params map[string]string, r *http.Request) *openapi3filter.RequestValidationInput {
	return &openapi3filter.RequestValidationInput{
		Request:    r,
		PathParams: params,
		Route:      &routers.Route{Spec: v.doc, Path: op.Path, PathItem: op.item, Method: op.Method, Operation: op.spec},
		Options: &openapi3filter.Options{
			ExcludeRequestBody: true, ExcludeResponseBody: true, SkipSettingDefaults: true,
			IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		},
	}
}

// Answer checks status, headers and body of the answer to r. The body is the
// decoded one (not gzip); for text/event-stream every event is checked.
func (v *Validator) Answer(r *http.Request, status int, header http.Header, body []byte) error {
	op, params, err := v.Find(r.Method, r.URL.EscapedPath())
	if err != nil {
		return err
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: v.input(op, params, r), Status: status, Header: header,
		Options: v.input(op, params, r).Options,
	}
	if err := openapi3filter.ValidateResponse(r.Context(), in); err != nil {
		return fmt.Errorf("%s: status %d: %w", op.ID, status, err)
	}
	where, response := v.response(op, status)
	media := mediaType(header.Get("Content-Type"))
	content := response.Content[media]
	if content == nil {
		return fmt.Errorf("%s: status %d: content type %q is not in the contract", op.ID, status, header.Get("Content-Type"))
	}
	where += pointer("content", media, "schema")
	if media == "text/event-stream" {
		err = v.stream(where, content.Schema.Value.Type.Is("string"), body)
	} else {
		err = v.check(where, body)
	}
	if err != nil {
		return fmt.Errorf("%s: status %d: body: %w", op.ID, status, err)
	}
	return nil
}

// response returns the declared answer for a status, and where it is declared.
func (v *Validator) response(op *Operation, status int) (string, *openapi3.Response) {
	key := fmt.Sprint(status)
	ref := op.spec.Responses.Value(key)
	if ref == nil {
		key = "default"
		ref = op.spec.Responses.Value(key)
	}
	if ref.Ref != "" {
		return strings.TrimPrefix(ref.Ref, "#"), ref.Value
	}
	return op.pointer + pointer("responses", key), ref.Value
}

// check validates one JSON text against the schema at a JSON pointer.
func (v *Validator) check(where string, text []byte) error {
	schema, err := v.schema(where)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return schema.Validate(value)
}

func (v *Validator) schema(where string) (*jsonschema.Schema, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.compiled[where]; s != nil {
		return s, nil
	}
	s, err := v.compiler.Compile(resource + "#" + (&url.URL{Path: where}).EscapedPath())
	if err != nil {
		return nil, fmt.Errorf("compile the schema %s: %w", where, err)
	}
	v.compiled[where] = s
	return s, nil
}

// pointer builds a JSON pointer (RFC 6901) from its parts.
func pointer(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(p))
	}
	return b.String()
}

func mediaType(header string) string {
	media, _, _ := strings.Cut(header, ";")
	return strings.ToLower(strings.TrimSpace(media))
}

// Family is the family that x-gateway of the operation names.
func (o *Operation) Family() string {
	hints, _ := o.spec.Extensions["x-gateway"].(map[string]any)
	family, _ := hints["family"].(string)
	return family
}

// Declares reports whether the contract names a status for the operation.
func (o *Operation) Declares(status int) bool {
	return o.spec.Responses.Value(fmt.Sprint(status)) != nil
}
