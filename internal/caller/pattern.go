package caller

import (
	"fmt"
	"strings"
)

// A pattern is an [ID], or all SPIFFE IDs below a path, written with /* at its end, or
// anyone.
type pattern string

// anyone fits every caller, verified or not.
const anyone pattern = "*"

const below = "/*"

func parsePattern(text string) (pattern, error) {
	if pattern(text) == anyone {
		return anyone, nil
	}
	base, wild := strings.CutSuffix(text, below)
	if wild && !strings.HasPrefix(base, spiffePrefix) {
		return "", fmt.Errorf("%q: %s stands at the end of a SPIFFE ID only", text, below)
	}
	id, err := ParseID(base)
	if err != nil {
		return "", fmt.Errorf("%q: %w", text, err)
	}
	if wild {
		return pattern(id) + below, nil
	}
	return pattern(id), nil
}

func (p pattern) fits(id ID) bool {
	if p == anyone {
		return true
	}
	if base, wild := strings.CutSuffix(string(p), below); wild {
		return len(id) > len(base)+1 && strings.HasPrefix(string(id), base+"/")
	}
	return string(p) == string(id)
}
