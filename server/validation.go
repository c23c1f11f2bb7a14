package server

import (
	"context"
	"errors"
	"fmt"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// validation checks request messages against the constraints of their protos
// (buf.validate) and translates them, so that a caller learns of every fault at
// once and nothing that is wrong gets any further.
type validation struct{ validator protovalidate.Validator }

// newValidator compiles the constraints of all requests before the first call.
func newValidator(plans []*transcode.Plan) (protovalidate.Validator, error) {
	messages := make([]proto.Message, len(plans))
	for i, p := range plans {
		messages[i] = p.NewInput()
	}
	validator, err := protovalidate.New(protovalidate.WithMessages(messages...), protovalidate.WithDisableLazy())
	if err != nil {
		return nil, fmt.Errorf("compile constraints: %w", err)
	}
	return validator, nil
}

func (v validation) unary(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if c := callOf(ctx); c.plan != nil {
		if err := v.check(c, in); err != nil {
			return nil, err
		}
	}
	return next(ctx, in)
}

// stream reads the one request of a server stream. Every attempt below sends what it
// was translated to; the message itself need not be kept for as long as the stream
// goes on. The messages of an upload are for its handler to judge, as they come.
func (v validation) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	c := callOf(stream.Context())
	if c.plan == nil || c.plan.Kind == transcode.Upload {
		return next(srv, stream)
	}
	in := c.plan.NewInput()
	if err := stream.RecvMsg(in); err != nil {
		return &receiveError{err}
	}
	if err := v.check(c, in); err != nil {
		return err
	}
	return next(srv, stream)
}

// A receiveError is why a request could not be read, with grpc-go's own status.
type receiveError struct{ error }

func (e *receiveError) Unwrap() error { return e.error }

func (v validation) check(c *call, in any) error {
	message, ok := in.(proto.Message)
	if !ok {
		return mavera.NewFailure(mavera.Panicked, fmt.Errorf("request is a %T", in))
	}
	violations, err := v.constraints(message)
	if err != nil {
		return mavera.NewFailure(mavera.Panicked, err)
	}
	request, err := c.plan.Request(message)
	if err != nil {
		invalid := (*transcode.InvalidRequestError)(nil)
		if !errors.As(err, &invalid) {
			return mavera.NewFailure(mavera.Panicked, err)
		}
		violations = add(violations, invalid.Violations)
	}
	if len(violations) > 0 {
		return mavera.NewFailure(mavera.InvalidRequest, err, violations...)
	}
	c.request = request
	if asked, ok := in.(interface{ GetModel() string }); ok {
		c.model = asked.GetModel()
	}
	return nil
}

// add appends what is not about a field that has a violation already: an empty
// id breaks both a constraint and the path.
func add(violations, more []transcode.Violation) []transcode.Violation {
	known := make(map[string]bool, len(violations))
	for _, v := range violations {
		known[v.Field] = true
	}
	for _, v := range more {
		if !known[v.Field] {
			violations = append(violations, v)
		}
	}
	return violations
}

// constraints lists what breaks a constraint.
func (v validation) constraints(message proto.Message) ([]transcode.Violation, error) {
	err := v.validator.Validate(message)
	if err == nil {
		return nil, nil
	}
	invalid := (*protovalidate.ValidationError)(nil)
	if !errors.As(err, &invalid) {
		return nil, fmt.Errorf("validate: %w", err)
	}
	var violations []transcode.Violation
	for _, violation := range invalid.Violations {
		if violation.Proto.GetRuleId() == "required" && given(message, violation) {
			continue
		}
		violations = append(violations, transcode.Violation{
			Field:       protovalidate.FieldPathString(violation.Proto.GetField()),
			Description: violation.Proto.GetMessage(),
		})
	}
	return violations, nil
}

// given reports whether a required field that is unset comes in additional_fields:
// what is sent is the two together.
func given(message proto.Message, violation *protovalidate.Violation) bool {
	parent := message.ProtoReflect()
	elements := violation.Proto.GetField().GetElements()
	for _, element := range elements[:max(len(elements)-1, 0)] {
		fd := parent.Descriptor().Fields().ByName(protoreflect.Name(element.GetFieldName()))
		if fd == nil || fd.Message() == nil {
			return false
		}
		switch value := parent.Get(fd); {
		case fd.IsList():
			parent = value.List().Get(int(element.GetIndex())).Message()
		case fd.IsMap():
			return false
		default:
			parent = value.Message()
		}
	}
	extra := parent.Descriptor().Fields().ByName("additional_fields")
	if extra == nil || len(elements) == 0 {
		return false
	}
	fields, ok := parent.Get(extra).Message().Interface().(*structpb.Struct)
	if !ok {
		return false
	}
	name := protoreflect.Name(elements[len(elements)-1].GetFieldName())
	if fd := parent.Descriptor().Fields().ByName(name); fd != nil {
		return fields.GetFields()[transcode.JSONKey(fd)] != nil
	}
	// Of a oneof any member will do.
	oneof := parent.Descriptor().Oneofs().ByName(name)
	for i := 0; oneof != nil && i < oneof.Fields().Len(); i++ {
		if fields.GetFields()[transcode.JSONKey(oneof.Fields().Get(i))] != nil {
			return true
		}
	}
	return false
}
