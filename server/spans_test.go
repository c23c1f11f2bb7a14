package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc/metadata"

	maverav1 "github.com/mavera-gateway/mavera-gateway/gen/mavera/v1"
	"github.com/mavera-gateway/mavera-gateway/internal/tracing"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// traced records the spans of all calls.
func traced(exporter sdktrace.SpanExporter) func(*Options) {
	return func(o *Options) {
		options := []sdktrace.TracerProviderOption{sdktrace.WithSyncer(exporter), sdktrace.WithSampler(sdktrace.AlwaysSample())}
		sampled := sdktrace.NewTracerProvider(options...)
		o.Tracing = tracing.NewRecorder(tracing.Options{
			Sampled: sampled, Always: sdktrace.NewTracerProvider(append(options, sdktrace.WithIDGenerator(tracing.IDs{}))...), Propagator: propagation.TraceContext{},
		})
	}
}

// TestSpansKeepSecrets sends secrets everywhere that a caller and Mavera can put them,
// and looks for them in everything that is exported.
func TestSpansKeepSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const key, prompt, answer = "mvra_live_zyxwvutsrqponmlkjihgfedcba", "PROMPT", "ANSWER"
		exporter := tracetest.NewInMemoryExporter()
		failing := false
		h := newHarness(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if failing {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = fmt.Fprintf(w, `{"error": {"message": "%s %s", "code": "bad_%s"}}`, answer, key, key)
				return
			}
			_, _ = fmt.Fprintf(w, `{"id": "msg_1 %s", "content": "%s", "usage": {"credits_used": 12}}`, key, answer)
		}, traced(exporter), attempts(1), policy(func(p *resilience.Policy) { p.Breaker.Failures = 100 }))
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", key, "x-caller-id", key, "baggage", "secret="+prompt)
		ask := func(ctx context.Context) {
			_, _ = h.mave.SendMaveMessage(ctx, &maverav1.SendMaveMessageRequest{Message: prompt})
			_, _ = h.personas.ListPersonas(ctx, &maverav1.ListPersonasRequest{Search: new(prompt)})
			_, _ = h.personas.GetPersona(ctx, &maverav1.GetPersonaRequest{Id: key})
		}
		ask(ctx)
		failing = true
		ask(ctx)
		ask(metadata.AppendToOutgoingContext(ctx, "x-mavera-api-key", key))

		synctest.Wait() // grpc-go ends a server span after the caller has its status
		var names []string
		for _, span := range exporter.GetSpans() {
			names = append(names, span.Name)
			text := span.Name + span.Status.Description
			for _, a := range span.Attributes {
				text += fmt.Sprintf(" %s=%s", a.Key, a.Value.String())
			}
			for _, e := range span.Events {
				text += fmt.Sprint(e.Name, e.Attributes)
			}
			for _, secret := range []string{"zyxwvuts", prompt, answer, strings.TrimPrefix(testKey, "mvra_live_abcd")} {
				if strings.Contains(text, secret) {
					t.Errorf("%q is in %s", secret, text)
				}
			}
		}
		counts := map[string]int{}
		for _, name := range names {
			counts[name]++
		}
		want := map[string]int{
			"mavera.v1.MaveService/SendMaveMessage": 3, "invoke_agent mave": 2, "POST /mave/chat": 2,
			"mavera.v1.PersonasService/ListPersonas": 3, "ListPersonas": 2, "GET /personas": 2,
			"mavera.v1.PersonasService/GetPersona": 3, "GetPersona": 2, "GET /personas/{id}": 2,
		}
		if fmt.Sprint(counts) != fmt.Sprint(want) {
			t.Errorf("spans %v, want %v", counts, want)
		}
	})
}

// TestSpansOfTheGatewayItself traces a call that nobody made: it is a root.
func TestSpansOfTheGatewayItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exporter := tracetest.NewInMemoryExporter()
		h := newHarness(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data": []}`) }, traced(exporter))
		if err := h.server.ask(t.Context(), maverav1.PersonasService_ListPersonas_FullMethodName, &maverav1.ListPersonasRequest{}, &maverav1.ListPersonasResponse{}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, span := range exporter.GetSpans() {
			parent := "root"
			if span.Parent.IsValid() {
				parent = "child"
			}
			got = append(got, span.Name+" "+parent)
		}
		if want := []string{"GET /personas child", "ListPersonas root"}; !slices.Equal(got, want) {
			t.Errorf("spans %q, want %q", got, want)
		}
	})
}
