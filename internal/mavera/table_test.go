package mavera

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/mavera-gateway/mavera-gateway/internal/contract"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

// answerLimit is the size limit of the answers in the table test.
const answerLimit = 1000

// A statusCase is one way for a call to fail; its name is that of its golden file.
type statusCase struct {
	name     string
	upstream upstream
}

const refusal = `{"error": {"message": "Nothing doing.", "type": "some_error", "code": "some_code", "param": null}}`

// documented has one case for each example of the contract.
func documented(t *testing.T) []statusCase {
	t.Helper()
	var cases []statusCase
	err := fs.WalkDir(contract.Examples, "examples/errors", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(contract.Examples, file)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(path.Base(file), ".json")
		code, err := strconv.Atoi(name[:3])
		if err != nil {
			return err
		}
		cases = append(cases, statusCase{name, answers(code, string(body), "Content-Type", "application/json")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 15 {
		t.Fatalf("the contract has %d examples of errors, want 15", len(cases))
	}
	return cases
}

// undocumented has the statuses that the contract says nothing about.
func undocumented() []statusCase {
	var cases []statusCase
	for _, code := range []int{405, 408, 409, 410, 413, 415, 418, 422, 451, 499, 501, 502, 504, 505, 520, 599, 600, 999} {
		cases = append(cases, statusCase{strconv.Itoa(code), answers(code, refusal)})
	}
	return append(cases, []statusCase{
		{"101.switching", speaks("http", func(conn *net.TCPConn) {
			readRequest(conn)
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chess\r\n\r\n")
			io.Copy(io.Discard, conn) // what would be read as a body never ends
		})},
		{"103.then_404", handles(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNotFound)
		})},
		{"204", answers(204, "")},
		{"300.no_location", answers(300, refusal)},
		{"302.bad_location", answers(302, refusal, "Location", "http://[::1")},
		{"304", answers(304, "")},
		{"000", says("HTTP/1.1 000 Nothing\r\nContent-Length: 0\r\n\r\n")},
	}...)
}

// oddBodies has the bodies that do not say what the guide promises.
func oddBodies() []statusCase {
	const page = `<!DOCTYPE html><html><head><title>502</title></head><body><h1>Bad gateway</h1>app-7.prod.internal</body></html>`
	const stack = `{"error": {"message": "TypeError: x\n    at handler (/srv/app/index.js:10:5)\n    at 10.0.0.7", "type": "TypeError", "code": "E_FAIL", "param": "x"}}`
	return []statusCase{
		{"400.empty", answers(400, "")},
		{"400.html", answers(400, page)},
		{"400.cut_json", answers(400, refusal[:60])},
		{"400.cut_body", says("HTTP/1.1 400 Bad Request\r\nContent-Length: 500\r\n\r\n" + refusal[:60])},
		{"400.huge", answers(400, `{"error": {"message": "`+strings.Repeat("huge ", 1<<20)+`", "code": "huge"}}`)},
		{"400.long_message", answers(400, `{"error": {"message": "`+strings.Repeat("längere ", 200)+`", "code": "long"}}`)},
		{"400.array", answers(400, `[{"error": {"message": "m"}}]`)},
		{"400.string", answers(400, `"error"`)},
		{"400.error_is_text", answers(400, `{"error": "text"}`)},
		{"400.error_is_null", answers(400, `{"error": null}`)},
		{"400.code_is_number", answers(400, `{"error": {"message": "The number stands.", "type": "t", "code": 5, "param": ["p"]}}`)},
		{"400.message_is_object", answers(400, `{"error": {"message": {}, "type": "t", "code": "the_code_stands", "param": "id"}}`)},
		{"400.unknown_code", answers(400, `{"error": {"message": "New.", "type": "new_error", "code": "brand-new_code2", "param": null}}`)},
		{"400.code_is_prose", answers(400, `{"error": {"message": "m", "type": "an error", "code": "It did not work", "param": "the first one"}}`)},
		{"400.key_in_message", answers(400, `{"error": {"message": "Key `+liveKey+` is\nbad.", "type": "t", "code": "`+liveKey+`", "param": "`+liveKey+`"}}`)},
		{"400.stack", answers(400, stack)},
		{"422.param", answers(422, `{"error": {"message": "Taken.", "type": "validation_error", "code": "invalid_field", "param": "id"}}`)},
		{"401.gzip", answers(401, gzipped(`{"error": {"message": "Packed.", "code": "invalid_api_key"}}`), "Content-Encoding", "gzip")},
		{"404.unknown_route", answers(404, page)},
		{"413.html", answers(413, page)},
		{"429.empty", answers(429, "")},
		{"500.stack", answers(500, stack)},
		{"500.html", answers(500, page)},
		{"502.html", answers(502, page)},
		{"503.html", answers(503, page)},
	}
}

// retryAfters has the forms of the header, all with the answer's own date.
func retryAfters() []statusCase {
	const date = "Tue, 01 Mar 2022 12:00:00 GMT"
	var cases []statusCase
	for _, code := range []int{429, 503} {
		for _, form := range []struct{ name, text string }{
			{"seconds", "7"},
			{"zero", "0"},
			{"imf_date", "Tue, 01 Mar 2022 12:00:07 GMT"},
			{"rfc850_date", "Tuesday, 01-Mar-22 12:00:07 GMT"},
			{"asctime_date", "Tue Mar  1 12:00:07 2022"},
			{"past_date", "Tue, 01 Mar 2022 11:00:00 GMT"},
			{"negative", "-7"},
			{"words", "in a while"},
			{"a_year", "31536000"},
		} {
			cases = append(cases, statusCase{
				fmt.Sprintf("%d.retry_after_%s", code, form.name),
				answers(code, refusal, "Retry-After", form.text, "Date", date),
			})
		}
	}
	return append(cases,
		statusCase{"400.retry_after", answers(400, refusal, "Retry-After", "7")},
		statusCase{"502.retry_after", answers(502, refusal, "Retry-After", "7")},
	)
}

// causes has the failures that no status stands for.
func causes() []statusCase {
	big := `{"id": "` + strings.Repeat("a", answerLimit) + `"}`
	zipped := gzipped(`{"id": "clx1"}`)
	const head = "HTTP/1.1 200 OK\r\n"
	return []statusCase{
		{"refused", refuses()},
		{"closed_in_handshake", speaks("https", func(conn *net.TCPConn) { conn.Read(make([]byte, 1)) })},
		{"reset_inside_request", speaks("http", func(conn *net.TCPConn) {
			conn.Read(make([]byte, 1))
			reset(conn)
		})},
		{"reset_after_request", speaks("http", func(conn *net.TCPConn) {
			readRequest(conn)
			reset(conn)
		})},
		{"closed_after_request", says("")},
		{"not_http", says("220 mail.example.com ESMTP\r\n")},
		{"cut_in_header", says(head + "Content-Le")},
		{"cut_content_length", says(head + "Content-Length: 100\r\n\r\n{\"id\":")},
		{"cut_chunked", says(head + "Transfer-Encoding: chunked\r\n\r\n6\r\n{\"id\":\r\n")},
		{"cut_gzip", says(head + "Content-Encoding: gzip\r\n\r\n" + zipped[:len(zipped)-9])},
		{"no_gzip", says(head + "Content-Encoding: gzip\r\nContent-Length: 14\r\n\r\n{\"id\": \"clx1\"}")},
		// The end of the connection is the end of the answer: only its JSON tells.
		{"cut_unmarked", says(head + "\r\n{\"id\":")},

		{"attempt_timeout", ends(ErrAttemptTimeout)},
		{"attempt_timeout_inside", endsInside(ErrAttemptTimeout)},
		{"attempt_timeout_unsent", endsFirst(ErrAttemptTimeout)},
		{"caller_deadline", ends(context.DeadlineExceeded)},
		{"caller_deadline_inside", endsInside(context.DeadlineExceeded)},
		{"caller_deadline_unsent", endsFirst(context.DeadlineExceeded)},
		{"caller_left", ends(context.Canceled)},
		{"caller_left_unsent", endsFirst(context.Canceled)},
		{"total_timeout", ends(ErrTotalTimeout)},
		{"total_timeout_unsent", endsFirst(ErrTotalTimeout)},

		{"malformed_html", answers(200, "<html><body>Sign in</body></html>")},
		{"malformed_json", answers(200, `{"id": "clx1"`)},
		{"malformed_array", answers(200, `[]`)},
		{"malformed_string", answers(200, `"clx1"`)},
		{"malformed_null", answers(200, `null`)},
		{"malformed_empty", answers(201, "")},
		{"malformed_trailing", answers(200, `{"id": "clx1"} {}`)},

		{"too_large_length", answers(200, big, "Content-Length", strconv.Itoa(len(big)))},
		{"too_large_chunked", handles(func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			io.WriteString(w, big)
		})},
		{"too_large_gzip", answers(200, gzipped(strings.Repeat(" ", 1<<20)), "Content-Encoding", "gzip")},
	}
}

