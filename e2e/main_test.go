//go:build e2e

// Package e2e tests what the gateway promises to its callers and operators, from
// outside: the real programs on real ports, called by real clients.
//
//	test ─▶ client (Go, grpcurl, grpc-health-probe, Node) ─▶ mavera-gateway
//	     ─▶ [a proxy that holds every exchange against openapi.yaml] ─▶ mavera-simulator
//
// TestMain builds both programs once, with the race detector when the tests have
// it. A program that a test starts ends with the test, by SIGTERM; an exit code
// other than 0, and an API key anywhere in what the gateway wrote, fail the test.
// Nothing sleeps: a test waits for a log line, for a state it can ask for, or for
// the end of a process.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// programs is the directory of the two programs, set by TestMain.
var programs string

// update says that expected traces are to be written anew.
var update bool

func TestMain(m *testing.M) {
	flag.BoolVar(&update, "update", false, "write the expected traces")
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "mavera-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs = dir
	args := []string{"../cmd/mavera-gateway", "../cmd/mavera-simulator"}
	if raceEnabled {
		args = append([]string{"-race"}, args...)
	}
	if err := build("", args...); err != nil {
		fmt.Fprintln(os.Stderr, "build the programs:", err)
		return 1
	}
	return m.Run()
}

// build builds programs, or one under a name of its own.
func build(name string, args ...string) error {
	to := programs + string(filepath.Separator) + name
	command := exec.Command("go", append([]string{"build", "-o", to}, args...)...)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	return command.Run()
}
