package telemetry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// Instruments are the gateway's own metrics, as far as calls add to them. Those that
// show a state are in [ObserveState]. names.go lists all of them with their units and
// attributes.
type Instruments struct {
	unmodelledFields metric.Int64Counter
	creditsUsed      metric.Float64Counter
	upstreamAttempts metric.Int64Counter
	retries          metric.Int64Counter
	budgetRefusals   metric.Int64Counter
	transitions      metric.Int64Counter
	wait             metric.Float64Histogram
	ignoredReports   metric.Int64Counter
}

// NewInstruments makes the instruments of a provider.
func NewInstruments(provider metric.MeterProvider) (*Instruments, error) {
	meter := provider.Meter(ScopeName)
	var errs [8]error
	var i Instruments
	i.unmodelledFields, errs[0] = meter.Int64Counter(unmodelledFields, metric.WithUnit("{field}"),
		metric.WithDescription("Fields of Mavera's answers that the protos do not model and that went to additional_fields."))
	i.creditsUsed, errs[1] = meter.Float64Counter(creditsUsed, metric.WithUnit("{credit}"),
		metric.WithDescription("Mavera credits that answers reported as used."))
	i.upstreamAttempts, errs[2] = meter.Int64Counter(upstreamAttempts, metric.WithUnit("{attempt}"),
		metric.WithDescription("Requests sent to Mavera, repeats and those that found no connection included, by what came of them."))
	i.retries, errs[3] = meter.Int64Counter(retries, metric.WithUnit("{retry}"),
		metric.WithDescription("Attempts that the gateway decided to repeat, by what came of them."))
	i.budgetRefusals, errs[4] = meter.Int64Counter(budgetRefusals, metric.WithUnit("{retry}"),
		metric.WithDescription("Retries that were given up because the retry budget was spent."))
	i.transitions, errs[5] = meter.Int64Counter(breakerTransitions, metric.WithUnit("{transition}"),
		metric.WithDescription("Changes of state of the circuit breakers."))
	i.wait, errs[6] = meter.Float64Histogram(wait, metric.WithUnit("s"),
		metric.WithDescription("How long an attempt waited for its slot and its place in the rate limit window, whatever came of the wait."),
		// From what nobody notices to beyond the window of 60 s and the usual total of 120 s.
		metric.WithExplicitBucketBoundaries(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300))
	i.ignoredReports, errs[7] = meter.Int64Counter(ignoredReports, metric.WithUnit("{call}"),
		metric.WithDescription("Calls whose x-forwarded-client-cert was not used, by the reason."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make instruments: %w", err)
	}
	return &i, nil
}

// AddUnmodelledField counts how often an answer held a field that the proto of
// the RPC does not model.
func (i *Instruments) AddUnmodelledField(ctx context.Context, rpc, field, kind string, count int) {
	i.unmodelledFields.Add(ctx, int64(count), metric.WithAttributes(RPCKey.String(rpc), FieldKey.String(field), KindKey.String(kind)))
}

// AddCredits counts the credits that an answer reports as used; a number below
// zero is ignored, because a counter never falls.
func (i *Instruments) AddCredits(ctx context.Context, family string, credits float64) {
	if credits >= 0 {
		i.creditsUsed.Add(ctx, credits, metric.WithAttributes(FamilyKey.String(family)))
	}
}

// AddAttempts counts requests sent to Mavera with one outcome: more than one where the
// HTTP client sent the request again by itself.
func (i *Instruments) AddAttempts(ctx context.Context, family, outcome string, count int) {
	i.upstreamAttempts.Add(ctx, int64(count), metric.WithAttributes(FamilyKey.String(family), OutcomeKey.String(outcome)))
}

// AddRetry counts an attempt that is repeated because of its outcome.
func (i *Instruments) AddRetry(ctx context.Context, family, reason string) {
	i.retries.Add(ctx, 1, metric.WithAttributes(FamilyKey.String(family), ReasonKey.String(reason)))
}

// AddBudgetRefusal counts a retry that the spent budget did not allow.
func (i *Instruments) AddBudgetRefusal(ctx context.Context, family string) {
	i.budgetRefusals.Add(ctx, 1, metric.WithAttributes(FamilyKey.String(family)))
}

// AddTransition counts a change of a breaker's state.
func (i *Instruments) AddTransition(ctx context.Context, family, from, to string) {
	i.transitions.Add(ctx, 1, metric.WithAttributes(FamilyKey.String(family), FromKey.String(from), ToKey.String(to)))
}

// RecordWait records how long an attempt waited for permission to be sent.
func (i *Instruments) RecordWait(ctx context.Context, family, class string, waited time.Duration) {
	i.wait.Record(ctx, waited.Seconds(), metric.WithAttributes(FamilyKey.String(family), ClassKey.String(class)))
}

// AddIgnoredReport counts a call whose x-forwarded-client-cert is not used.
func (i *Instruments) AddIgnoredReport(ctx context.Context, reason string) {
	i.ignoredReports.Add(ctx, 1, metric.WithAttributes(ReasonKey.String(reason)))
}
