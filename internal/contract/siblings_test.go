package contract_test

import (
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// shareRules gives the request of a server stream what the contract documents for the
// request of the unary RPC whose route it repeats.
func (w *walk) shareRules() {
	routes := map[string]protoreflect.MethodDescriptor{}
	for _, found := range unaryRPCs() {
		for _, rpc := range found {
			routes[ruleOf(rpc)] = rpc
		}
	}
	eachFile(func(file protoreflect.FileDescriptor) {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				if rpc := methods.Get(j); rpc.IsStreamingServer() {
					w.share(routes[ruleOf(rpc)].Input(), rpc.Input())
				}
			}
		}
	})
}

func (w *walk) share(from, to protoreflect.MessageDescriptor) {
	for i := range to.Fields().Len() {
		if fd := from.Fields().ByName(to.Fields().Get(i).Name()); fd != nil {
			w.rules[to.Fields().Get(i).FullName()] = w.rules[fd.FullName()]
		}
	}
	for i := range to.Oneofs().Len() {
		if oneof := from.Oneofs().ByName(to.Oneofs().Get(i).Name()); oneof != nil {
			w.rules[to.Oneofs().Get(i).FullName()] = w.rules[oneof.FullName()]
		}
	}
}

func ruleOf(rpc protoreflect.MethodDescriptor) string {
	rule, _ := proto.GetExtension(rpc.Options(), annotations.E_Http).(*annotations.HttpRule)
	return rule.String()
}
