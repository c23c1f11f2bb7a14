// Package secret keeps the Mavera API key out of everything that is written
// down.
//
// A key lives in a [Key], which every printing path (fmt, slog, JSON, YAML)
// shows in its redacted form only; the one way to the text is [Key.Reveal],
// so that its few callers can be found by name. [Redact] catches what gets
// around the type, such as a key echoed in an upstream error or pasted into a
// URL, and [NewWriter] applies it to every log line. [KeyFile] reads a key
// from a file and follows its changes, so that a key is rotated without a
// restart.
//
// What the package does not promise: Redact knows keys by their prefix mvra_.
// A key of another form is safe inside a Key, but is not recognised in text.
package secret

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unique"
)

// hidden is what a key shows that does not start with mvra_: nothing.
const hidden = "[redacted]"

// maxKeyLength is the length, in bytes, above which a text is not taken for a
// key. Documented keys have 32 characters or more; the limit only keeps a
// wrong file from becoming a header that no server accepts.
const maxKeyLength = 4096

// Key is a Mavera API key. The zero value is no key. Keys are comparable, so
// they can be map keys.
//
// The text is held behind a pointer, because fmt prints the unexported fields
// of a struct without asking their methods: there it shows an address.
type Key struct {
	text unique.Handle[string]
}

// ParseKey makes a key from a text, with the white space around it removed.
// It refuses only what can't be sent in an HTTP header: an empty text, one of
// more than 4,096 bytes, and one with a character that is not visible ASCII.
// The form (prefix, length) is not checked, because Mavera documents only the
// current one. No error contains any part of the text.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Key{}, errors.New("the key is empty")
	}
	if len(text) > maxKeyLength {
		return Key{}, fmt.Errorf("the key has %d bytes, more than %d", len(text), maxKeyLength)
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return Key{}, fmt.Errorf("character %d of the key is not visible ASCII", i+1)
		}
	}
	return Key{text: unique.Make(text)}, nil
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool {
	return k == Key{}
}

// Reveal returns the key itself, for the Authorization header and nothing
// else. It is empty when there is no key.
func (k Key) Reveal() string {
	if k.IsZero() {
		return ""
	}
	return k.text.Value()
}

// String returns the redacted form, mvra_live_abcd..., or the empty string
// when there is no key.
func (k Key) String() string {
	text := k.Reveal()
	switch {
	case text == "":
		return ""
	case strings.HasPrefix(text, prefix):
		shown, _ := redactToken(text)
		return shown
	default:
		return hidden
	}
}

// Format writes the redacted form whatever the verb.
func (k Key) Format(state fmt.State, _ rune) {
	// A fmt.State keeps its own errors.
	_, _ = io.WriteString(state, k.String())
}

// GoString returns the redacted form.
func (k Key) GoString() string {
	return k.String()
}

// LogValue returns the redacted form.
func (k Key) LogValue() slog.Value {
	return slog.StringValue(k.String())
}

// MarshalText returns the redacted form. There is no UnmarshalText: a key
// does not survive a round trip on purpose.
func (k Key) MarshalText() ([]byte, error) {
	return []byte(k.String()), nil
}
