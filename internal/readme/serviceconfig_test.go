package readme

import (
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// TestServiceConfig gives the published service config to a client, which refuses what
// it cannot use, and looks for it on the pages that show it.
func TestServiceConfig(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile("../../docs/service_config.json")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///nowhere", grpc.WithDefaultServiceConfig(string(config)), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	for _, page := range []string{"../../docs/resilience.md", "../../gen/README.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		const begin, end = "```json\n", "```"
		before, rest, found := strings.Cut(string(text), begin)
		shown, after, closed := strings.Cut(rest, end)
		switch {
		case !found || !closed:
			t.Errorf("%s shows no service config", page)
		case shown == string(config):
		case *update:
			if err := os.WriteFile(page, []byte(before+begin+string(config)+end+after), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s does not show docs/service_config.json: run 'make golden' and read the diff", page)
		}
	}
}
