package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/metadata"
)

// TestChainOrder pins the order that chain.go gives its reasons for.
func TestChainOrder(t *testing.T) {
	var got []string
	for _, i := range (&Server{}).chain() {
		got = append(got, strings.Replace(fmt.Sprintf("%T", i), "server.", "", 1))
	}
	want := []string{"record", "*spans", "telling", "logging", "finish", "recoverer", "limits", "*identity", "validation", "*resilient"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRequestID(t *testing.T) {
	for _, row := range []struct {
		name string
		sent []string
		keep bool
	}{
		{"none", nil, false},
		{"the caller's", []string{"order-7/2"}, true},
		{"the first of two", []string{"a", "b"}, true},
		{"the longest", []string{strings.Repeat("x", 128)}, true},
		{"too long", []string{strings.Repeat("x", 129)}, false},
		{"empty", []string{""}, false},
		{"a space", []string{"a b"}, false},
		{"a control character", []string{"a\x7f"}, false},
		{"not ASCII", []string{"ä"}, false},
	} {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.MD{requestIDKey: row.sent})
		got := requestID(ctx)
		if row.keep && got != row.sent[0] {
			t.Errorf("%s: got %q", row.name, got)
		}
		if !row.keep && (len(got) != 32 || strings.Trim(got, "0123456789abcdef") != "" || got == requestID(ctx)) {
			t.Errorf("%s: made %q", row.name, got)
		}
	}
}
