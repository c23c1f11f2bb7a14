package contract_test

import (
	"strings"
	"unicode"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	optionsv1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/options/v1"
	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

func eachFile(visit func(protoreflect.FileDescriptor)) {
	pkg := maverav1.File_mavera_v1_common_proto.Package()
	protoregistry.GlobalFiles.RangeFilesByPackage(pkg, func(file protoreflect.FileDescriptor) bool {
		visit(file)
		return true
	})
}

func eachMessage(visit func(protoreflect.MessageDescriptor)) {
	eachFile(func(file protoreflect.FileDescriptor) {
		for i := range file.Messages().Len() {
			visit(file.Messages().Get(i))
		}
	})
}

func jsonOption(md protoreflect.MessageDescriptor) *optionsv1.Json {
	option, _ := proto.GetExtension(md.Options(), optionsv1.E_Json).(*optionsv1.Json)
	return option
}

func fieldOption(fd protoreflect.FieldDescriptor) *optionsv1.Field {
	option, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
	return option
}

// fieldByKey returns the field that stands under a JSON key.
func fieldByKey(md protoreflect.MessageDescriptor, key string) protoreflect.FieldDescriptor {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if option := fieldOption(fd); !option.GetRawJson() && first(option.GetName(), string(fd.Name())) == key {
			return fd
		}
	}
	return nil
}

// spellings returns the words of an enum.
func spellings(ed protoreflect.EnumDescriptor) []string {
	var out []string
	prefix := strings.ToUpper(snake(string(ed.Name()))) + "_"
	for i := range ed.Values().Len() {
		value := ed.Values().Get(i)
		option, _ := proto.GetExtension(value.Options(), optionsv1.E_Value).(*optionsv1.Value)
		name := strings.ToLower(strings.TrimPrefix(string(value.Name()), prefix))
		out = append(out, first(option.GetName(), name))
	}
	return out
}

// first returns a, or b where a is empty.
func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// snake turns camelCase and PascalCase into snake_case.
func snake(name string) string {
	var out strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}
