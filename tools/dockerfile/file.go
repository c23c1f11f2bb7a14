package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// A file is a parsed Dockerfile.
type file struct {
	stages   []instructions.Stage
	global   []instructions.ArgCommand
	warnings []string // of BuildKit
}

// parse reads a Dockerfile as BuildKit does.
func parse(text io.Reader) (*file, error) {
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	f := new(file)
	for _, warning := range tree.Warnings {
		f.warnings = append(f.warnings, warning.Short)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, _ []parser.Range) {
		f.warnings = append(f.warnings, rule+": "+message)
	}})
	if f.stages, f.global, err = instructions.Parse(tree.AST, lint); err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	return f, nil
}

// image is a pinned image: a tag that is no moving one, or a digest.
var image = regexp.MustCompile(`(:[0-9][^:@/]*|@sha256:[0-9a-f]{64})$`)

// complaints are what is wrong with the file, in its order.
func (f *file) complaints() []string {
	complaints := slices.Clone(f.warnings)
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	names := []string{"scratch"}
	for i := range f.stages {
		stage := &f.stages[i]
		base, err := f.resolve(stage.BaseName)
		switch {
		case err != nil:
			complain("FROM %s: %v", stage.BaseName, err)
		case !slices.Contains(names, base) && !image.MatchString(base):
			complain("FROM %s: the image has neither a version nor a digest", base)
		}
		for _, command := range stage.Commands {
			switch command := command.(type) {
			case *instructions.AddCommand:
				complain("ADD %s: COPY does what it says", strings.Join(command.SourcePaths, " "))
			case *instructions.HealthCheckCommand:
				complain("HEALTHCHECK: Kubernetes ignores it, and the image has no program for it")
			case *instructions.CopyCommand:
				if command.From != "" && !slices.Contains(names, command.From) {
					complain("COPY --from=%s: there is no such stage before", command.From)
				}
			}
		}
		names = append(names, stage.Name)
	}
	if len(f.stages) == 0 {
		return append(complaints, "there is no stage")
	}
	complaints = append(complaints, last(&f.stages[len(f.stages)-1])...)
	if f.buildLine() == "" {
		complain("there is no RUN with go build")
	}
	return complaints
}

// last are the complaints about the stage that becomes the image.
func last(stage *instructions.Stage) []string {
	var user string
	entry := false
	for _, command := range stage.Commands {
		switch command := command.(type) {
		case *instructions.UserCommand:
			user = command.User
		case *instructions.EntrypointCommand:
			entry = !command.PrependShell
		}
	}
	var complaints []string
	if stage.BaseName != "scratch" {
		complaints = append(complaints, "the image is not made from scratch")
	}
	if !regexp.MustCompile(`^[1-9][0-9]*(:[1-9][0-9]*)?$`).MatchString(user) {
		complaints = append(complaints, fmt.Sprintf("USER %q: want the number of a user who is not root", user))
	}
	if !entry {
		complaints = append(complaints, "ENTRYPOINT: want the JSON form, the image has no shell")
	}
	return complaints
}

// resolve puts the defaults of the file's own arguments into the name of an image.
func (f *file) resolve(name string) (string, error) {
	var environment []string
	for _, arg := range f.global {
		for _, pair := range arg.Args {
			environment = append(environment, pair.Key+"="+pair.ValueString())
		}
	}
	resolved, _, err := shell.NewLex('\\').ProcessWord(name, shell.EnvsFromSlice(environment))
	if err != nil {
		return "", fmt.Errorf("resolve: %w", err)
	}
	return resolved, nil
}

// buildLine is the command line that builds the program, "" when there is none.
func (f *file) buildLine() string {
	for i := range f.stages {
		stage := &f.stages[i]
		for _, command := range stage.Commands {
			run, ok := command.(*instructions.RunCommand)
			if ok && strings.Contains(strings.Join(run.CmdLine, " "), "go build") {
				return strings.Join(run.CmdLine, " ")
			}
		}
	}
	return ""
}
