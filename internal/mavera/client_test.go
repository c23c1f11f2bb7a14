package mavera

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

// TestRequest holds what is sent, to the header.
func TestRequest(t *testing.T) {
	awkward := newCall(t, "GetPersona", &maverav1.GetPersonaRequest{Id: "a b%c?d#é"})
	list := newCall(t, "ListPersonas", &maverav1.ListPersonasRequest{PageSize: new(int32(5))})
	always := map[string]string{
		"Accept": "application/json", "Accept-Encoding": "gzip", "Authorization": "Bearer " + liveKey, "User-Agent": "mavera-gateway",
	}
	withBody := maps.Clone(always)
	withBody["Content-Type"], withBody["Content-Length"] = "application/json", "25"
	for _, test := range []struct {
		name, base string
		call       Call
		want       string
		header     map[string]string
	}{
		{"no path", "", getPersona(t), "GET /personas/clx1 ", always},
		{"slash", "/", getPersona(t), "GET /personas/clx1 ", always},
		{"path", "/api/v1", getPersona(t), "GET /api/v1/personas/clx1 ", always},
		{"path and slash", "/api/v1/", getPersona(t), "GET /api/v1/personas/clx1 ", always},
		{"escaped path", "/a%2Fb", getPersona(t), "GET /a%2Fb/personas/clx1 ", always},
		{"query", "/api/v1/", list, "GET /api/v1/personas?limit=5 ", always},
		{"escaped id", "/api/v1", awkward, "GET /api/v1/personas/a%20b%25c%3Fd%23%C3%A9 ", always},
		{"body", "/api/v1", inviteMember(t), `POST /api/v1/workspaces/ws_1/members {"email":"a@example.com"}`, withBody},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got string
			header := make(map[string]string)
			base := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = r.Method + " " + r.RequestURI + " " + string(body)
				for name, values := range r.Header {
					header[name] = strings.Join(values, "|")
				}
				io.WriteString(w, `{"data": []}`)
			})
			_, report, err := newClient(t, base+test.base, 0).Attempt(t.Context(), test.call)
			if err != nil || report.Sends != 1 || report.Status != 200 || report.Header.Get("Content-Type") == "" {
				t.Errorf("report %v, error %v", report, err)
			}
			if test.name == "body" {
				header["Content-Length"] = fmt.Sprint(len(`{"email":"a@example.com"}`))
			}
			if got != test.want || !maps.Equal(header, test.header) {
				t.Errorf("\n got %s %v\nwant %s %v", got, header, test.want, test.header)
			}
		})
	}
}

// TestNoRedirect holds that a redirect is not followed, and that its target never
// hears of the call, nor of the key.
func TestNoRedirect(t *testing.T) {
	var visits atomic.Int32
	target := serve(t, func(http.ResponseWriter, *http.Request) { visits.Add(1) })
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, call := range []Call{getPersona(t), inviteMember(t)} {
			_, report, err := answers(code, "", "Location", target)(t, nil).Attempt(t.Context(), call)
			f := asFailure(t, err)
			if f.Code != codes.Internal || f.Reason != "UNEXPECTED_STATUS" || f.Retryable || report.Sends != 1 {
				t.Errorf("HTTP %d: %v after %d sends", code, f, report.Sends)
			}
		}
	}
	if n := visits.Load(); n != 0 {
		t.Errorf("the target of the redirects had %d visits", n)
	}
}

func asFailure(t *testing.T, err error) *Failure {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) {
		t.Fatalf("the error is %v, no *Failure", err)
	}
	return f
}

