// Command thirdparty writes the .proto files of others that ours import:
// google/api, google/rpc and buf/validate.
//
// They are printed from the descriptors inside the Go packages that generated
// code imports, at the versions pinned in tools/go.mod. So they fit that code,
// and nothing is fetched from a schema registry. Descriptors carry no comments:
// for documentation see the originals, which the header of each file names.
//
// Usage: thirdparty DIR
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// source is one file to print and where it comes from.
type source struct {
	file protoreflect.FileDescriptor
	// module is the Go module that holds the descriptor.
	module string
	// owner and origin are the copyright holder and the home of the original.
	owner, origin string
}

const (
	apiModule      = "google.golang.org/genproto/googleapis/api"
	rpcModule      = "google.golang.org/genproto/googleapis/rpc"
	validateModule = "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go"

	googleOwner    = "Google LLC"
	googleOrigin   = "github.com/googleapis/googleapis"
	validateOwner  = "Buf Technologies, Inc."
	validateOrigin = "github.com/bufbuild/protovalidate"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "thirdparty:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("want one argument, the directory to write into")
	}
	versions, err := moduleVersions()
	if err != nil {
		return err
	}
	sources := []source{
		{annotations.File_google_api_annotations_proto, apiModule, googleOwner, googleOrigin},
		{annotations.File_google_api_http_proto, apiModule, googleOwner, googleOrigin},
		{errdetails.File_google_rpc_error_details_proto, rpcModule, googleOwner, googleOrigin},
		{status.File_google_rpc_status_proto, rpcModule, googleOwner, googleOrigin},
		{validate.File_buf_validate_validate_proto, validateModule, validateOwner, validateOrigin},
	}
	for _, src := range sources {
		version, ok := versions[src.module]
		if !ok {
			return fmt.Errorf("%s: module %s is not part of this build", src.file.Path(), src.module)
		}
		if err := write(args[0], src, version); err != nil {
			return fmt.Errorf("%s: %w", src.file.Path(), err)
		}
	}
	return nil
}

// moduleVersions tells which version of every module this program was built with.
func moduleVersions() (map[string]string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, errors.New("built without module information")
	}
	versions := make(map[string]string, len(info.Deps))
	for _, dep := range info.Deps {
		versions[dep.Path] = dep.Version
	}
	return versions, nil
}

func write(root string, src source, version string) error {
	printer := protoprint.Printer{}
	text, err := printer.PrintProtoToString(src.file)
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	path := filepath.Join(root, filepath.FromSlash(src.file.Path()))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.WriteFile(path, []byte(header(src, version)+spreadLists(text)), 0o644); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

func header(src source, version string) string {
	lines := []string{
		"Printed by tools/thirdparty from the descriptor in the Go module",
		"  " + src.module + " " + version,
		"DO NOT EDIT: change the version in tools/go.mod and run `make third-party`.",
		"",
		"The original, with its documentation, is " + src.file.Path() + " in",
		src.origin + ". Copyright " + src.owner + ", licensed under the",
		"Apache License, Version 2.0 (http://www.apache.org/licenses/LICENSE-2.0).",
		"Changed: the comments are lost, and lists of messages are repeated fields.",
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.TrimRight("// "+line, " ") + "\n")
	}
	b.WriteString("\n")
	return b.String()
}
