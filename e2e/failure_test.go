//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A failure is what a caller can learn from a call that failed.
type failure struct {
	Code         codes.Code
	Reason       string
	Domain       string
	HTTPStatus   string
	UpstreamCode string
	Retryable    string
	Outcome      string
	Attempts     string // metadata and trailer, which agree
	// Wait is grpc-retry-pushback-ms: "-1", or the number of seconds that it is
	// and at most a fifth above, with which RetryInfo agrees.
	Wait    string
	Details string // further details, shortly
}

// outcome is what came back beside the message.
type outcome struct {
	header, trailer metadata.MD
	err             error
}

// call runs a call with everything that comes back.
func call[Q, A any](ctx context.Context, rpc func(context.Context, Q, ...grpc.CallOption) (A, error), request Q) (A, outcome) {
	var o outcome
	answer, err := rpc(ctx, request, grpc.Header(&o.header), grpc.Trailer(&o.trailer))
	o.err = err
	return answer, o
}

// failure reads the status and checks what holds for every failure.
func (o outcome) failure(t *testing.T) failure {
	t.Helper()
	st := status.Convert(o.err)
	f := failure{Code: st.Code()}
	var details []string
	var requestID, user string
	var wait time.Duration
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			m := d.GetMetadata()
			f.Reason, f.Domain = d.GetReason(), d.GetDomain()
			f.HTTPStatus, f.UpstreamCode, f.Retryable, f.Outcome, f.Attempts = m["http_status"], m["upstream_code"], m["retryable"], m["outcome"], m["attempts"]
			if c := m["credential"]; c != "" {
				details = append(details, "credential="+c)
			}
		case *errdetails.RequestInfo:
			requestID = d.GetRequestId()
		case *errdetails.LocalizedMessage:
			user = d.GetMessage()
		case *errdetails.RetryInfo:
			wait = d.GetRetryDelay().AsDuration()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				details = append(details, fmt.Sprintf("bad %s: %s", v.GetField(), v.GetDescription()))
			}
		case *errdetails.PreconditionFailure:
			details = append(details, "precondition "+d.GetViolations()[0].GetType())
		case *errdetails.ResourceInfo:
			details = append(details, "resource "+d.GetResourceType()+" "+d.GetResourceName())
		case *errdetails.QuotaFailure:
			details = append(details, "quota "+d.GetViolations()[0].GetSubject())
		case *errdetails.Help:
			details = append(details, strings.TrimPrefix(d.GetLinks()[0].GetUrl(), "https://docs.mavera.io"))
		default:
			t.Errorf("unexpected detail %T", d)
		}
	}
	f.Details = strings.Join(details, "; ")
	f.Wait = pushback(t, one(o.trailer, "grpc-retry-pushback-ms"), wait)
	if user == "" || requestID == "" || requestID != one(o.trailer, "x-request-id") {
		t.Errorf("user message %q, request id %q, trailers %v", user, requestID, o.trailer)
	}
	if f.Attempts != one(o.trailer, "x-mavera-attempts") {
		t.Errorf("metadata says attempts %s, the trailer %v", f.Attempts, o.trailer)
	}
	if len(o.header) > 0 {
		t.Errorf("header metadata on an error: %v", o.header)
	}
	if text := strings.ToLower(st.Message()); strings.Contains(text, "<html") || strings.Contains(text, "127.0.0.1") || strings.Contains(text, "mvra_live_sim") {
		t.Errorf("the message leaks: %s", st.Message())
	}
	return f
}

// pushback checks that trailer and RetryInfo agree.
func pushback(t *testing.T, trailer string, wait time.Duration) string {
	t.Helper()
	ms, err := strconv.Atoi(trailer)
	if err != nil {
		t.Errorf("grpc-retry-pushback-ms is %q", trailer)
		return trailer
	}
	if ms < 0 {
		if wait != 0 {
			t.Errorf("RetryInfo %s beside pushback %d", wait, ms)
		}
		return trailer
	}
	if wait != time.Duration(ms)*time.Millisecond {
		t.Errorf("RetryInfo %s beside pushback %d ms", wait, ms)
	}
	for _, seconds := range []int{0, 1, 7, 30} { // those that occur; their ranges do not touch
		if low := seconds * 1000; ms >= low && ms <= low+low/5 {
			return strconv.Itoa(seconds) + "s"
		}
	}
	return trailer
}

// one is the only value of a key.
func one(md metadata.MD, key string) string {
	values := md.Get(key)
	if len(values) != 1 {
		return fmt.Sprint(values)
	}
	return values[0]
}
