package secret

import "strings"

const (
	// prefix starts everything that is treated as a key.
	prefix = "mvra_"
	// livePrefix starts a documented key and is shown in full.
	livePrefix = "mvra_live_"
	// shownLength is how many characters after livePrefix are shown: the
	// documented redacted form is mvra_live_abcd...
	// (docs.mavera.io/cookbooks/error-handling-patterns).
	shownLength = 4
	// leastSecret is how many characters must follow livePrefix before any of
	// them is shown: of a shorter one, four would be a third or more. Documented
	// keys have 22 or more.
	leastSecret = 12
	ellipsis    = "..."
)

// Redact returns text with everything that starts with mvra_ cut to its
// redacted form: mvra_live_ and four characters for what looks like a
// documented key, mvra_live_... when fewer than 12 characters follow, and
// mvra_... for any other spelling. A key reaches up to the next white space,
// quote, bracket, comma, semicolon, ampersand, vertical bar, backslash, angle
// bracket or control character, so that it is found in prose, URLs, JSON and
// headers alike. Redacting twice changes nothing.
func Redact(text string) string {
	at := strings.Index(text, prefix)
	if at < 0 {
		return text
	}
	var out strings.Builder
	out.Grow(len(text))
	for at >= 0 {
		shown, length := redactToken(text[at:])
		out.WriteString(text[:at])
		out.WriteString(shown)
		text = text[at+length:]
		at = strings.Index(text, prefix)
	}
	out.WriteString(text)
	return out.String()
}

// redactToken returns the redacted form of the key that text starts with, and
// how many bytes of text the key takes.
func redactToken(text string) (shown string, length int) {
	for length = len(prefix); length < len(text) && !endsKey(text[length]); length++ {
	}
	tail, live := strings.CutPrefix(text[:length], livePrefix)
	if !live {
		return prefix + ellipsis, length
	}
	word := 0 // letters, digits, _ and - that the tail starts with
	plain := 0
	for ; word < len(tail) && inWord(tail[word]); word++ {
		if plain == word && tail[word] != '_' && tail[word] != '-' {
			plain++
		}
	}
	// The second case is our own redacted form, which has to stay as it is.
	if plain >= shownLength && (word >= leastSecret || word == shownLength && strings.HasPrefix(tail[word:], ellipsis)) {
		return livePrefix + tail[:shownLength] + ellipsis, length
	}
	return livePrefix + ellipsis, length
}

// endsKey reports whether a key can't contain c. A byte of a multi-byte
// character does not end a key, so that no character is ever cut.
func endsKey(c byte) bool {
	return c <= ' ' || c == 0x7f || strings.IndexByte("\"'`,;&|<>()[]{}\\", c) >= 0
}

// inWord reports whether c is one of the characters that keys are made of.
func inWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '-'
}