// TestStatus walks the table: every way to fail, for a call that may be repeated
// and one that must not, over real connections.
func TestStatus(t *testing.T) {
	var cases []statusCase
	for _, group := range [][]statusCase{documented(t), undocumented(), oddBodies(), retryAfters(), causes()} {
		cases = append(cases, group...)
	}
	met := make(map[string]bool)
	names := make(map[string]bool)
	for _, test := range cases {
		if names[test.name] {
			t.Errorf("two cases have the name %s", test.name)
		}
		names[test.name] = true
		t.Run(test.name, func(t *testing.T) {
			got := make(map[string]outcome)
			for level, call := range map[string]Call{"idempotent": getPersona(t), "non_idempotent": inviteMember(t)} {
				ctx, end := context.WithCancelCause(t.Context())
				answer, report, err := test.upstream(t, end).Attempt(ctx, call)
				end(nil)
				if answer != nil {
					t.Errorf("half an answer: %v", answer)
				}
				got[level] = outcomeOf(t, call, report, err)
				met[rowOf(err)] = true
			}
			golden(t, "status/"+test.name, string(indent(t, got)))
		})
	}
	for _, r := range table() {
		elsewhere := slices.Contains(streamCauses(), r.cause) || r.help == guideFiles // see TestStreamStatus, TestLocalStatus
		if !r.local && !met[r.key()] && !elsewhere {
			t.Errorf("no case meets the row %s", r.key())
		}
	}
}

