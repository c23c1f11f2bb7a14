package contract_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/options/v1"
)

// streams checks every RPC that streams: it repeats the route of an operation, takes
// what that takes, and has a place for each of its events.
func (w *walk) streams(t *testing.T, ops []operation) {
	t.Helper()
	byRoute := map[string]operation{}
	for i := range ops {
		byRoute[ops[i].route()] = ops[i]
	}
	eachMethod(func(rpc protoreflect.MethodDescriptor) {
		if !isStream(rpc) {
			return
		}
		t.Run(string(rpc.Name()), func(t *testing.T) {
			op, ok := byRoute[routeOf(t, rpc)]
			if !ok {
				t.Fatalf("no operation has the route %s", routeOf(t, rpc))
			}
			w.op = string(rpc.Name())
			w.options(t, op, rpc)
			if rpc.IsStreamingClient() {
				return // it takes a file, which is no JSON
			}
			w.request(t, op, rpc.Input())
			if jsonOption(rpc.Output()).GetShape() == optionsv1.Json_SHAPE_EVENT {
				w.events(t, op, rpc.Output())
			}
		})
	})
}

func isStream(rpc protoreflect.MethodDescriptor) bool {
	return rpc.IsStreamingClient() || rpc.IsStreamingServer()
}

// events checks that a message has a place for every event of an operation.
func (w *walk) events(t *testing.T, op operation, md protoreflect.MessageDescriptor) {
	t.Helper()
	w.seen[md.FullName()] = true
	if len(op.events) == 0 {
		t.Errorf("%s: no events are documented", op.id)
	}
	for _, event := range op.events {
		name := event["event"].(string)
		if name == "[DONE]" {
			continue // the end of the stream, and no event to callers
		}
		fd := eventMember(md, name)
		if fd == nil {
			t.Errorf("%s: %s has no member for the event %s", w.op, md.FullName(), name)
			continue
		}
		w.seen[fd.FullName()] = true
		w.object(t, event["payload"].(node), fd.Message(), false, jsonOption(md).GetDiscriminator())
	}
}

// eventMember finds the member of an event by its name, "(none)" where it has none.
func eventMember(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		option := fieldOption(fd)
		if name == "(none)" && option.GetUntagged() || first(option.GetTag(), string(fd.Name())) == name {
			return fd
		}
	}
	return nil
}

// eachMethod visits all RPCs of mavera.v1.
func eachMethod(visit func(protoreflect.MethodDescriptor)) {
	eachFile(func(file protoreflect.FileDescriptor) {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				visit(methods.Get(j))
			}
		}
	})
}

// route is method and path, spelled as in the protos.
func (op operation) route() string {
	parts := strings.Split(op.path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, "{") {
			parts[i] = snake(part)
		}
	}
	return op.method + " " + strings.Join(parts, "/")
}
