package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// result is a value, or "! " and the reason why there is none.
func result[T any](value T, err error) string {
	if err != nil {
		return "! " + err.Error()
	}
	return fmt.Sprint(value)
}

func TestValues(t *testing.T) {
	const (
		badSize  = "! want a size such as 512KiB, 32MiB or 1048576"
		badPort  = "! want a port from 0 to 65535"
		badShare = "! want a number above 0 and at most 1"
	)
	size := func(s string) string { return result(parseSize(s)) }
	addr := func(s string) string { return result(parseAddr(s)) }
	share := func(s string) string { return result(parseShare(s)) }
	level := func(s string) string { return result(parseLevel(s)) }
	count := func(s string) string { return result(intBetween(0, 10)(s)) }
	delay := func(s string) string { return result(durationBetween(0, time.Hour)(s)) }
	base := func(s string) string { return result(parseBaseURL(s)) }
	tests := []struct {
		parse    func(string) string
		in, want string
	}{
		{size, "1024", "1KiB"},
		{size, "1025B", "1025B"},
		{size, "512KiB", "512KiB"},
		{size, "1048576", "1MiB"},
		{size, "1GiB", "1GiB"},
		{size, "1023", "! want a size from 1KiB to 1GiB"},
		{size, "2GiB", "! want a size from 1KiB to 1GiB"},
		{size, "9223372036854775807GiB", "! want a size from 1KiB to 1GiB"}, // would overflow
		{size, "99999999999999999999", badSize},
		{size, "-1KiB", badSize},
		{size, "1.5MiB", badSize},
		{size, "32MB", badSize}, // 1000 or 1024? Not guessed
		{size, "KiB", badSize},
		{size, "32 MiB", badSize},

		{addr, ":0", ":0"},
		{addr, "[::1]:50051", "[::1]:50051"},
		{addr, "50051", "! want host:port, such as 127.0.0.1:9090 or :50051"},
		{addr, "::1:50051", "! want host:port, such as 127.0.0.1:9090 or :50051"},
		{addr, "localhost:http", badPort},
		{addr, ":65536", badPort},
		{addr, ":-1", badPort},
		{addr, "http:///x:1", "! want host:port, such as 127.0.0.1:9090 or :50051"},
		{addr, "a/b:1", "! want an address or a name before the port, not a URL"},

		{share, "0.33", "0.33"},
		{share, "0", badShare},
		{share, "1.01", badShare},
		{share, "NaN", badShare},
		{share, "50%", badShare},

		{level, "warn", "WARN"},
		{level, "WARN", "! want debug, info, warn or error"},
		{level, "info+2", "! want debug, info, warn or error"},

		{count, "10", "10"},
		{count, "11", "! want a whole number from 0 to 10"},
		{count, "1e1", "! want a whole number from 0 to 10"},

		{delay, "1m30s", "1m30s"},
		{delay, "90", "! want a duration with its unit, such as 90s or 1m30s"},
		{delay, "-1s", "! want a duration from 0s to 1h"},
		{delay, "61m", "! want a duration from 0s to 1h"},

		{base, "https://app.mavera.io/api/v1", "https://app.mavera.io/api/v1"},
		{base, "HTTPS://app.mavera.io/api/v1//", "https://app.mavera.io/api/v1"},
		{base, "http://[::1]:8080", "http://[::1]:8080"},
		{base, "https://host/a%2Fb/", "https://host/a%2Fb"},
		{base, "app.mavera.io/api/v1", "! want a URL that starts with https:// (or http://)"},
		{base, "ftp://host", "! want a URL that starts with https:// (or http://)"},
		{base, "https:host", "! the URL has no host"},
		{base, "https://:443/", "! the URL has no host"},
		{base, "https://u:p@host", "! a user or password in the URL is not accepted; the key is a setting of its own"},
		{base, "https://host?", "! a query in the URL is not accepted"},
		{base, "https://host#", "! a fragment in the URL is not accepted"},
		{base, "https://host#a", "! a fragment in the URL is not accepted"},
		{base, "https://host:0", "! want a port from 1 to 65535"},
		{base, "https://host:65536", "! want a port from 1 to 65535"},
		{base, "https://user:hush", "! want a URL such as https://app.mavera.io/api/v1"},
		{base, "https://host/a/../b", "! the segments . and .. are not accepted in the path"},
	}
	for _, test := range tests {
		if got := test.parse(test.in); got != test.want {
			t.Errorf("%q\n got %s\nwant %s", test.in, got, test.want)
		}
	}
}

func TestShown(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", ":50051", ":50051"},
		{"a key in the wrong place", "mvra_live_abcdefghijklmnopqrstuv", "mvra_live_abcd..."},
		{"long", strings.Repeat("a", maxShown+1), strings.Repeat("a", maxShown) + "..."},
		{"cut inside a character", strings.Repeat("a", maxShown-1) + "éé", strings.Repeat("a", maxShown-1) + "..."},
	}
	for _, test := range tests {
		if got := (&Setting{}).shown(test.in); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST.": true, "mavera.localhost": true, "127.8.0.1": true, "::1": true,
		"10.0.0.1": false, "localhost.example.com": false, "notlocalhost": false, "0.0.0.0": false, "": false,
	} {
		if got := isLoopback(host); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}
