package readme

import (
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// TestServiceConfig gives the service config of docs/resilience.md to a client, which
// refuses what it cannot use.
func TestServiceConfig(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/resilience.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```json\n")
	config, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("docs/resilience.md has no service config")
	}
	conn, err := grpc.NewClient("passthrough:///nowhere", grpc.WithDefaultServiceConfig(config), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}
