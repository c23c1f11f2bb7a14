package telemetry

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/metric"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// states are the instruments that show a state, each asked for at every export.
type states struct {
	budget                          metric.Int64ObservableGauge
	breaker                         metric.Int64ObservableGauge
	queue                           metric.Int64ObservableGauge
	limit, places, used, foreign    metric.Int64ObservableGauge
	foreignRequests, ignoredHeaders metric.Int64ObservableCounter
	slots, slotsInUse, slotsWaiting metric.Int64ObservableGauge
	watches, watchedJobs            metric.Int64ObservableGauge
}

// ObserveState makes the instruments that show a state. read is called once for each
// export, by several at a time; it must be quick.
//
// When the key changes, the counters of the window begin again at zero, as after a
// restart.
func ObserveState(provider metric.MeterProvider, read func() resilience.Snapshot) error {
	meter := provider.Meter(ScopeName)
	s, err := newStates(meter)
	if err != nil {
		return fmt.Errorf("make instruments: %w", err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s.observe(o, read())
		return nil
	}, s.budget, s.breaker, s.queue, s.limit, s.places, s.used, s.foreign, s.foreignRequests, s.ignoredHeaders, s.slots, s.slotsInUse, s.slotsWaiting, s.watches, s.watchedJobs)
	if err != nil {
		return fmt.Errorf("observe instruments: %w", err)
	}
	return nil
}

func newStates(meter metric.Meter) (*states, error) {
	var errs []error
	gauge := func(name, unit, description string) metric.Int64ObservableGauge {
		made, err := meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		return made
	}
	counter := func(name, unit, description string) metric.Int64ObservableCounter {
		made, err := meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		return made
	}
	s := &states{
		budget:          gauge(budgetLevel, "{retry}", "Retries that the budget would allow at once."),
		breaker:         gauge(breakerState, "{state}", "State of the circuit breaker: 0 closed, 1 half-open, 2 open."),
		queue:           gauge(queueLength, "{call}", "Calls that wait for a place in the rate limit window."),
		limit:           gauge(windowLimit, "{request}", "Requests a minute that Mavera allows the key, as learnt from its answers."),
		places:          gauge(windowPlaces, "{request}", "The part of the limit that this process may use."),
		used:            gauge(windowUsed, "{request}", "Requests of this process that count in the window now."),
		foreign:         gauge(windowForeign, "{request}", "Requests of others with the same key that are taken to count in the window now."),
		foreignRequests: counter(windowForeignRequests, "{request}", "Requests of others with the same key, as far as Mavera's answers tell."),
		ignoredHeaders:  counter(windowIgnoredHeaders, "{answer}", "Answers whose rate limit headers or Retry-After made no sense."),
		slots:           gauge(slots, "{slot}", "Calls of a capped family that this process may have under way at a time."),
		slotsInUse:      gauge(slotsInUse, "{slot}", "Slots of a capped family that are taken."),
		slotsWaiting:    gauge(slotsWaiting, "{call}", "Calls that wait for a slot of a capped family."),
		watches:         gauge(watches, "{watch}", "Watches of jobs that are open."),
		watchedJobs:     gauge(watchedJobs, "{job}", "Jobs that are watched, each polled once for all its watches."),
	}
	return s, errors.Join(errs...)
}

func (s *states) observe(o metric.Observer, state resilience.Snapshot) {
	window := state.Window
	o.ObserveInt64(s.budget, int64(state.RetryBudget))
	o.ObserveInt64(s.limit, int64(window.Limit))
	o.ObserveInt64(s.places, int64(window.Places))
	o.ObserveInt64(s.used, int64(window.Own))
	o.ObserveInt64(s.foreign, int64(window.Foreign))
	o.ObserveInt64(s.foreignRequests, int64(window.ForeignTotal))
	o.ObserveInt64(s.ignoredHeaders, int64(window.Ignored))
	for class, length := range state.Queued {
		o.ObserveInt64(s.queue, int64(length), metric.WithAttributes(ClassKey.String(resilience.Class(class).String())))
	}
	for family, breaker := range state.Breakers {
		o.ObserveInt64(s.breaker, breakerNumber(breaker), metric.WithAttributes(FamilyKey.String(family)))
	}
	for family, usage := range state.Slots {
		attributes := metric.WithAttributes(FamilyKey.String(family))
		o.ObserveInt64(s.slots, int64(usage.Slots), attributes)
		o.ObserveInt64(s.slotsInUse, int64(usage.Taken), attributes)
		o.ObserveInt64(s.slotsWaiting, int64(usage.Waiting), attributes)
	}
	for family, count := range state.Watches {
		attributes := metric.WithAttributes(FamilyKey.String(family))
		o.ObserveInt64(s.watches, int64(count), attributes)
		o.ObserveInt64(s.watchedJobs, int64(state.WatchedJobs[family]), attributes)
	}
}

// breakerNumber orders the states by how much they hold back, so that an alert can
// compare.
func breakerNumber(state resilience.State) int64 {
	switch state {
	case resilience.Open:
		return 2
	case resilience.HalfOpen:
		return 1
	default:
		return 0
	}
}
