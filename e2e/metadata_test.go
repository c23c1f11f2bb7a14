//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/simulator"
)

// otherKey has the form of a key and is known to nobody.
const otherKey = "mvra_live_zzzz_this_key_opens_nothing_at_all"

func with(ctx context.Context, pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// TestTrailers reads the trailers of answers.
func TestTrailers(t *testing.T) {
	_, g := pair(t)
	made := regexp.MustCompile(`^[0-9a-f]{32}$`)
	for name, row := range map[string]struct {
		sent string
		keep bool
	}{
		"kept":         {"order-7/step 2"[:7], true},
		"the longest":  {strings.Repeat("x", 128), true},
		"too long":     {strings.Repeat("x", 129), false},
		"with a space": {"a b", false},
		"empty":        {"", false},
	} {
		ctx := with(within(t), "x-request-id", row.sent)
		for _, id := range []string{personaID, "no-such-persona"} {
			o := g.getPersona(ctx, id)
			got := one(o.trailer, "x-request-id")
			if row.keep && got != row.sent || !row.keep && !made.MatchString(got) {
				t.Errorf("%s: sent %q, got %q", name, row.sent, got)
			}
			if id != personaID {
				o.failure(t) // the same id is in its details
			}
		}
	}
	if a, b := one(g.getPersona(within(t), personaID).trailer, "x-request-id"), one(g.getPersona(within(t), personaID).trailer, "x-request-id"); a == b || !made.MatchString(a) {
		t.Errorf("ids made: %s, %s", a, b)
	}

	o := g.getPersona(with(within(t), "x-request-id", "r-1"), personaID)
	if diff := cmp.Diff(metadata.MD{"x-request-id": {"r-1"}, "x-mavera-attempts": {"1"}}, without(o.trailer, "content-type")); diff != "" || o.err != nil {
		t.Errorf("a free call, -want +got:\n%s%v", diff, o.err)
	}
	o = g.createPersona(with(within(t), "x-request-id", "r-2"))
	want := metadata.MD{"x-request-id": {"r-2"}, "x-mavera-attempts": {"1"}, "x-mavera-credits-used": {"300"}}
	if diff := cmp.Diff(want, without(o.trailer, "content-type")); diff != "" || o.err != nil {
		t.Errorf("a call that costs, -want +got:\n%s%v", diff, o.err)
	}
	o = g.getPersona(with(within(t), "x-request-id", "r-3"), "")
	want = metadata.MD{"x-request-id": {"r-3"}, "x-mavera-attempts": {"0"}, "grpc-retry-pushback-ms": {"-1"}}
	if diff := cmp.Diff(want, without(o.trailer, "content-type", "grpc-status-details-bin")); diff != "" {
		t.Errorf("a refused call, -want +got:\n%s", diff)
	}
}

// without leaves out what gRPC itself adds.
func without(md metadata.MD, keys ...string) metadata.MD {
	md = md.Copy()
	for _, key := range keys {
		md.Delete(key)
	}
	return md
}

// TestCallerKeys sends keys of the caller's.
func TestCallerKeys(t *testing.T) {
	m, g := pair(t)
	refused := failure{
		Code: codes.InvalidArgument, Reason: "INVALID_REQUEST", Domain: local, Retryable: "false", Wait: "-1", Attempts: "0",
		Details: "bad metadata:x-mavera-api-key: is not accepted here: this gateway uses its own key (allow_caller_keys)",
	}
	if diff := cmp.Diff(refused, g.getPersona(with(within(t), "x-mavera-api-key", simulator.DemoKey), personaID).failure(t)); diff != "" {
		t.Errorf("not allowed, -want +got:\n%s", diff)
	}
	if requests := m.requests(); len(requests) > 0 {
		t.Errorf("it led to %d requests", len(requests))
	}

	// This gateway's own key opens nothing, so that each answer shows whose it was.
	g = launch(t, []string{"MAVERA_API_KEY=" + otherKey, "MAVERA_BASE_URL=" + m.base.String()}, "--allow-caller-keys")
	if o := g.getPersona(with(within(t), "x-mavera-api-key", simulator.DemoKey), personaID); o.err != nil {
		t.Errorf("the caller's key: %v", o.err)
	}
	unauthenticated := failure{
		Code: codes.Unauthenticated, Reason: "INVALID_API_KEY", Domain: upstream, HTTPStatus: "401", UpstreamCode: "invalid_api_key",
		Retryable: "false", Wait: "-1", Attempts: "1", Details: "credential=caller; /guides/authentication",
	}
	wrong := g.getPersona(with(within(t), "x-mavera-api-key", otherKey+"2"), personaID)
	if diff := cmp.Diff(unauthenticated, wrong.failure(t)); diff != "" {
		t.Errorf("a wrong key of the caller's, -want +got:\n%s", diff)
	}
	unauthenticated.Details = "credential=gateway; /guides/authentication"
	if diff := cmp.Diff(unauthenticated, g.getPersona(within(t), personaID).failure(t)); diff != "" {
		t.Errorf("a wrong key of the gateway's, -want +got:\n%s", diff)
	}
	if f := g.getPersona(with(within(t), "x-mavera-api-key", ""), personaID).failure(t); f.Details != "bad metadata:x-mavera-api-key: the key is empty" {
		t.Errorf("an empty key: %+v", f)
	}
	if log := g.log(); strings.Contains(log, "opens_nothing") {
		t.Error("the gateway wrote a key")
	}
}

// TestCallerID names the caller.
func TestCallerID(t *testing.T) {
	_, g := pair(t)
	for id, caller := range map[string]string{"billing-job": "billing-job", strings.Repeat("c", 64): strings.Repeat("c", 64)} {
		if o := g.getPersona(with(within(t), "x-caller-id", id), personaID); o.err != nil {
			t.Errorf("%q: %v", id, o.err)
		}
		g.await("a call of "+caller, func(l logLine) bool { return l.text("msg") == "call" && l.text("caller") == caller })
	}
	for _, id := range []string{"", "two words", strings.Repeat("c", 65)} {
		f := g.getPersona(with(within(t), "x-caller-id", id), personaID).failure(t)
		if f.Code != codes.InvalidArgument || f.Details != "bad metadata:x-caller-id: must have 1 to 64 visible ASCII characters" {
			t.Errorf("%q: got %+v", id, f)
		}
	}
	if o := g.getPersona(within(t), personaID); o.err != nil {
		t.Error(o.err)
	}
	g.await("a call without a name", func(l logLine) bool { return l.text("msg") == "call" && l.text("caller") == "127.0.0.1" })
}

// TestKeyFile changes the key while the gateway runs.
func TestKeyFile(t *testing.T) {
	m := startMavera(t)
	file := filepath.Join(t.TempDir(), "key")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(otherKey + "\n")
	g := launch(t, []string{"MAVERA_API_KEY_FILE=" + file, "MAVERA_BASE_URL=" + m.base.String()})
	if f := g.getPersona(within(t), personaID).failure(t); f.Code != codes.Unauthenticated {
		t.Errorf("with the first key: %+v", f)
	}
	write(simulator.DemoKey + "\n")
	eventually(t, "the new key", func() bool { return g.getPersona(within(t), personaID).err == nil })
	if line := g.awaitMessage("the key file has a new key"); line.text("key") != "mvra_live_simu..." {
		t.Errorf("got %v", line)
	}

	// A file that cannot be used leaves the last key in force.
	write(" \n")
	g.awaitMessage("the key file can't be used; the last good key stays in force")
	if _, err := g.usage.GetUsage(within(t), &maverav1.GetUsageRequest{}); err != nil {
		t.Errorf("with an empty file: %v", err)
	}
	if strings.Contains(g.log(), "opens_nothing") {
		t.Error("the gateway wrote a key")
	}
}
