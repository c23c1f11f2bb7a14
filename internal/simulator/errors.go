package simulator

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// apiError is a refusal in the documented form (/guides/errors).
type apiError struct {
	status              int
	kind, code, message string
	param               string        // "" for null.
	retryAfter          time.Duration // 0: no Retry-After header.
}

// Error implements error.
func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.message) }

func (e *apiError) body() object {
	var param any
	if e.param != "" {
		param = e.param
	}
	return object{"error": object{"message": e.message, "type": e.kind, "code": e.code, "param": param}}
}

func missing(param string) *apiError {
	return &apiError{status: 400, kind: "invalid_request_error", code: "missing_field", param: param, message: "The field " + param + " is missing."}
}

func invalid(param, message string) *apiError {
	return &apiError{status: 400, kind: "invalid_request_error", code: "invalid_field", param: param, message: message}
}

func invalidPersona(param string) *apiError {
	return &apiError{status: 400, kind: "invalid_request_error", code: "invalid_persona", param: param, message: "No persona has this id."}
}

func unauthorized(code, message string) *apiError {
	return &apiError{status: 401, kind: "authentication_error", code: code, message: message}
}

func unpaid(code, message string) *apiError {
	return &apiError{status: 402, kind: "insufficient_credits", code: code, message: message}
}

func forbidden(message string) *apiError {
	return &apiError{status: 403, kind: "permission_error", code: "forbidden", message: message}
}

func notFound(param string) *apiError {
	return &apiError{status: 404, kind: "not_found_error", code: "resource_not_found", param: param, message: "No resource has this id."}
}

func tooMany(message string, wait time.Duration) *apiError {
	return &apiError{status: 429, kind: "rate_limit_error", code: "rate_limit_exceeded", message: message, retryAfter: max(wait, time.Second)}
}

// standard is the body a scripted status gets when the script has none.
func standard(status int) *apiError {
	switch status {
	case 400:
		return invalid("", "The request is not valid.")
	case 401:
		return unauthorized("invalid_api_key", "The API key is not valid.")
	case 402:
		return unpaid("credits_exhausted", "No credits are left in this billing period.")
	case 403:
		return forbidden("You have no access to this resource.")
	case 404:
		return notFound("")
	case 429:
		return tooMany("Too many requests.", 0)
	case 503:
		return &apiError{status: 503, kind: "server_error", code: "service_unavailable", message: "The service is unavailable for a moment."}
	}
	if status >= 500 {
		return &apiError{status: status, kind: "server_error", code: "internal_error", message: "Something failed on the server."}
	}
	return &apiError{status: status, kind: "invalid_request_error", code: "http_" + strconv.Itoa(status), message: http.StatusText(status) + "."}
}

// seconds rounds a wait up to the whole seconds of Retry-After.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