// TestAnswerLimit has the limit to the byte, in every framing.
func TestAnswerLimit(t *testing.T) {
	answer := func(size int) string { return `{"id": "clx1"}` + strings.Repeat(" ", size-14) }
	for name, write := range map[string]func(http.ResponseWriter, string){
		"length": func(w http.ResponseWriter, body string) {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			io.WriteString(w, body)
		},
		"chunked": func(w http.ResponseWriter, body string) {
			w.(http.Flusher).Flush()
			io.WriteString(w, body)
		},
		"gzip": func(w http.ResponseWriter, body string) {
			w.Header().Set("Content-Encoding", "gzip")
			zip := gzip.NewWriter(w)
			io.WriteString(zip, body)
			zip.Close()
		},
	} {
		for _, limit := range []int{14, 100, 100_000} {
			for over := range 2 {
				base := serve(t, func(w http.ResponseWriter, _ *http.Request) { write(w, answer(limit+over)) })
				got, _, err := newClient(t, base, int64(limit)).Attempt(t.Context(), getPersona(t))
				if over == 0 {
					var persona maverav1.Persona
					if err != nil || got.Unmarshal(&persona) != nil || persona.GetId() != "clx1" {
						t.Errorf("%s of %d bytes, limit %d: %v, error %v", name, limit, limit, &persona, err)
					}
					continue
				}
				if f := asFailure(t, err); got != nil || f.Reason != "ANSWER_TOO_LARGE" {
					t.Errorf("%s of %d bytes, limit %d: %v", name, limit+1, limit, f)
				}
			}
		}
	}
}

// TestReuse says after which answers a connection is used again.
func TestReuse(t *testing.T) {
	for _, test := range []struct {
		name, body string
		code       int
		reused     bool
	}{
		{"answer", `{"id": "clx1"}`, 200, true},
		{"malformed", `[]`, 200, true},
		{"refusal", refusal, 400, true},
		{"failure", refusal, 503, true},
		{"redirect", "moved", 302, true},
		{"nothing", "", 204, true},
		{"over the limit", strings.Repeat(" ", 2*answerLimit), 200, false},
		{"long refusal", strings.Repeat(" ", 2*maxErrorBody), 400, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := answers(test.code, test.body)(t, nil)
			var reused bool
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
			})
			for range 2 {
				if _, report, _ := client.Attempt(ctx, getPersona(t)); report.Sends != 1 || report.Status != test.code {
					t.Errorf("report %v", report)
				}
			}
			if reused != test.reused {
				t.Errorf("reused %t, want %t", reused, test.reused)
			}
		})
	}
}

// TestResend counts what net/http sends by itself when a reused connection turns
// out to be dead: a GET goes out again, a POST does not.
func TestResend(t *testing.T) {
	for _, test := range []struct {
		call   Call
		sends  int
		reason string
	}{
		{getPersona(t), 2, ""},
		{inviteMember(t), 1, "OUTCOME_UNKNOWN"},
	} {
		var requests atomic.Int32
		client := speaks("http", func(conn *net.TCPConn) {
			for in := bufio.NewReader(conn); ; {
				request, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				io.Copy(io.Discard, request.Body)
				if requests.Add(1) == 2 {
					return // the second one finds the connection dead
				}
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
			}
		})(t, nil)
		if _, report, err := client.Attempt(t.Context(), test.call); report.Sends != 1 || err != nil {
			t.Fatalf("the first call: %v, error %v", report, err)
		}
		_, report, err := client.Attempt(t.Context(), test.call)
		if report.Sends != test.sends || int(requests.Load()) != 1+test.sends {
			t.Errorf("%s: %d sends, want %d; the server saw %d requests", test.call.Plan.RPC, report.Sends, test.sends, requests.Load()-1)
		}
		if test.reason == "" && err != nil || test.reason != "" && asFailure(t, err).Reason != test.reason {
			t.Errorf("%s: error %v, want %q", test.call.Plan.RPC, err, test.reason)
		}
	}
}

// TestCancel holds that the end of the context is the end of the upstream request.
func TestCancel(t *testing.T) {
	for _, inside := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		base := serve(t, func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			if inside {
				io.WriteString(w, `{"id":`)
				w.(http.Flusher).Flush()
			}
			cancel()
			<-r.Context().Done()
		})
		_, _, err := newClient(t, base, 0).Attempt(ctx, getPersona(t))
		if f := asFailure(t, err); f.Code != codes.Canceled || !errors.Is(err, context.Canceled) {
			t.Errorf("inside the answer %t: %v", inside, f)
		}
		<-ended
	}
}

// TestLateWrite has a connection that is there when the attempt is given up: what
// it may still write counts as sent.
func TestLateWrite(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { cancel(ErrAttemptTimeout) },
	})
	client := speaks("http", func(conn *net.TCPConn) { io.Copy(io.Discard, conn) })(t, nil)
	_, report, err := client.Attempt(ctx, inviteMember(t))
	if f := asFailure(t, err); report.Sends != 1 || f.Code != codes.Unknown || f.Retryable {
		t.Errorf("%d sends, %v", report.Sends, f)
	}
}

