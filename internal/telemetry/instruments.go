package telemetry

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// ScopeName is the instrumentation scope of the gateway's own instruments and
// spans.
const ScopeName = "github.com/mavera-gateway/mavera-gateway"

// Attributes of the gateway's instruments. Every one has a bounded set of
// values; a prompt, an id or a caller's name never becomes one.
const (
	// RPCKey is the full method, such as mavera.v1.PersonasService/GetPersona:
	// one value per RPC of the API.
	RPCKey = attribute.Key("rpc")
	// FieldKey is the path of a field in the upstream's answer, without list
	// indexes, such as data.tags. The upstream decides how many there are; see
	// cardinalityLimit.
	FieldKey = attribute.Key("field")
	// KindKey says what about a field is not modelled: one value per kind that
	// the transcoder knows.
	KindKey = attribute.Key("kind")
	// FamilyKey is the family of calls that share limits, such as responses or
	// mave: one value per family of the API.
	FamilyKey = attribute.Key("family")
)

// cardinalityLimit is how many sets of attributes one instrument keeps. Those
// beyond are counted together under otel_metric_overflow="true", so that an
// upstream that invents field names can't fill the memory. It is the default
// of the OpenTelemetry specification (metrics SDK, cardinality limits).
const cardinalityLimit = 2000

// Instruments are the gateway's own metrics.
type Instruments struct {
	unmodelledFields metric.Int64Counter
	creditsUsed      metric.Float64Counter
}

// NewInstruments makes the instruments of a provider.
func NewInstruments(provider metric.MeterProvider) (*Instruments, error) {
	meter := provider.Meter(ScopeName)
	unmodelledFields, err := meter.Int64Counter("mavera.gateway.unmodelled_fields",
		metric.WithUnit("{field}"),
		metric.WithDescription("Fields of Mavera's answers that the protos do not model and that went to additional_fields."))
	if err != nil {
		return nil, fmt.Errorf("make instrument: %w", err)
	}
	creditsUsed, err := meter.Float64Counter("mavera.gateway.credits_used",
		metric.WithUnit("{credit}"),
		metric.WithDescription("Mavera credits that answers reported as used."))
	if err != nil {
		return nil, fmt.Errorf("make instrument: %w", err)
	}
	return &Instruments{unmodelledFields: unmodelledFields, creditsUsed: creditsUsed}, nil
}

// AddUnmodelledField counts how often an answer held a field that the proto of
// the RPC does not model. It adds to mavera.gateway.unmodelled_fields (counter, unit
// {field}; attributes rpc, field and kind), on /metrics
// mavera_gateway_unmodelled_fields_total.
func (i *Instruments) AddUnmodelledField(ctx context.Context, rpc, field, kind string, count int) {
	i.unmodelledFields.Add(ctx, int64(count), metric.WithAttributes(RPCKey.String(rpc), FieldKey.String(field), KindKey.String(kind)))
}

// AddCredits counts the credits that an answer reports as used; a number below
// zero is ignored, because a counter never falls. It adds to
// mavera.gateway.credits_used (counter, unit {credit}; attribute family), on
// /metrics mavera_gateway_credits_used_total.
func (i *Instruments) AddCredits(ctx context.Context, family string, credits float64) {
	if credits >= 0 {
		i.creditsUsed.Add(ctx, credits, metric.WithAttributes(FamilyKey.String(family)))
	}
}
