// Command dockerfile checks a Dockerfile where there is no Docker: with BuildKit's own
// parser, against the rules of this project, and by running its go build line here.
//
//	go run ./dockerfile FILE
//
// FILE is in a folder of the repository's root. The binary of the build must be static.
package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dockerfile FILE")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func run(ctx context.Context, path string) error {
	text, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer text.Close()
	file, err := parse(text)
	if err != nil {
		return err
	}
	if complaints := file.complaints(); len(complaints) > 0 {
		return errors.New(strings.Join(complaints, "\n"))
	}
	return build(ctx, file.buildLine(), filepath.Dir(filepath.Dir(path)))
}

// build runs the build line in the repository and looks at what it makes. Of the
// variables that Docker sets, empty ones mean this machine to Go.
func build(ctx context.Context, line, repository string) error {
	out, err := os.MkdirTemp("", "dockerfile-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer os.RemoveAll(out)
	command := exec.CommandContext(ctx, "sh", "-euc", strings.ReplaceAll(line, "/out/", out+"/"))
	command.Dir, command.Stderr = repository, os.Stderr
	command.Env = append(os.Environ(), "TARGETOS=", "TARGETARCH=")
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	return static(filepath.Join(out, "mavera-gateway"))
}

// static returns an error when a program needs a loader, which the image does not have.
func static(path string) error {
	program, err := elf.Open(path)
	if format := (*elf.FormatError)(nil); errors.As(err, &format) {
		return nil // not Linux: there is nothing to see here
	}
	if err != nil {
		return fmt.Errorf("look at what was built: %w", err)
	}
	defer program.Close()
	for _, segment := range program.Progs {
		if segment.Type == elf.PT_INTERP {
			return errors.New("the binary is linked dynamically, and the image has no libraries")
		}
	}
	return nil
}
