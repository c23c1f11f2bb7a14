package telemetry

import (
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/mavera-gateway/mavera-gateway/internal/tracing"
)

// BenchmarkRecordCall is what the durations of an RPC and its attempt cost.
func BenchmarkRecordCall(b *testing.B) {
	telemetry, err := Start(b.Context(), Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	i, err := NewInstruments(telemetry.MeterProvider)
	if err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	to := tracing.Target{Method: "GET", Template: "/personas", Server: "app.mavera.io", Port: 443}
	b.ReportAllocs()
	for b.Loop() {
		i.RecordCall(ctx, "mavera.v1.PersonasService/ListPersonas", codes.OK, time.Millisecond)
		i.RecordAttempt(ctx, to, 200, "", time.Millisecond)
	}
}
