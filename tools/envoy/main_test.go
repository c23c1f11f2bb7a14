package main

import (
	"os"
	"strings"
	"testing"
)

// TestCheck spoils the example in one place at a time.
func TestCheck(t *testing.T) {
	text, err := os.ReadFile("../../deploy/mesh/envoy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, old, with, want string }{
		{"as it is", "", "", ""},
		{"unknown field", "connect_timeout:", "conect_timeout:", `unknown field "conect_timeout"`},
		{"broken constraint", "port_value: 50051", "port_value: 70000", "invalid SocketAddress.PortValue: value must be less than or equal to 65535"},
		{"retries of a route", "timeout: 330s}", "timeout: 330s, retry_policy: {retry_on: unavailable}}", "route 1 of mavera-gateway: it has a retry_policy"},
		{"retries of a host", "routes:", "retry_policy: {retry_on: unavailable}\n                      routes:", "virtual host mavera-gateway has a retry_policy"},
		{"short timeout", "timeout: 330s}", "timeout: 300s}", "route 1 of mavera-gateway: its timeout must be 0s or above 300 s, Envoy's default is 15 s"},
		{"default timeout", ", timeout: 330s}", "}", "route 1 of mavera-gateway: its timeout must be 0s or above 300 s, Envoy's default is 15 s"},
		{"ejection", "lb_policy:", "outlier_detection: {}\n      lb_policy:", "cluster mavera-gateway: outlier_detection ejects pods for what Mavera does"},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := check([]byte(strings.Replace(string(text), row.old, row.with, 1)))
			if got := errorText(err); !strings.Contains(got, row.want) || (row.want == "") != (got == "") {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
