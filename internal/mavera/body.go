package mavera

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"unicode"

	"github.com/mavera-gateway/mavera-gateway/internal/secret"
)

const (
	// maxText is how much of a text of Mavera's is passed on, in bytes.
	maxText = 512
	// maxToken and maxParam are how long a code or type, and a param, may be, in
	// bytes; documented ones have less than 25.
	maxToken = 64
	maxParam = 128
)

// An upstreamError is the body of a failure (/guides/errors), as far as it may be
// shown. Every part may be missing: proxies answer with HTML or nothing.
type upstreamError struct {
	Message, Type, Code, Param string
	raw                        []byte
}

// cause is the body for the logs: redacted and short.
func (e upstreamError) cause() error {
	if len(e.raw) == 0 {
		return errors.New("the answer has no body")
	}
	return errors.New("answer: " + line(string(e.raw), maxText))
}

// A screen reads the bodies of failures and holds back what was not meant for
// callers.
type screen struct{ internals *regexp.Regexp }

// newScreen compiles the marks of texts that were not meant for callers: markup,
// stack traces, source files, addresses and names of hosts.
func newScreen() screen {
	return screen{regexp.MustCompile(`(?i)` + strings.Join([]string{
		`<!doctype|</?(html|head|title|body|h[1-6]|p|div|span|pre|center|hr|br|b|i|a|img|svg|table|form|iframe|script|style|meta|link)\b`,
		`\bat .{1,80}\(.{1,200}:\d+|\bTraceback \(|\bFile ".{1,200}", line \d|\bgoroutine \d+`,
		`\b[\w/.-]+\.(js|mjs|ts|tsx|py|go|rb|java|php):\d+`,
		`\b\d{1,3}(\.\d{1,3}){3}\b|[0-9a-f]{0,4}(:[0-9a-f]{0,4}){3,}`,
		`\blocalhost\b|\b[\w-]+(\.[\w-]+)*\.(internal|intern|local|localdomain|lan|corp|svc|cluster|consul)\b`,
		`\b[\w-]+(\.[\w-]+)+:\d{2,5}\b|\.(amazonaws|azure|windows|googleapis|supabase|vercel|neon|mongodb)\.\w+`,
		`\b(ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTFOUND|EAI_AGAIN)\b`,
		`\b(postgres|postgresql|mysql|redis|rediss|mongodb|mongodb\+srv|amqp|amqps)://`,
	}, "|"))}
}

// read reads a body as far as it is what the guide says. Parts of another type
// than documented, and parts that must not be shown, are left out; the others
// stand.
func (s screen) read(body []byte) upstreamError {
	var envelope struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &envelope) != nil {
		return upstreamError{raw: body}
	}
	return s.parts(body, envelope.Error)
}

// event reads the error of an event by which a stream fails, in OpenAI's formats:
// response.failed has it in its response, error events at their top or under error.
func (s screen) event(data []byte) upstreamError {
	var envelope struct {
		Error    json.RawMessage `json:"error"`
		Response *struct {
			Error json.RawMessage `json:"error"`
		} `json:"response"`
	}
	if json.Unmarshal(data, &envelope) != nil {
		return upstreamError{}
	}
	found := envelope.Error
	switch {
	case envelope.Response != nil:
		found = envelope.Response.Error // not the response: the log must not have what was answered
	case len(found) == 0 || found[0] != '{':
		found = data
	}
	return s.parts(found, found)
}

// parts reads the object that an error is, out of the body it came in.
func (s screen) parts(body, object []byte) upstreamError {
	e := upstreamError{raw: bytes.Clone(body)}
	var parts map[string]json.RawMessage
	if json.Unmarshal(object, &parts) != nil {
		return e
	}
	part := func(key string) (text string) {
		if json.Unmarshal(parts[key], &text) != nil {
			return ""
		}
		return text
	}
	e.Message = s.shown(line(part("message"), maxText))
	e.Type = token(part("type"))
	e.Code = token(part("code"))
	e.Param = s.shown(param(part("param")))
	return e
}

// shown is the text, or nothing where it was not meant for callers.
func (s screen) shown(text string) string {
	if s.internals.MatchString(text) {
		return ""
	}
	return text
}

// token lets words through that programs branch on, and nothing else.
func token(text string) string {
	if len(text) > maxToken || secret.Redact(text) != text || strings.ContainsFunc(text, func(r rune) bool {
		return !isWord(r) && r != '-'
	}) {
		return ""
	}
	return text
}

// param lets paths of fields through, in the usual spellings, and nothing else.
func param(text string) string {
	if len(text) > maxParam || secret.Redact(text) != text || strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !isWord(r) && !strings.ContainsRune("-.[]/$", r)
	}) {
		return ""
	}
	return text
}

// isWord reports whether r is an ASCII letter or digit, or an underscore.
func isWord(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
}

// line makes one line of at most size bytes of a text, without keys and without
// characters that cannot be seen.
func line(text string, size int) string {
	const ellipsis = "..."
	if len(text) > 4*size {
		text = text[:4*size]
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, ""))
	// Only now, since bytes that are gone could have stood inside a key.
	text = strings.TrimSpace(secret.Redact(text))
	if len(text) > size {
		text = strings.ToValidUTF8(text[:size-len(ellipsis)], "") + ellipsis // never half a character
	}
	return text
}
