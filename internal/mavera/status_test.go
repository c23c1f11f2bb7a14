package mavera

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/secret"
	"github.com/mavera-gateway/mavera-gateway/internal/transcode"
)

var (
	reasonForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]+[A-Z0-9]$`)
	keyForm    = regexp.MustCompile(`^[a-z][a-zA-Z0-9-_]+$`)
)

// checkStatus holds what is true of every status, whatever Mavera sends.
func checkStatus(t *testing.T, st *status.Status, pushback int32) {
	t.Helper()
	message := st.Message()
	if !utf8.ValidString(message) || strings.ContainsFunc(message, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == 0x85 || r == '\u2028' || r == '\u2029'
	}) {
		t.Errorf("the message is not one line of UTF-8: %q", message)
	}
	types := make(map[string]bool)
	var info *errdetails.ErrorInfo
	var retry *errdetails.RetryInfo
	for i, detail := range st.Details() {
		kind := st.Proto().GetDetails()[i].GetTypeUrl()
		if types[kind] {
			t.Errorf("there are two details %s", kind)
		}
		types[kind] = true
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			info = detail
		case *errdetails.RetryInfo:
			retry = detail
		case error:
			t.Errorf("the detail %s cannot be read: %v", kind, detail)
		}
	}
	if info == nil {
		t.Fatal("there is no ErrorInfo")
	}
	if len(info.GetReason()) > 63 || !reasonForm.MatchString(info.GetReason()) {
		t.Errorf("the reason is %q", info.GetReason())
	}
	for key := range info.GetMetadata() {
		if len(key) > 64 || !keyForm.MatchString(key) {
			t.Errorf("a metadata key is %q", key)
		}
	}
	if (retry != nil) != (pushback >= 0) || (pushback >= 0) != (info.GetMetadata()["retryable"] == "true") {
		t.Errorf("RetryInfo %v, pushback %d, retryable %s", retry, pushback, info.GetMetadata()["retryable"])
	}
	if delay := retry.GetRetryDelay().AsDuration().Milliseconds(); retry != nil && delay < int64(pushback) {
		t.Errorf("RetryInfo says %d ms, the pushback %d ms", delay, pushback)
	}
	text, err := protojson.Marshal(st.Proto())
	if err != nil {
		t.Fatal(err)
	}
	for quoted := range strings.SplitSeq(string(text), `"`) {
		if secret.Redact(quoted) != quoted {
			t.Errorf("there is a key in %q", quoted)
		}
	}
	if n := trailerSize(t, st, pushback); n > maxStatus {
		t.Errorf("the trailers have %d bytes, more than %d", n, maxStatus)
	}
}

// trailers are all that go with a status, the longest that are allowed.
func trailers(pushback int32) metadata.MD {
	return metadata.Pairs(
		"x-request-id", strings.Repeat("r", 128),
		"x-mavera-attempts", strconv.Itoa(math.MaxInt32),
		"x-mavera-credits-used", "123456.78901234567",
		"grpc-retry-pushback-ms", strconv.Itoa(int(pushback)),
	)
}

// trailerSize is the size of status and trailers as RFC 9113 (section 6.5.2)
// counts, as grpc-go spells them.
func trailerSize(t *testing.T, st *status.Status, pushback int32) int {
	t.Helper()
	details, err := proto.Marshal(st.Proto())
	if err != nil {
		t.Fatal(err)
	}
	// As url.PathEscape does, gRPC writes three bytes for what is not visible ASCII.
	n := len("grpc-status") + 2 + 32 + len("grpc-message") + 32
	for _, c := range []byte(st.Message()) {
		n++
		if c < ' ' || c > '~' || c == '%' {
			n += 2
		}
	}
	n += len("grpc-status-details-bin") + base64.RawStdEncoding.EncodedLen(len(details)) + 32
	for key, values := range trailers(pushback) {
		n += len(key) + len(values[0]) + 32
	}
	return n
}

// worst are failures whose every part is as long as it can be. The text takes
// three bytes a character as UTF-8 and nine in a trailer.
func worst() []*Failure {
	text := strings.Repeat("€", 400)
	var many []transcode.Violation
	for range 1000 {
		many = append(many, transcode.Violation{Field: text, Description: text})
	}
	var all []*Failure
	for _, r := range table() {
		f := r.failure(false, errors.New(text))
		f.Text, f.HTTPStatus = line(text, maxText), 999
		f.Reason = strings.Repeat("R", 63)
		f.UpstreamCode, f.UpstreamType = strings.Repeat("c", maxToken), strings.Repeat("t", maxToken)
		f.Param = param(strings.Repeat("é", maxParam/2))
		f.Violations = many
		f.ResourceType, f.ResourceName = "workspaces/members", text
		f.Delay = math.MaxInt64
		f.OutcomeUnknown = true
		all = append(all, f)
	}
	return all
}

