package tracing

import (
	"net/url"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/mavera-gateway/mavera-gateway/internal/secret"
)

// maxText is how much of a caller's text becomes an attribute, in bytes.
const maxText = 256

// Text is an attribute with a text that a caller or Mavera chose: cut, and without keys.
func Text(key attribute.Key, text string) attribute.KeyValue {
	if len(text) > maxText {
		text = text[:maxText]
	}
	return key.String(strings.ToValidUTF8(secret.Redact(text), ""))
}

// redacted stands for a value that is not shown (semantic conventions of url.full).
const redacted = "REDACTED"

// URL spells an address for url.full: without user and fragment, and of the query only
// the values that are ids, numbers or a word. What people search for is not shown, and
// a signature is not either.
func URL(base *url.URL, target string) string {
	path, query, has := strings.Cut(target, "?")
	var b strings.Builder
	b.WriteString(base.Scheme + "://" + base.Host + strings.TrimSuffix(base.EscapedPath(), "/") + path)
	if has {
		b.WriteByte('?')
		for i, pair := range strings.Split(query, "&") {
			if i > 0 {
				b.WriteByte('&')
			}
			name, value, _ := strings.Cut(pair, "=")
			if !shown(name) {
				value = redacted
			}
			b.WriteString(name + "=" + value)
		}
	}
	return secret.Redact(b.String())
}

// shown reports whether the value of a query parameter may be seen.
func shown(name string) bool {
	switch name {
	case "limit", "offset", "status", "type", "sort", "order":
		return true
	default:
		return strings.HasSuffix(name, "_id")
	}
}
