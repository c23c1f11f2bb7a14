package tracing

import (
	"net/url"
	"strings"
	"testing"
)

func TestURL(t *testing.T) {
	const base = "https://user:secret@app.mavera.io/api/v1/"
	tests := []struct{ target, want string }{
		{"/folders/a%2Fb", "https://app.mavera.io/api/v1/folders/a%2Fb"},
		{"/files?workspace_id=ws_1&limit=20&offset=40&search=my+secret", "https://app.mavera.io/api/v1/files?workspace_id=ws_1&limit=20&offset=40&search=REDACTED"},
		{"/files?cursor=abc&X-Amz-Signature=abc&flag", "https://app.mavera.io/api/v1/files?cursor=REDACTED&X-Amz-Signature=REDACTED&flag=REDACTED"},
		{"/personas/mvra_live_abcdefghijklmnop", "https://app.mavera.io/api/v1/personas/mvra_live_abcd..."},
	}
	for _, test := range tests {
		parsed, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		if got := URL(parsed, test.target); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.target, got, test.want)
		}
	}
}

func TestText(t *testing.T) {
	tests := []struct{ text, want string }{
		{"me", "me"},
		{"key mvra_live_abcdefghijklmnop", "key mvra_live_abcd..."},
		{strings.Repeat("é", 200), strings.Repeat("é", 128)},
		{"a" + strings.Repeat("é", 200), "a" + strings.Repeat("é", 127)},
	}
	for _, test := range tests {
		if got := Text("k", test.text).Value.AsString(); got != test.want {
			t.Errorf("%q becomes %q, want %q", test.text, got, test.want)
		}
	}
}
