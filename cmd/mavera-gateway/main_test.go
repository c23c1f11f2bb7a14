package main

import (
	"strings"
	"testing"
)

// TestRun has the command lines that start nothing.
func TestRun(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, args string
		code       int
		out, err   string // first lines
	}{
		{"no command", "", exitUsage, "", "mavera-gateway serves the Mavera REST API over gRPC."},
		{"an unknown command", "serv x", exitUsage, "", `unknown command "serv"`},
		{"help", "help", 0, "mavera-gateway serves the Mavera REST API over gRPC.", ""},
		{"help of serve", "serve --help", 0, "Usage: mavera-gateway serve [flags]", ""},
		{"version", "version", 0, "mavera-gateway " + version(), ""},
		{"an argument to routes", "routes all", exitUsage, "", `routes takes no arguments, "all" is one too many`},
		{"an argument to serve", "serve all --simulator", exitUsage, "", "all (command line): unexpected argument"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var out, err strings.Builder
			code := run(t.Context(), strings.Fields(row.args), nil, &out, &err)
			gotOut, _, _ := strings.Cut(out.String(), "\n")
			gotErr, _, _ := strings.Cut(err.String(), "\n")
			if code != row.code || gotOut != row.out || gotErr != row.err {
				t.Errorf("code %d, out %q, err %q; want %d, %q, %q", code, gotOut, gotErr, row.code, row.out, row.err)
			}
		})
	}
}
