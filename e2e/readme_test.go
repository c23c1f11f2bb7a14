//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// example is the only code of a language in a section of the README, with an address in
// place of the usual one.
func example(t *testing.T, section, language, addr string) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("the README has no section %q", section)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	blocks := regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(rest, -1)
	if len(blocks) != 1 {
		t.Fatalf("%d examples in %s under %q, want one", len(blocks), language, section)
	}
	return strings.ReplaceAll(blocks[0][1], "localhost:50051", addr)
}

// runNode runs a program beside the protos, with the packages of e2e/node.
func runNode(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	for name, target := range map[string]string{"node_modules": "node/node_modules", "proto": "../proto"} {
		target, err := filepath.Abs(target)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(within(t), "node", "--input-type=module", "-")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(program)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("node: %v (make e2e installs what it needs)\n%s", err, output)
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

// TestReadmeNode runs the example for Node as it is printed, but for the address. It ends
// with what the call cost.
func TestReadmeNode(t *testing.T) {
	g := launch(t, nil, "--simulator")
	output := runNode(t, example(t, "Stream answers", "js", g.addr))
	if !regexp.MustCompile(`^Speaking as .+\ncredits: \d+\n$`).MatchString(output) {
		t.Errorf("%s", output)
	}
}

// TestReadmeGrpcurl runs the lines that call grpcurl, as they are printed but for the
// address. Those about something that does not exist fail on purpose.
func TestReadmeGrpcurl(t *testing.T) {
	g := launch(t, nil, "--simulator")
	for line := range strings.Lines(example(t, "Try it", "sh", g.addr)) {
		output, err := shell(t, line)
		if fails := strings.Contains(line, "no-such-"); fails != (err != nil) || output == "" {
			t.Errorf("%s%v\n%s", line, err, output)
		}
	}
}