func worstFacts() Facts {
	return Facts{
		RPC: "ListPersonalizedNewsStories", Family: "video_analyses", RequestID: strings.Repeat("~", 128),
		Attempts: math.MaxInt, Waited: math.MaxInt64, Spread: 0.999,
	}
}

// TestWorstStatus holds the bound on the size, and that it is not had by leaving
// everything out.
func TestWorstStatus(t *testing.T) {
	for i, f := range worst() {
		t.Run(table()[i].key(), func(t *testing.T) {
			st := f.Status(worstFacts())
			checkStatus(t, st, f.Pushback(worstFacts()))
			for _, detail := range st.Details() {
				bad, ok := detail.(*errdetails.BadRequest)
				if !ok {
					continue
				}
				violations := bad.GetFieldViolations()
				last := violations[len(violations)-1]
				if want := fmt.Sprintf("%d more", 1001-len(violations)); len(violations) < 2 || last.GetDescription() != want {
					t.Errorf("%d violations, the last %q, want %q", len(violations), last.GetDescription(), want)
				}
			}
		})
	}
}

// TestWorstStatusTravels sends the longest statuses to a client that takes no more
// headers than the bound.
func TestWorstStatusTravels(t *testing.T) {
	all := worst()
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		i, err := strconv.Atoi(strings.TrimPrefix(method, "/worst/"))
		if err != nil {
			return err
		}
		stream.SetTrailer(trailers(all[i].Pushback(worstFacts())))
		return all[i].Status(worstFacts()).Err()
	}))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:worst",
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return listener.Dial() }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithMaxHeaderListSize(maxStatus+64)) // and content-type and :status, which are not ours
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range all {
		err := conn.Invoke(t.Context(), fmt.Sprintf("/worst/%d", i), &emptypb.Empty{}, &emptypb.Empty{})
		got, want := string(spell(t, status.Convert(err))), string(spell(t, f.Status(worstFacts())))
		if got != want {
			t.Errorf("row %s:\n got %.200s\nwant %.200s", table()[i].key(), got, want)
		}
	}
	conn.Close()
	server.Stop()
	<-served
}

func TestPushback(t *testing.T) {
	for _, test := range []struct {
		name   string
		delay  time.Duration
		spread float64
		want   int32
	}{
		{"nothing", 0, 0.9, 0},
		{"to the millisecond", 1001 * time.Millisecond, 0, 1001},
		{"never below the delay", time.Millisecond + time.Microsecond, 0, 2},
		{"spread", time.Second, 0.5, 1100},
		{"as far as it goes", time.Second, 0.999999, 1200},
		{"more than it can say", 365 * 24 * time.Hour, 0, math.MaxInt32},
	} {
		f := &Failure{Code: codes.Unavailable, Retryable: true, Delay: test.delay}
		if got := f.Pushback(Facts{Spread: test.spread}); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
		f.Retryable = false
		if got := f.Pushback(Facts{Spread: test.spread}); got != -1 {
			t.Errorf("%s, not retryable: %d, want -1", test.name, got)
		}
	}
}

func TestReason(t *testing.T) {
	for _, test := range []struct{ code, want string }{
		{"invalid_persona", "INVALID_PERSONA"},
		{"brand-new", "BRAND_NEW"},
		{"E2BIG", "E2BIG"},
		{"", "HTTP_418"},
		{"ab", "HTTP_418"}, // AIP-193 asks for three
		{"42", "HTTP_418"},
		{"9_lives", "LIVES"},
		{"__a_b__", "A_B"},
		{"abc__", "ABC"},
		{strings.Repeat("x", 62) + "_y", strings.Repeat("X", 62)},
		{strings.Repeat("x", 64), strings.Repeat("X", 63)},
	} {
		if got := reasonOf(test.code, 418); got != test.want {
			t.Errorf("%q: %s, want %s", test.code, got, test.want)
		}
	}
}

