package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"
)

// redactedLog runs write with a JSON logger behind the redacting handler and
// returns the lines without their time.
func redactedLog(write func(*slog.Logger)) string {
	var out bytes.Buffer
	dropTime := func(groups []string, attr slog.Attr) slog.Attr {
		if len(groups) == 0 && attr.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return attr
	}
	write(slog.New(NewHandler(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: dropTime}))))
	return out.String()
}

type valuer struct{}

func (valuer) LogValue() slog.Value { return slog.StringValue(liveKey) }

func TestHandler(t *testing.T) {
	tests := []struct {
		name  string
		write func(*slog.Logger)
		want  string
	}{
		{"message", func(l *slog.Logger) { l.Info("got " + liveKey) }, `{"level":"INFO","msg":"got mvra_live_abcd..."}`},
		{"string", func(l *slog.Logger) { l.Info("m", "a", liveKey) }, `{"level":"INFO","msg":"m","a":"mvra_live_abcd..."}`},
		{"attribute name", func(l *slog.Logger) { l.Info("m", liveKey, 1) }, `{"level":"INFO","msg":"m","mvra_live_abcd...":1}`},
		{"error", func(l *slog.Logger) { l.Info("m", "error", fmt.Errorf("call: %w", errors.New(liveKey))) }, `{"level":"INFO","msg":"m","error":"call: mvra_live_abcd..."}`},
		{"bytes", func(l *slog.Logger) { l.Info("m", "a", []byte(liveKey)) }, `{"level":"INFO","msg":"m","a":"mvra_live_abcd..."}`},
		{"struct and map", func(l *slog.Logger) {
			l.Info("m", "a", struct{ Header map[string][]string }{map[string][]string{"Authorization": {"Bearer " + liveKey}}})
		}, `{"level":"INFO","msg":"m","a":{"Header":{"Authorization":["Bearer mvra_live_abcd..."]}}}`},
		{"not to be written as JSON", func(l *slog.Logger) { l.Info("m", "a", struct{ F func() }{}) }, `{"level":"INFO","msg":"m","a":"{F:<nil>}"}`},
		{"value that makes itself", func(l *slog.Logger) { l.Info("m", "a", valuer{}) }, `{"level":"INFO","msg":"m","a":"mvra_live_abcd..."}`},
		{"nothing", func(l *slog.Logger) { l.Info("m", "a", nil) }, `{"level":"INFO","msg":"m","a":null}`},
		{"group", func(l *slog.Logger) { l.Info("m", slog.Group("g", "a", liveKey, "n", 1)) }, `{"level":"INFO","msg":"m","g":{"a":"mvra_live_abcd...","n":1}}`},
		{"logger with attributes and group", func(l *slog.Logger) { l.With("a", liveKey).WithGroup("g").With("b", liveKey).Warn("m", "c", liveKey) }, `{"level":"WARN","msg":"m","a":"mvra_live_abcd...","g":{"b":"mvra_live_abcd...","c":"mvra_live_abcd..."}}`},
		{"numbers and times are left alone", func(l *slog.Logger) { l.Info("m", "d", time.Second, "n", 1.5, "b", true) }, `{"level":"INFO","msg":"m","d":1000000000,"n":1.5,"b":true}`},
		{"below the level", func(l *slog.Logger) { l.Debug("m") }, ``},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := test.want
			if want != "" {
				want += "\n"
			}
			if got := redactedLog(test.write); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestHandlerKeepsTimeAndSource(t *testing.T) {
	var seen slog.Record
	next := recorder{record: &seen}
	at := time.Unix(1706345678, 0)
	record := slog.NewRecord(at, slog.LevelError, "m", 42)
	if err := NewHandler(next).Handle(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if !seen.Time.Equal(at) || seen.PC != 42 || seen.Level != slog.LevelError {
		t.Errorf("the next handler got %v, PC %d, level %v", seen.Time, seen.PC, seen.Level)
	}
}

type recorder struct {
	slog.Handler
	record *slog.Record
}

func (r recorder) Handle(_ context.Context, record slog.Record) error {
	*r.record = record
	return nil
}
