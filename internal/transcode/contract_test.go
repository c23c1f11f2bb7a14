package transcode

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mavera-gateway/mavera-gateway/internal/contract"
)

// TestContract walks every unary RPC: each needs all that the gateway must know about
// it, and fixtures that set every field of its request. Their goldens are for
// TestRequests to miss.
func TestContract(t *testing.T) {
	all := slices.DeleteFunc(slices.Clone(plans(t)), func(p *Plan) bool { return p.Kind != Unary })
	operations := string(contract.OpenAPI)
	if got, want := len(all), strings.Count(operations, "operationId: "); got != want {
		t.Errorf("%d RPCs, the contract has %d operations", got, want)
	}
	for _, p := range all {
		t.Run(p.RPC, func(t *testing.T) {
			if !strings.Contains(operations, "operationId: "+strings.ToLower(p.RPC[:1])+p.RPC[1:]+"\n") {
				t.Error("the contract has no such operation")
			}
			if p.Family == "" || p.AttemptTimeout <= 0 || p.TotalTimeout < p.AttemptTimeout {
				t.Errorf("family %q, timeouts %v and %v", p.Family, p.AttemptTimeout, p.TotalTimeout)
			}
			if (p.HTTPMethod == http.MethodGet) != (p.Idempotency == Safe) {
				t.Errorf("%s is %s", p.HTTPMethod, p.Idempotency)
			}
			unset := make(map[protoreflect.FullName]bool)
			fieldsOf(p.input, unset)
			for _, f := range fixtures(t, p) {
				cross(f.message(t, p).ProtoReflect(), unset)
			}
			for name := range unset {
				t.Errorf("no fixture sets %s", name)
			}
		})
	}
}

// fieldsOf collects the fields of a request message and of what it holds.
func fieldsOf(m *message, into map[protoreflect.FullName]bool) {
	if m.shape == shapeStruct || m.shape == shapeValue || m.shape == shapeTime {
		return
	}
	for _, f := range m.byNumber {
		if f == nil || into[f.desc.FullName()] || m.desc.FullName() == fieldMaskName {
			continue
		}
		if m.shape != shapeUnion || f != m.extra { // which stands for members yet unknown
			into[f.desc.FullName()] = true
		}
		if f.msg != nil {
			fieldsOf(f.msg, into)
		}
	}
}

// cross takes the fields that are set in msg off the list.
func cross(msg protoreflect.Message, list map[protoreflect.FullName]bool) {
	msg.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		delete(list, fd.FullName())
		switch {
		case fd.Message() == nil || fd.IsMap():
		case fd.IsList():
			for i := range v.List().Len() {
				cross(v.List().Get(i).Message(), list)
			}
		default:
			cross(v.Message(), list)
		}
		return true
	})
}
