//go:build e2e

package e2e

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
)

const (
	upstream = "mavera.io"
	local    = "gateway.mavera.io"
)

// getPersona is an idempotent call, createPersona one that is not.
func (g *gateway) getPersona(ctx context.Context, id string) outcome {
	_, o := call(ctx, g.personas.GetPersona, &maverav1.GetPersonaRequest{Id: id})
	return o
}

func (g *gateway) createPersona(ctx context.Context) outcome {
	_, o := call(ctx, g.personas.CreatePersona, &maverav1.CreatePersonaRequest{
		PipelineType: new(maverav1.PersonaPipelineType_PERSONA_PIPELINE_TYPE_INTERMEDIATE), Name: new("Buyer"),
		Type: new(maverav1.PersonaAudienceType_PERSONA_AUDIENCE_TYPE_B2C),
	})
	return o
}

// TestStatuses answers an idempotent and a non-idempotent call with every status
// that has a row of its own, and with one of each range. Each is repeated as often as
// it may be.
func TestStatuses(t *testing.T) {
	m, g := pair(t)
	failed := func(code codes.Code, reason, retryable, wait, details string) failure {
		return failure{Code: code, Reason: reason, Domain: upstream, Retryable: retryable, Wait: wait, Details: details, Attempts: "4"}
	}
	once := func(f failure) failure { f.Attempts = "1"; return f }
	refused := func(code codes.Code, reason, details string) failure {
		return once(failed(code, reason, "false", "-1", details))
	}
	coded := func(f failure, upstreamCode string) failure { f.UpstreamCode = upstreamCode; return f }
	unknown := once(failed(codes.Unknown, "OUTCOME_UNKNOWN", "false", "-1", "/guides/errors"))
	unknown.Outcome = "unknown"
	passing := failed(codes.Unavailable, "HTTP_%", "true", "1s", "/guides/errors")

	for _, row := range []struct {
		status int
		body   string // "" means none
		header object
		get    failure // of the idempotent call
		create failure // of the other, the same when it is zero
	}{
		{status: 301, header: object{"Location": "https://elsewhere.example.com/"}, get: refused(codes.Internal, "UNEXPECTED_STATUS", "/guides/errors")},
		{
			status: 400, body: `{"error":{"message":"The weight is wrong.","type":"invalid_request_error","code":"invalid_field","param":"mcda_weights.timeToValue"}}`,
			get:    coded(refused(codes.InvalidArgument, "INVALID_FIELD", "bad mcda_weights.timeToValue: The weight is wrong.; /guides/errors"), "invalid_field"),
			create: coded(refused(codes.InvalidArgument, "INVALID_FIELD", "bad mcda_weights.time_to_value: The weight is wrong.; /guides/errors"), "invalid_field"),
		},
		{status: 400, get: refused(codes.InvalidArgument, "HTTP_400", "/guides/errors")},
		{
			status: 401, body: `{"error":{"message":"The key is not valid.","type":"authentication_error","code":"invalid_api_key"}}`,
			get: coded(refused(codes.Unauthenticated, "INVALID_API_KEY", "credential=gateway; /guides/authentication"), "invalid_api_key"),
		},
		{
			status: 402, body: `{"error":{"message":"No credits.","type":"billing_error","code":"credits_exhausted"}}`,
			get: coded(refused(codes.FailedPrecondition, "CREDITS_EXHAUSTED", "precondition CREDITS; /guides/credits"), "credits_exhausted"),
		},
		{
			status: 402, body: `{"error":{"message":"The budget is spent.","type":"billing_error","code":"budget_exceeded"}}`,
			get: coded(refused(codes.FailedPrecondition, "BUDGET_EXCEEDED", "precondition BUDGET; /guides/credits"), "budget_exceeded"),
		},
		{status: 403, get: refused(codes.PermissionDenied, "HTTP_403", "/guides/errors")},
		{
			status: 404, body: `{"error":{"message":"No such persona.","type":"invalid_request_error","code":"resource_not_found"}}`,
			get:    coded(refused(codes.NotFound, "RESOURCE_NOT_FOUND", "resource personas p-1; /guides/errors"), "resource_not_found"),
			create: coded(refused(codes.NotFound, "RESOURCE_NOT_FOUND", "resource personas ; /guides/errors"), "resource_not_found"),
		},
		{status: 408, get: failed(codes.Unavailable, "UPSTREAM_TIMEOUT", "true", "1s", "/guides/errors"), create: unknown},
		{status: 409, get: refused(codes.Aborted, "HTTP_409", "/guides/errors")},
		{status: 413, get: refused(codes.InvalidArgument, "HTTP_413", "bad : the message is too large for Mavera; /guides/errors")},
		{status: 418, get: refused(codes.FailedPrecondition, "HTTP_418", "/guides/errors")},
		{status: 422, get: refused(codes.InvalidArgument, "HTTP_422", "/guides/errors")},
		{
			status: 429, header: object{"Retry-After": "1"}, body: `{"error":{"message":"Slow down.","type":"rate_limit_error","code":"rate_limit_exceeded"}}`,
			get: once(coded(failed(codes.ResourceExhausted, "RATE_LIMIT_EXCEEDED", "true", "1s", "quota api_key:gateway; /guides/rate-limits"), "rate_limit_exceeded")),
		},
		{status: 500, get: failed(codes.Internal, "HTTP_500", "true", "1s", "/guides/errors")},
		{status: 500, body: "<html><h1>node at 10.0.0.7</h1></html>", get: failed(codes.Internal, "HTTP_500", "true", "1s", "/guides/errors")},
		{status: 501, get: refused(codes.Unimplemented, "HTTP_501", "/guides/errors")},
		{status: 502, body: "<html>bad gateway</html>", get: passing, create: unknown},
		{status: 503, get: passing},
		{status: 503, header: object{"Retry-After": "30"}, get: once(failed(codes.Unavailable, "HTTP_503", "true", "30s", "/guides/errors"))},
		{status: 504, get: passing, create: unknown},
		{status: 599, get: passing, create: unknown},
	} {
		name := strconv.Itoa(row.status)
		want := func(f failure) failure {
			f.HTTPStatus, f.Reason = name, strings.Replace(f.Reason, "%", name, 1)
			return f
		}
		if row.create == (failure{}) {
			row.create = row.get
		}
		script := object{"status": row.status, "body": row.body, "headers": row.header, "times": -1}
		t.Run("idempotent "+name, func(t *testing.T) {
			m.fault("GET /personas/{id}", script)
			defer m.heal()
			if diff := cmp.Diff(want(row.get), g.getPersona(within(t), "p-1").failure(t)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
		t.Run("non-idempotent "+name, func(t *testing.T) {
			m.fault("POST /personas", script)
			defer m.heal()
			if diff := cmp.Diff(want(row.create), g.createPersona(within(t)).failure(t)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestAnswers has answers that are none, with a status of success.
func TestAnswers(t *testing.T) {
	m, g := pair(t, "--max-answer-bytes=64KiB")
	malformed := failure{Code: codes.Internal, Reason: "MALFORMED_RESPONSE", Domain: upstream, HTTPStatus: "200", Retryable: "true", Wait: "1s", Attempts: "4", Details: "/guides/errors"}
	tooLarge := failure{Code: codes.Internal, Reason: "ANSWER_TOO_LARGE", Domain: upstream, HTTPStatus: "200", Retryable: "false", Wait: "-1", Attempts: "1", Details: "/guides/errors"}
	lost := failure{Code: codes.Unavailable, Reason: "CONNECTION_LOST", Domain: upstream, HTTPStatus: "200", Retryable: "true", Wait: "1s", Attempts: "4", Details: "/guides/errors"}
	never := func(f failure) failure { f.Retryable, f.Wait, f.Attempts = "false", "-1", "1"; return f }
	unknown := failure{Code: codes.Unknown, Reason: "OUTCOME_UNKNOWN", Domain: upstream, HTTPStatus: "200", Retryable: "false", Wait: "-1", Attempts: "1", Outcome: "unknown", Details: "/guides/errors"}

	for _, row := range []struct {
		name        string
		script      object
		get, create failure
	}{
		{"empty", object{"status": 200, "body": ""}, malformed, never(malformed)},
		{"HTML", object{"status": 200, "body": "<!doctype html><p>Welcome</p>"}, malformed, never(malformed)},
		{"an array for an object", object{"status": 200, "body": `[{"id": "p-1"}]`}, malformed, never(malformed)},
		{"half an object", object{"status": 200, "body": `{"id": "p-1", "name": "Bu`}, malformed, never(malformed)},
		{"text after the object", object{"status": 200, "body": `{"id": "p-1"} {"id": "p-2"}`}, malformed, never(malformed)},
		{"too large", object{"status": 200, "body": `{"id":"x"}`, "size": 100_000}, tooLarge, tooLarge},
		{"too large, its length not said", object{"status": 200, "body": "x", "size": 10_000_000, "headers": object{"Content-Length": ""}}, tooLarge, tooLarge},
		{"cut", object{"status": 200, "body": `{"id": "p-1", "name": "Buyer"}`, "cut_after_bytes": 12}, lost, unknown},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.script["times"] = -1
			defer m.heal()
			m.fault("GET /personas/{id}", row.script)
			if diff := cmp.Diff(row.get, g.getPersona(within(t), "p-1").failure(t)); diff != "" {
				t.Errorf("idempotent, -want +got:\n%s", diff)
			}
			m.fault("POST /personas", row.script)
			if diff := cmp.Diff(row.create, g.createPersona(within(t)).failure(t)); diff != "" {
				t.Errorf("non-idempotent, -want +got:\n%s", diff)
			}
		})
	}

	t.Run("closed", func(t *testing.T) {
		if o := g.getPersona(within(t), personaID); o.err != nil { // now there is a connection to reuse
			t.Fatal(o.err)
		}
		m.fault("GET /personas/{id}", object{"close_before": true, "times": -1})
		lost.HTTPStatus, unknown.HTTPStatus = "", ""
		resent := lost
		resent.Attempts = "5" // in the first of four attempts net/http sends again, on a new connection
		if diff := cmp.Diff(resent, g.getPersona(within(t), "p-1").failure(t)); diff != "" {
			t.Errorf("idempotent, -want +got:\n%s", diff)
		}
		m.fault("POST /personas", object{"close_before": true, "times": -1})
		if diff := cmp.Diff(unknown, g.createPersona(within(t)).failure(t)); diff != "" {
			t.Errorf("non-idempotent, -want +got:\n%s", diff)
		}
	})
}

// TestUnreachable has nobody listening: nothing was sent, and so even a call that
// is not idempotent may be repeated.
func TestUnreachable(t *testing.T) {
	g := startGateway(t, &url.URL{Scheme: "http", Host: freePort(t), Path: "/api/v1"})
	want := failure{Code: codes.Unavailable, Reason: "CONNECTION_FAILED", Domain: upstream, Retryable: "true", Wait: "1s", Attempts: "4", Details: "/guides/errors"}
	if diff := cmp.Diff(want, g.getPersona(within(t), "p-1").failure(t)); diff != "" {
		t.Errorf("idempotent, -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(want, g.createPersona(within(t)).failure(t)); diff != "" {
		t.Errorf("non-idempotent, -want +got:\n%s", diff)
	}
}

// TestCallerLeaves has an upstream that never answers.
func TestCallerLeaves(t *testing.T) {
	m, g := pair(t)
	m.fault("*", object{"hang": true, "times": -1})

	ctx, cancel := context.WithCancel(within(t))
	done := make(chan outcome)
	go func() { done <- g.getPersona(ctx, "p-1") }()
	m.awaitRequest("getPersona")
	cancel()
	if o := <-done; statusOf(o.err) != codes.Canceled {
		t.Errorf("got %v", o.err)
	}
	g.await("a call that was cancelled", func(l logLine) bool {
		return l.text("rpc") == "GetPersona" && l.text("code") == "Canceled" && l.text("reason") == "CANCELLED"
	})

	ctx, cancel = context.WithTimeout(within(t), 500*millisecond)
	defer cancel()
	if o := g.createPersona(ctx); statusOf(o.err) != codes.DeadlineExceeded {
		t.Errorf("got %v", o.err)
	}
	// The client gives up at the same moment: either may be the first to be noticed.
	g.await("a call whose deadline passed", func(l logLine) bool {
		return l.text("rpc") == "CreatePersona" && (l.text("reason") == "DEADLINE_EXCEEDED" || l.text("reason") == "CANCELLED")
	})
}
