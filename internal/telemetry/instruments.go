package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
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
	lookUps          metric.Int64Counter
	transitions      metric.Int64Counter
	wait             metric.Float64Histogram
	calls            *callInstruments
	callers          *labels
	watchPolls       metric.Int64Counter
	ignoredReports   metric.Int64Counter
	refusals         metric.Int64Counter
	panics           atomic.Int64

	pairs sets[pair]
	batch batch
}

// A pair is a family and another attribute.
type pair struct {
	family string
	key    attribute.Key
	value  string
}

func (p pair) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{FamilyKey.String(p.family), p.key.String(p.value)}
}

// NewInstruments makes the instruments of a provider.
func NewInstruments(provider metric.MeterProvider) (*Instruments, error) {
	meter := provider.Meter(ScopeName)
	var errs [13]error
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
	i.lookUps, errs[7] = meter.Int64Counter(lookUps, metric.WithUnit("{lookup}"),
		metric.WithDescription("Look-ups of what billed creates of unknown outcome have made, by what they came to."))
	i.watchPolls, errs[8] = meter.Int64Counter(watchPolls, metric.WithUnit("{poll}"),
		metric.WithDescription("Polls of jobs that are watched, the first question for each included, by what they brought."))
	i.ignoredReports, errs[9] = meter.Int64Counter(ignoredReports, metric.WithUnit("{call}"),
		metric.WithDescription("Calls whose x-forwarded-client-cert was not used, by the reason."))
	i.refusals, errs[10] = meter.Int64Counter(refusals, metric.WithUnit("{call}"),
		metric.WithDescription("Calls that the gateway refused by itself, by the reason; SHUTTING_DOWN includes those that a stop ended."))
	panics, err := meter.Int64ObservableCounter(panics, metric.WithUnit("{panic}"),
		metric.WithDescription("Panics that ended a call, or a poll of a watched job, and not the process."))
	errs[11] = err
	i.calls, errs[12] = newCallInstruments(meter)
	i.callers = newLabels(maxCallers)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make instruments: %w", err)
	}
	// Observed from the start, or an alert would miss the first one.
	if _, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		i.flush()
		o.ObserveInt64(panics, i.panics.Load())
		return nil
	}, panics); err != nil {
		return nil, fmt.Errorf("make instruments: %w", err)
	}
	return &i, nil
}

// AddUnmodelledField counts how often an answer held a field that the proto of
// the RPC does not model.
func (i *Instruments) AddUnmodelledField(ctx context.Context, rpc, field, kind string, count int) {
	i.unmodelledFields.Add(ctx, int64(count), metric.WithAttributes(RPCKey.String(rpc), FieldKey.String(field), KindKey.String(kind)))
}

// AddRetry counts an attempt that is repeated because of its outcome.
func (i *Instruments) AddRetry(ctx context.Context, family, reason string) {
	i.retries.Add(ctx, 1, i.pairs.of(pair{family, ReasonKey, reason}, pair.attributes).add...)
}

// AddBudgetRefusal counts a retry that the spent budget did not allow.
func (i *Instruments) AddBudgetRefusal(ctx context.Context, family string) {
	i.budgetRefusals.Add(ctx, 1, metric.WithAttributes(FamilyKey.String(family)))
}

// AddTransition counts a change of a breaker's state.
func (i *Instruments) AddTransition(ctx context.Context, family, from, to string) {
	i.transitions.Add(ctx, 1, metric.WithAttributes(FamilyKey.String(family), FromKey.String(from), ToKey.String(to)))
}

// AddLookUp counts a look-up of what a billed create has made.
func (i *Instruments) AddLookUp(ctx context.Context, family, result string) {
	i.lookUps.Add(ctx, 1, i.pairs.of(pair{family, ResultKey, result}, pair.attributes).add...)
}

// AddPoll counts a poll of a job that is watched, by what it brought.
func (i *Instruments) AddPoll(ctx context.Context, family, result string) {
	i.watchPolls.Add(ctx, 1, i.pairs.of(pair{family, ResultKey, result}, pair.attributes).add...)
}

// AddIgnoredReport counts a call whose x-forwarded-client-cert is not used.
func (i *Instruments) AddIgnoredReport(ctx context.Context, reason string) {
	i.ignoredReports.Add(ctx, 1, metric.WithAttributes(ReasonKey.String(reason)))
}

// AddRefusal counts a call that the gateway refused by itself, or ended because it stops.
func (i *Instruments) AddRefusal(ctx context.Context, family, reason string) {
	i.refusals.Add(ctx, 1, i.pairs.of(pair{family, ReasonKey, reason}, pair.attributes).add...)
}

// AddPanic counts a panic that was recovered. The log says where it was.
func (i *Instruments) AddPanic(context.Context) { i.panics.Add(1) }
