package telemetry

import (
	"log/slog"
	"sync"
	"time"
)

// errorInterval is the shortest time between two logged errors. An exporter
// whose collector is down fails with every batch, by default every 5 s.
const errorInterval = time.Minute

// errorLog logs what the OpenTelemetry SDK can't tell anyone else: at most one
// error in errorInterval, with the number of those left out since the last.
// It is an otel.ErrorHandler.
type errorLog struct {
	logger *slog.Logger

	mu      sync.Mutex
	last    time.Time // of the last logged error; guarded by mu
	leftOut int       // guarded by mu
}

// Handle logs err or counts it.
func (l *errorLog) Handle(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !l.last.IsZero() && now.Sub(l.last) < errorInterval {
		l.leftOut++
		return
	}
	l.logger.Warn("telemetry could not be exported; calls are not affected", "error", err, "left_out", l.leftOut)
	l.last, l.leftOut = now, 0
}
