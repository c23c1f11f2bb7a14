package telemetry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"

	"github.com/mavera-gateway/mavera-gateway/internal/tracing"
)

// The instruments of the semantic conventions. Those of GenAI live apart from the
// others, at open-telemetry/semantic-conventions-genai.
const (
	rpcDuration     = "rpc.server.call.duration"         // Histogram of seconds; rpc.method, rpc.response.status_code, error.type.
	attemptDuration = "http.client.request.duration"     // Histogram of seconds; http.request.method, url.template, http.response.status_code, error.type, server.address, server.port.
	genDuration     = "gen_ai.client.operation.duration" // Histogram of seconds; gen_ai.operation.name, gen_ai.request.model, error.type.
	genTokens       = "gen_ai.client.token.usage"        //nolint:gosec // a name, no token. Histogram of tokens; gen_ai.operation.name, gen_ai.request.model, gen_ai.token.type.
)

// Attributes of GenAI.
const (
	genOperationKey = attribute.Key("gen_ai.operation.name")
	genProviderKey  = attribute.Key("gen_ai.provider.name")
	genModelKey     = attribute.Key("gen_ai.request.model")
	genTokenTypeKey = attribute.Key("gen_ai.token.type")
)

const (
	// maxModels is how many names of models are told apart: Mavera has one.
	maxModels = 20
	// maxCallers is how many callers are told apart in the credits.
	maxCallers = 100
)

// callInstruments measure calls by the semantic conventions. The attributes of each are
// made once: making them costs more than recording.
type callInstruments struct {
	rpcs     metric.Float64Histogram
	attempts metric.Float64Histogram
	gens     metric.Float64Histogram
	tokens   metric.Int64Histogram
	jobs     metric.Float64Histogram

	rpcSets     sets[rpcSet]
	attemptSets sets[attemptSet]
	genSets     sets[genSet]
	models      *labels
}

type rpcSet struct {
	method string
	code   codes.Code
}

func (k rpcSet) attributes() []attribute.KeyValue {
	name := code.Code(k.code).String()
	attributes := []attribute.KeyValue{semconv.RPCSystemNameGRPC, semconv.RPCMethod(k.method), semconv.RPCResponseStatusCode(name)}
	switch k.code { // those that are errors of a server
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		attributes = append(attributes, semconv.ErrorTypeKey.String(name))
	default:
	}
	return attributes
}

type attemptSet struct {
	target    tracing.Target
	status    int
	errorType string
}

func (k attemptSet) attributes() []attribute.KeyValue {
	attributes := k.target.Attributes()
	if k.status != 0 {
		attributes = append(attributes, semconv.HTTPResponseStatusCode(k.status))
	}
	return withError(attributes, k.errorType)
}

// A genSet is that of a duration, or with a kind of tokens that of tokens.
type genSet struct{ operation, model, errorType, tokens string }

func newCallInstruments(meter metric.Meter) (*callInstruments, error) {
	var errs [5]error
	c := &callInstruments{models: newLabels(maxModels)}
	// Short answers come from Mavera's lists, long ones from Mave, which takes up to 300 s.
	seconds := metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 120, 300)
	c.rpcs, errs[0] = meter.Float64Histogram(rpcDuration, metric.WithUnit("s"), seconds,
		metric.WithDescription("How long RPCs took, from the start of the handler to its end."))
	c.attempts, errs[1] = meter.Float64Histogram(attemptDuration, metric.WithUnit("s"), seconds,
		metric.WithDescription("How long requests to Mavera took, each attempt by itself, the answer's body included."))
	c.gens, errs[2] = meter.Float64Histogram(genDuration, metric.WithUnit("s"),
		metric.WithDescription("How long calls that generate took, over all attempts and waits."),
		// The boundaries that the semantic conventions ask for, and 163.84.
		metric.WithExplicitBucketBoundaries(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84))
	c.tokens, errs[3] = meter.Int64Histogram(genTokens, metric.WithUnit("{token}"),
		metric.WithDescription("Tokens that answers report as read (input) and written (output)."),
		metric.WithExplicitBucketBoundaries(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864))
	c.jobs, errs[4] = meter.Float64Histogram(jobDuration, metric.WithUnit("s"),
		metric.WithDescription("How old jobs were that held a slot when they were seen to be over: finished, failed or gone."),
		// A focus group takes 60 to 90 s, a video analysis 2 to 10 min (/guides/rate-limits, /quickstart-video).
		metric.WithExplicitBucketBoundaries(5, 15, 30, 45, 60, 75, 90, 120, 180, 240, 300, 450, 600, 900, 1800, 3600))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make instruments of calls: %w", err)
	}
	return c, nil
}

// RecordGeneration records a call that generates: how long it took over all attempts,
// and why it failed, of a bounded set, or "".
func (i *Instruments) RecordGeneration(ctx context.Context, operation, model, errorType string, took time.Duration) {
	c := i.calls
	set := genSet{operation: operation, model: c.models.of(model, errorType == ""), errorType: errorType}
	c.gens.Record(ctx, took.Seconds(), c.genSets.of(set, generation).record...)
}

// RecordTokens records the tokens that the answer to such a call reports.
func (i *Instruments) RecordTokens(ctx context.Context, operation, model string, input, output int64) {
	c := i.calls
	set := genSet{operation: operation, model: c.models.of(model, true)}
	for kind, count := range map[string]int64{"input": input, "output": output} {
		if count > 0 {
			set.tokens = kind
			c.tokens.Record(ctx, count, c.genSets.of(set, generation).record...)
		}
	}
}

// RecordJob records how old a job was that held a slot when it was seen to be over.
func (i *Instruments) RecordJob(ctx context.Context, family string, age time.Duration) {
	i.calls.jobs.Record(ctx, age.Seconds(), metric.WithAttributes(FamilyKey.String(family)))
}

func generation(k genSet) []attribute.KeyValue {
	attributes := []attribute.KeyValue{genOperationKey.String(k.operation), genProviderKey.String("mavera")}
	if k.model != "" {
		attributes = append(attributes, genModelKey.String(k.model))
	}
	if k.tokens != "" {
		attributes = append(attributes, genTokenTypeKey.String(k.tokens))
	}
	return withError(attributes, k.errorType)
}

func withError(attributes []attribute.KeyValue, reason string) []attribute.KeyValue {
	if reason == "" {
		return attributes
	}
	return append(attributes, semconv.ErrorTypeKey.String(reason))
}
