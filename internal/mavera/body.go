package mavera

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mavera-gateway/mavera-gateway/internal/secret"
)

// maxText is how much of a text of Mavera's is passed on, in bytes.
const maxText = 512

// An upstreamError is the body of a failure (/guides/errors). Every part may be
// missing: proxies answer with HTML or nothing.
type upstreamError struct {
	Message, Type, Code, Param string
	raw                        []byte
}

// parseBody reads a body as far as it is what the guide says. Parts of another
// type than documented are left out, the others stand.
func parseBody(body []byte) upstreamError {
	e := upstreamError{raw: body}
	var envelope struct {
		Error json.RawMessage `json:"error"`
	}
	var parts map[string]json.RawMessage
	if json.Unmarshal(body, &envelope) != nil || json.Unmarshal(envelope.Error, &parts) != nil {
		return e
	}
	for key, into := range map[string]*string{"message": &e.Message, "type": &e.Type, "code": &e.Code, "param": &e.Param} {
		var text string
		if json.Unmarshal(parts[key], &text) == nil {
			*into = text
		}
	}
	e.Type, e.Code, e.Param = token(e.Type), token(e.Code), line(e.Param, 128)
	return e
}

// cause is the body for the logs: redacted and short.
func (e upstreamError) cause() error {
	if len(e.raw) == 0 {
		return errors.New("the answer has no body")
	}
	return errors.New("answer: " + line(string(e.raw), maxText))
}

// text is the message for developers, or empty where it must not be shown.
func (e upstreamError) text() string {
	text := line(e.Message, maxText)
	if looksInternal(text) {
		return ""
	}
	return text
}

// token lets words through that programs branch on, and nothing else.
func token(s string) string {
	s = line(s, 64)
	if looksInternal(s) {
		return ""
	}
	return s
}

// line makes one line of at most size bytes of a text, without control characters
// and keys.
func line(s string, size int) string {
	if len(s) > 4*size {
		s = s[:4*size]
	}
	s = secret.Redact(s)
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.TrimSpace(s)
	if len(s) <= size {
		return s
	}
	const ellipsis = "..."
	s = s[:size-len(ellipsis)]
	for len(s) > 0 { // never half a character
		if r, n := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || n > 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s + ellipsis
}

// internals are the marks of texts that were not meant for callers: markup, stack
// traces, source paths, addresses and names of hosts inside a network.
func internals() string {
	return `(?i)<(html|!doctype|body|head)\b` +
		`|\bat .{1,80}\(.{1,200}:\d+|\bTraceback \(|\bgoroutine \d+|\b[\w/.-]+\.(js|ts|py|go|rb|java|php):\d+` +
		`|\b\d{1,3}(\.\d{1,3}){3}\b|\[?[0-9a-f]{0,4}(:[0-9a-f]{0,4}){3,}\]?` +
		`|\blocalhost\b|\b[\w-]+(\.[\w-]+)*\.(internal|intern|local|localdomain|lan|corp|svc|cluster|consul)\b` +
		`|\b(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN)\b` +
		`|\b(postgres|postgresql|mysql|redis|mongodb|amqp)://`
}

func looksInternal(text string) bool {
	matched, err := regexp.MatchString(internals(), text)
	return matched || err != nil
}
