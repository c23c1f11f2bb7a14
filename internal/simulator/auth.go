package simulator

import (
	"net/http"
	"strings"
)

// authenticate checks `Authorization: Bearer <key>` (/guides/authentication).
// A lapsed subscription keeps its key valid; its calls get 402 in count.
func (s *Simulator) authenticate(header http.Header) (string, *apiError) {
	value := header.Get("Authorization")
	if value == "" {
		return "", unauthorized("missing_api_key", "No API key was sent.")
	}
	scheme, key, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", unauthorized("invalid_api_key", "The API key is not valid.")
	}
	key = strings.TrimSpace(key)
	if key == "" {
		return "", unauthorized("missing_api_key", "No API key was sent.")
	}
	switch s.options.Keys[key] {
	case KeyValid, KeyLapsed:
		return key, nil
	case KeyRevoked:
		return "", unauthorized("revoked_api_key", "The API key was revoked.")
	case KeyExpired:
		return "", unauthorized("expired_api_key", "The API key has expired.")
	default:
		return "", unauthorized("invalid_api_key", "The API key is not valid.")
	}
}