// TestDeadlines has the real ways in which contexts end, by the clock.
func TestDeadlines(t *testing.T) {
	for _, test := range []struct {
		name                   string
		attempt, total, caller time.Duration
		after                  time.Duration
		want                   string
		unknown                bool
	}{
		{"attempt", 60 * time.Second, 120 * time.Second, time.Hour, 60 * time.Second, "OUTCOME_UNKNOWN", true},
		{"total", 60 * time.Second, 30 * time.Second, time.Hour, 30 * time.Second, "TOTAL_TIMEOUT", true},
		{"caller", 60 * time.Second, 30 * time.Second, time.Second, time.Second, "DEADLINE_EXCEEDED", true},
		{"caller, before a connection", time.Hour, time.Hour, time.Second, time.Second, "DEADLINE_EXCEEDED", false},
		{"attempt, before a connection", time.Second, time.Hour, time.Hour, time.Second, "CONNECTION_FAILED", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			call := inviteMember(t)
			synctest.Test(t, func(t *testing.T) {
				transport := NewTransport(0, 0)
				transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
					if !test.unknown {
						<-time.After(10 * time.Second) // net/http dials on when the call has ended
						return nil, errors.New("no route")
					}
					near, far := net.Pipe()
					go func() {
						io.Copy(io.Discard, far) // and never answers
						far.Close()
					}()
					return near, nil
				}
				client := NewClient(Options{BaseURL: &url.URL{Scheme: "http", Host: "mavera.example"}, Transport: transport})
				ctx, cancel := context.WithTimeout(t.Context(), test.caller)
				defer cancel()
				ctx, cancelTotal := context.WithTimeoutCause(ctx, test.total, ErrTotalTimeout)
				defer cancelTotal()
				ctx, cancelAttempt := context.WithTimeoutCause(ctx, test.attempt, ErrAttemptTimeout)
				defer cancelAttempt()
				start := time.Now()
				_, _, err := client.Attempt(ctx, call)
				f := asFailure(t, err)
				if f.Reason != test.want || f.OutcomeUnknown != test.unknown || time.Since(start) != test.after {
					t.Errorf("after %v: %v, outcome unknown %t; want %s after %v", time.Since(start), f, f.OutcomeUnknown, test.want, test.after)
				}
				time.Sleep(10 * time.Second)
			})
		})
	}
}

// TestSlowRefusal holds that a status stands though its body never ends, and
// that the caller does not wait for it beyond the deadline.
func TestSlowRefusal(t *testing.T) {
	client := handles(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})(t, nil)
	ctx, end := context.WithCancel(t.Context())
	next := client.transport
	client.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		end()
		return response, err
	})
	_, report, err := client.Attempt(ctx, getPersona(t))
	if f := asFailure(t, err); f.Code != codes.PermissionDenied || report.Status != http.StatusForbidden {
		t.Errorf("%v, report %v", f, report)
	}
}

// TestHTTP2 holds that the counts are the same over HTTP/2, which production
// speaks.
func TestHTTP2(t *testing.T) {
	var proto string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proto = r.Proto
		io.WriteString(w, `{}`)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := newClient(t, server.URL, 0)
	client.transport.(*http.Transport).TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	for range 2 {
		_, report, err := client.Attempt(t.Context(), inviteMember(t))
		if err != nil || report.Sends != 1 || proto != "HTTP/2.0" {
			t.Errorf("%s: %v, error %v", proto, report, err)
		}
	}
}

// TestDefaults has a client of the zero options.
func TestDefaults(t *testing.T) {
	client := NewClient(Options{BaseURL: &url.URL{Scheme: "https", Host: "mavera.example"}})
	transport, ok := client.transport.(*http.Transport)
	if !ok || transport.MaxIdleConnsPerHost != 64 || transport.IdleConnTimeout != 90*time.Second {
		t.Errorf("the transport is %v", client.transport)
	}
	if client.maxAnswer != 32<<20 || client.userAgent != "mavera-gateway" {
		t.Errorf("limit %d, user agent %q", client.maxAnswer, client.userAgent)
	}
}
