package telemetry

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
)

// line is what one logged error looks like without its time.
func line(left string) string {
	return `level=WARN msg="telemetry could not be exported; calls are not affected" error=down left_out=` + left + "\n"
}

func newLog() (*slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	dropTime := func(_ []string, attr slog.Attr) slog.Attr {
		if attr.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return attr
	}
	return slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: dropTime})), &out
}

func TestErrorLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, out := newLog()
		errorLog := &errorLog{logger: logger}
		steps := []struct {
			after time.Duration
			want  string
		}{
			{0, line("0")},
			{5 * time.Second, ""},
			{54*time.Second + 999*time.Millisecond, ""},
			{time.Millisecond, line("2")}, // one minute after the first
			{time.Hour, line("0")},
		}
		for i, step := range steps {
			time.Sleep(step.after)
			out.Reset()
			errorLog.Handle(errors.New("down"))
			if got := out.String(); got != step.want {
				t.Errorf("step %d: logged %q, want %q", i, got, step.want)
			}
		}
	})
}

// TestStartTakesTheErrorsOfTheSDK reports an error in the way the SDK does.
func TestStartTakesTheErrorsOfTheSDK(t *testing.T) {
	logger, out := newLog()
	t.Setenv("OTEL_SDK_DISABLED", "true")
	telemetry, err := Start(t.Context(), Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	defer shutDown(t, telemetry)
	otel.Handle(errors.New("down"))
	if got := out.String(); got != line("0") {
		t.Errorf("logged %q, want %q", got, line("0"))
	}
}
