package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/mavera-gateway/mavera-gateway/resilience"
)

// watcher counts what the loop decides for a call, and logs what is unusual.
type watcher struct {
	options Options
	call    *call
}

func (w watcher) Retried(reason string, pause time.Duration) {
	ctx := context.Background()
	w.options.Observer.AddRetry(ctx, w.call.plan.Family, reason)
	w.options.Logger.LogAttrs(ctx, slog.LevelInfo, "retry", slog.String("request_id", w.call.requestID), slog.String("rpc", w.call.rpc),
		slog.String("family", w.call.plan.Family), slog.String("reason", reason), slog.Int64("pause_ms", pause.Milliseconds()))
}

func (w watcher) BudgetSpent() {
	ctx := context.Background()
	w.options.Observer.AddBudgetRefusal(ctx, w.call.plan.Family)
	w.options.Logger.LogAttrs(ctx, slog.LevelWarn, "no retry: the retry budget is spent",
		slog.String("request_id", w.call.requestID), slog.String("rpc", w.call.rpc), slog.String("family", w.call.plan.Family))
}

func (w watcher) Changed(change resilience.Transition) {
	ctx := context.Background()
	w.options.Observer.AddTransition(ctx, w.call.plan.Family, change.From.String(), change.To.String())
	w.options.Logger.LogAttrs(ctx, slog.LevelWarn, "the circuit breaker changed", slog.String("family", w.call.plan.Family),
		slog.String("from", change.From.String()), slog.String("to", change.To.String()),
		slog.Int64("cooldown_ms", change.Cooldown.Milliseconds()), slog.String("request_id", w.call.requestID))
}

func (w watcher) Waited(wait time.Duration) {
	w.options.Observer.RecordWait(context.Background(), w.call.plan.Family, w.call.class.String(), wait)
}