// key tells a row from the others.
func (r *row) key() string { return fmt.Sprintf("%d-%d %s", r.low, r.high, r.cause) }

// rowOf finds the row that a failure comes from by its text.
func rowOf(err error) string {
	var f *Failure
	if !errors.As(err, &f) {
		return "no failure"
	}
	for _, r := range table() {
		if r.cause != "" && strings.HasPrefix(f.Text, r.text) && r.text != "" {
			return r.key()
		}
	}
	return byStatus(f.HTTPStatus).key()
}

// TestLocalStatus has the rows that no exchange leads to.
func TestLocalStatus(t *testing.T) {
	var many []transcode.Violation
	for i := range 25 {
		many = append(many, transcode.Violation{Field: fmt.Sprintf("tools[%d].name", i), Description: "must not be empty"})
	}
	for _, test := range []struct {
		name string
		f    *Failure
	}{
		{"invalid_request", NewFailure(InvalidRequest, nil, many[:2]...)},
		{"invalid_request_many", NewFailure(InvalidRequest, nil, many...)},
		{"upload_mismatch", NewFailure(UploadDiffers, nil, transcode.Violation{Field: "metadata.checksum", Description: "is another"})},
		{"upload_stalled", NewFailure(UploadStalled, nil)},
		{"upload_address_refused", NewFailure(UploadAddress, errors.New("the storage is at 10.0.0.1"))},
		{"storage_failed", NewFailure(StorageFailed, errors.New("the storage answered 503"))},
		{"shutting_down", NewFailure(ShuttingDown, nil)},
		{"not_allowed", NewFailure(NotAllowed, nil)},
		{"panicked", NewFailure(Panicked, errors.New("nil map in "+liveKey))},
	} {
		t.Run(test.name, func(t *testing.T) {
			golden(t, "status/"+test.name, string(indent(t, outcomeOf(t, inviteMember(t), Report{}, test.f))))
		})
	}
}

// TestCallerKey has what depends on whose key it was.
func TestCallerKey(t *testing.T) {
	for name, code := range map[string]int{"401.caller_key": 401, "429.caller_key": 429} {
		t.Run(name, func(t *testing.T) {
			call := getPersona(t)
			call.CallerKey = true
			_, report, err := answers(code, refusal)(t, nil).Attempt(t.Context(), call)
			golden(t, "status/"+name, string(indent(t, outcomeOf(t, call, report, err))))
		})
	}
}

// TestNoReplay holds the rule above the table: what proxies and clients replay by
// themselves is not said of a call that may have been carried out, unless Mavera
// has said with the status that it was not.
func TestNoReplay(t *testing.T) {
	for code := range 1000 {
		f := byStatus(code).failure(false, nil)
		if replayed := f.Code == codes.Unavailable || f.Code == codes.Canceled; replayed != (code == 503) {
			t.Errorf("HTTP %d: %s", code, f.Code)
		}
		if want := code == 429 || code == 500 || code == 503; f.Retryable != want {
			t.Errorf("HTTP %d: retryable %t, want %t", code, f.Retryable, want)
		}
	}
	for _, r := range table() {
		f := r.failure(false, nil)
		inside := r.cause == StreamCut || r.cause == StreamStalled // the caller has headers and messages: nobody replays
		if f.Code == codes.Unavailable && r.low != 503 && !inside && r.cause != NotSent && r.cause != ShuttingDown && r.cause != CircuitOpen && r.cause != StorageFailed {
			t.Errorf("row %s: %s", r.key(), f.Code)
		}
		if f.Retryable && f.OutcomeUnknown {
			t.Errorf("row %s: retryable, and the outcome unknown", r.key())
		}
	}
}

func TestMarkdownTable(t *testing.T) {
	golden(t, "table", MarkdownTable())
}