// TestParam says which field of the request message the param of an error is.
func TestParam(t *testing.T) {
	response := newCall(t, "CreateResponse", &maverav1.CreateResponseRequest{Model: "m", Input: &maverav1.ResponseInput{Form: &maverav1.ResponseInput_Text{Text: "x"}}})
	list := newCall(t, "ListPersonas", &maverav1.ListPersonasRequest{})
	for _, test := range []struct {
		call        Call
		param, want string
	}{
		{list, "limit", "page_size"},
		{list, "cursor", "page_token"},
		{response, "model", "model"},
		{response, "input", "input"},
		{response, "input[0].content", "input.items.items[0].message.content"},
		{response, "input.0.content", "input.items.items[0].message.content"},
		{response, "text.format", "text.format"},
		{response, "tools[1].name", "tools[1].name"},
		{response, "limit", "limit"}, // no list: it is not the page size
		{response, "no.such[3].field", "no.such[3].field"},
		{response, "größe", "größe"},
		{response, "the first field", ""},
		{response, "db.internal", ""},
		{response, "<b>", ""},
		{response, strings.Repeat("x", 129), ""},
	} {
		for _, code := range []int{400, 422, 413} {
			body := fmt.Sprintf(`{"error": {"message": "Wrong.", "code": "invalid_field", "param": %q}}`, test.param)
			_, _, err := answers(code, body)(t, nil).Attempt(t.Context(), test.call)
			var f *Failure
			if !errors.As(err, &f) {
				t.Fatal(err)
			}
			var bad *errdetails.BadRequest
			for _, detail := range f.Status(Facts{}).Details() {
				if d, ok := detail.(*errdetails.BadRequest); ok {
					bad = d
				}
			}
			want := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: test.want, Description: "Wrong."}}}
			if test.want == "" && code == 413 {
				want.FieldViolations[0].Description = "the message is too large for Mavera"
			}
			if test.want == "" && code != 413 {
				want = nil
			}
			if !proto.Equal(bad, want) {
				t.Errorf("%s, %d, param %q: %v, want %v", test.call.Plan.RPC, code, test.param, bad, want)
			}
		}
	}
}

// FuzzErrorBody holds that nothing Mavera sends makes a status that leaks, is too
// long or is ill-formed.
func FuzzErrorBody(f *testing.F) {
	for _, group := range [][]string{{
		refusal, "", "null", "[]", `"x"`, `{"error": "x"}`, `{"error": {"message": {}, "code": 5}}`,
		`<!DOCTYPE html><html><body>502 at app-7.prod.internal</body></html>`,
		`{"error": {"message": "` + liveKey + `", "type": "` + liveKey + `", "code": "` + liveKey + `", "param": "` + liveKey + `"}}`,
		`{"error": {"message": "mv` + "\xff" + `ra_live_abcdSECRETSECRETSECRET"}}`,
		`{"error": {"message": "mvra\u005flive_abcdSECRETSECRETSECRET\u2028\u0085\u0000"}}`,
		`{"error": {"message": "` + strings.Repeat("€", 300) + `", "code": "` + strings.Repeat("_9", 32) + `"}}`,
		`{"error": {"message": "x", "code": "a_", "param": "input[0].content"}}`,
	}} {
		for i, body := range group {
			f.Add([]int{400, 401, 402, 404, 413, 422, 429, 500, 502, 503, 302, 999, 0}[i], []byte(body), []string{"", "30", "soon", "Sun, 01 Mar 2026 12:00:20 GMT"}[i%4])
		}
	}
	call, base, marks := inviteMember(f), &url.URL{Scheme: "http", Host: "mavera.example"}, newScreen()
	f.Fuzz(func(t *testing.T, code int, body []byte, retryAfter string) {
		if code < 0 || code > 999 || code/100 == 2 {
			t.Skip("no failure, or no status of HTTP")
		}
		header := http.Header{"Retry-After": {retryAfter}}
		client := NewClient(Options{BaseURL: base, Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(bytes.NewReader(body))}, nil
		})})
		_, report, err := client.Attempt(t.Context(), call)
		var failure *Failure
		if !errors.As(err, &failure) {
			t.Fatalf("error %v", err)
		}
		facts := worstFacts()
		st := failure.Status(facts)
		checkStatus(t, st, failure.Pushback(facts))
		if report.Status != code || failure.Code == codes.OK || failure.Code == codes.Unavailable && code != 503 {
			t.Errorf("HTTP %d: status %d, code %s", code, report.Status, failure.Code)
		}
		if secret.Redact(err.Error()) != err.Error() {
			t.Errorf("there is a key in the error: %s", err)
		}
		if marks.internals.MatchString(st.Message()) {
			t.Errorf("something internal is in the message: %s", st.Message())
		}
		if want := byStatus(code).failure(false, nil).Text; want != "" && failure.Text != want {
			t.Errorf("HTTP %d: the text is %q, want %q", code, failure.Text, want)
		}
		for key, value := range st.Details()[0].(*errdetails.ErrorInfo).GetMetadata() {
			if len(value) > maxParam || strings.ContainsAny(value, " <>\"'\\") {
				t.Errorf("metadata %s is %q", key, value)
			}
		}
	})
}
