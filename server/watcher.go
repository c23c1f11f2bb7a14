package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/mavera"
	"github.com/mavera-gateway/mavera-gateway/internal/tracing"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// watcher counts what the loop decides for a call, notes it for the trace, and logs
// what is unusual.
type watcher struct {
	*resilient

	call     *call
	exchange *tracing.Exchange
	breaker  resilience.BreakerStore
	begun    time.Time // when the attempt began
}

func (w *watcher) Retried(reason string, pause time.Duration) {
	ctx := context.Background()
	w.exchange.Event("mavera.retry", reasonAttr.String(reason), delayAttr.Float64(pause.Seconds()))
	w.options.Observer.AddRetry(ctx, w.call.plan.Family, w.call.outcome) // Mavera can invent reasons, but not outcomes
	w.options.Logger.LogAttrs(ctx, slog.LevelInfo, "retry", slog.String("request_id", w.call.requestID), slog.String("rpc", w.call.rpc),
		slog.String("family", w.call.plan.Family), slog.String("reason", reason), slog.Int64("pause_ms", pause.Milliseconds()))
}

func (w *watcher) BudgetSpent() {
	ctx := context.Background()
	w.exchange.Event("mavera.retry_budget_spent")
	w.options.Observer.AddBudgetRefusal(ctx, w.call.plan.Family)
	w.options.Logger.LogAttrs(ctx, slog.LevelWarn, "no retry: the retry budget is spent",
		slog.String("request_id", w.call.requestID), slog.String("rpc", w.call.rpc), slog.String("family", w.call.plan.Family))
}

func (w *watcher) Changed(change resilience.Transition) {
	ctx := context.Background()
	w.exchange.Event("mavera.breaker", fromAttr.String(change.From.String()), toAttr.String(change.To.String()))
	if !w.call.ownKey {
		w.outages.look(w.call.plan.Family, w.breaker)
	}
	w.options.Observer.AddTransition(ctx, w.call.plan.Family, change.From.String(), change.To.String())
	w.options.Logger.LogAttrs(ctx, slog.LevelWarn, "the circuit breaker changed", slog.String("family", w.call.plan.Family),
		slog.String("from", change.From.String()), slog.String("to", change.To.String()),
		slog.Int64("cooldown_ms", change.Cooldown.Milliseconds()), slog.String("request_id", w.call.requestID))
}

func (w *watcher) Waited(slot, place time.Duration) {
	w.exchange.Waited(slot, place)
	w.options.Observer.RecordWait(context.Background(), w.call.plan.Family, w.call.class.String(), slot+place)
}

func (w *watcher) Attempting(ctx context.Context) context.Context {
	w.begun = time.Now()
	return w.exchange.Attempting(ctx)
}

func (w *watcher) Attempted(context.Context) {
	attempt := tracing.Attempt{Sends: w.call.report.Sends, Status: w.call.report.Status, Failure: failureOf(w.call.outcome)}
	w.exchange.Attempted(attempt)
	w.options.Observer.RecordAttempt(w.call.trail.Exemplars(), w.upstream.target(w.call.plan), attempt.Status, attempt.ErrorType(), time.Since(w.begun))
}

// failureOf is what an outcome is in a trace: nothing, where all went well or the
// attempt was given up deliberately.
func failureOf(outcome string) string {
	switch outcome {
	case "ok", "caller_left", "shutting_down":
		return ""
	default:
		return outcome
	}
}

// outcomeOf names what came of an attempt, for metrics. Its values are bounded, unlike
// the reasons of failures, which are Mavera's codes and an open set.
func outcomeOf(err error) string {
	if err == nil {
		return "ok"
	}
	failure := (*mavera.Failure)(nil)
	switch {
	case !errors.As(err, &failure):
		return "other"
	case failure.HTTPStatus != 0 && failure.HTTPStatus/100 != 2:
		return statusOutcome(failure.HTTPStatus)
	case failure.By(mavera.NotSent):
		return "connection_failed"
	case failure.By(mavera.Lost):
		return "connection_lost"
	case failure.By(mavera.AttemptTimedOut):
		return "attempt_timeout"
	case failure.By(mavera.Malformed):
		return "malformed_response"
	case failure.By(mavera.TooLarge):
		return "answer_too_large"
	case failure.By(mavera.StreamCut):
		return "stream_cut"
	case failure.By(mavera.StreamStalled):
		return "stream_stalled"
	case failure.By(mavera.StreamFailed):
		return "stream_failed"
	case failure.By(mavera.CallerDeadline):
		return "caller_deadline"
	case failure.By(mavera.CallerLeft):
		return "caller_left"
	case failure.By(mavera.TotalTimedOut):
		return "total_timeout"
	case failure.By(mavera.ShuttingDown):
		return "shutting_down"
	default:
		return "other"
	}
}

// statusOutcome names the statuses that Mavera documents or proxies are known for, and
// of the others the hundred.
func statusOutcome(status int) string {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden,
		http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusRequestEntityTooLarge,
		http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusNotImplemented, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return "http_" + strconv.Itoa(status)
	default:
		return "http_" + strconv.Itoa(status/100) + "xx"
	}
}
