// Package readme keeps the tables of README.md in step with the code.
package readme

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/mavera-gateway/mavera-gateway/internal/config"
	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

var update = flag.Bool("update", false, "rewrite the tables of README.md")

const path = "../../README.md"

func TestTables(t *testing.T) {
	t.Parallel()
	plans, err := transcode.Compile(transcode.Services()...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, table := range map[string]string{
		"statuses": mavera.MarkdownTable(),
		"routes":   transcode.RouteTable(plans),
		"settings": config.MarkdownTable(),
	} {
		begin, end := "<!-- "+name+": generated, see CONTRIBUTING.md -->\n", "<!-- /"+name+" -->\n"
		before, rest, found := strings.Cut(want, begin)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Fatalf("README.md has no place for %s: %q and %q are missing", name, begin, end)
		}
		want = before + begin + strings.TrimSpace(table) + "\n" + end + after
	}
	switch {
	case want == string(text):
	case *update:
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("the tables of README.md are stale: run 'make golden' and read the diff")
	}
}
