//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// readmeSection is the text of a section of the README.
func readmeSection(t *testing.T, title string) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+title+"\n")
	if !found {
		t.Fatalf("the README has no section %q", title)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// block is the only code of a language in a section.
func block(t *testing.T, section, language string) string {
	t.Helper()
	parts := strings.Split(section, "\n```"+language+"\n")
	if len(parts) != 2 {
		t.Fatalf("%d blocks of %s, want one", len(parts)-1, language)
	}
	code, _, _ := strings.Cut(parts[1], "\n```\n")
	return code + "\n"
}

// runNode runs a program at the root of the repository, with the packages of e2e/node.
func runNode(t *testing.T, program string) string {
	t.Helper()
	modules, err := filepath.Abs("node/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(within(t), "node", "-")
	cmd.Dir, cmd.Stdin = "..", strings.NewReader(program)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("node: %v\n%s", err, output)
	}
	return string(output)
}

// runGo builds a program as part of this module, where it has no place, and runs it.
func runGo(t *testing.T, program string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	source, overlay, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "program")
	place, err := filepath.Abs("readme/main.go")
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(object{"Replace": object{place: source}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{source: program, overlay: string(replace)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if output, err := exec.Command("go", "build", "-overlay", overlay, "-o", binary, "./readme").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	output, err := exec.CommandContext(within(t), binary, args...).CombinedOutput()
	if err != nil {
		t.Errorf("run: %v\n%s", err, output)
	}
	return string(output)
}
