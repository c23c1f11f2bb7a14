//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// blocks are the examples of the README in a language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, match := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		found = append(found, match[1])
	}
	if len(found) == 0 {
		t.Fatalf("the README has no examples in %s", language)
	}
	return found
}

// TestReadmeNode runs the examples for Node as they are printed, but for the address.
func TestReadmeNode(t *testing.T) {
	g := launch(t, nil, "--simulator")
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
	for _, example := range blocks(t, "js") {
		cmd := exec.CommandContext(within(t), "node", "--input-type=module", "-")
		cmd.Dir = dir
		cmd.Stdin = strings.NewReader(strings.ReplaceAll(example, "localhost:50051", g.addr))
		output, err := cmd.CombinedOutput()
		// Each ends with what the call cost.
		if err != nil || !regexp.MustCompile(`^Speaking as .+\ncredits: \d+\n$`).Match(output) {
			t.Errorf("%v (make e2e installs what it needs)\n%s\n%s", err, example, output)
		}
	}
}

// TestReadmeGrpcurl runs the lines that call grpcurl, as they are printed but for the
// address. Those about something that does not exist fail on purpose.
func TestReadmeGrpcurl(t *testing.T) {
	g := launch(t, nil, "--simulator")
	for _, example := range blocks(t, "sh") {
		var lines []string
		for line := range strings.Lines(example) {
			if strings.HasPrefix(line, "grpcurl ") {
				lines = append(lines, strings.ReplaceAll(line, "localhost:50051", g.addr))
			}
		}
		for i, line := range lines {
			output, err := shell(t, line)
			if fails := strings.Contains(line, "no-such-"); fails != (err != nil) || output == "" {
				t.Errorf("line %d: %s%v\n%s", i, line, err, output)
			}
		}
	}
}
