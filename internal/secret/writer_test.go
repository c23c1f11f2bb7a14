package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"
)

// redactedLog runs write with a JSON logger in front of the redacting writer and
// returns the lines without their time.
func redactedLog(write func(*slog.Logger)) string {
	var out bytes.Buffer
	dropTime := func(groups []string, attr slog.Attr) slog.Attr {
		if len(groups) == 0 && attr.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return attr
	}
	write(slog.New(slog.NewJSONHandler(NewWriter(&out), &slog.HandlerOptions{ReplaceAttr: dropTime})))
	return out.String()
}

type valuer struct{}

func (valuer) LogValue() slog.Value { return slog.StringValue(liveKey) }

func TestWriter(t *testing.T) {
	tests := []struct {
		name  string
		write func(*slog.Logger)
		want  string
	}{
		{"message", func(l *slog.Logger) { l.Info("got " + liveKey) }, `{"level":"INFO","msg":"got mvra_live_abcd..."}`},
		{"string", func(l *slog.Logger) { l.Info("m", "a", liveKey) }, `{"level":"INFO","msg":"m","a":"mvra_live_abcd..."}`},
		{"attribute name", func(l *slog.Logger) { l.Info("m", liveKey, 1) }, `{"level":"INFO","msg":"m","mvra_live_abcd...":1}`},
		{"error", func(l *slog.Logger) { l.Info("m", "error", fmt.Errorf("call: %w", errors.New(liveKey))) }, `{"level":"INFO","msg":"m","error":"call: mvra_live_abcd..."}`},
		{"struct and map", func(l *slog.Logger) {
			l.Info("m", "a", struct{ Header map[string][]string }{map[string][]string{"Authorization": {"Bearer " + liveKey}}})
		}, `{"level":"INFO","msg":"m","a":{"Header":{"Authorization":["Bearer mvra_live_abcd..."]}}}`},
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

func TestWriterFails(t *testing.T) {
	for _, line := range []string{"plain", "with " + liveKey} {
		if _, err := NewWriter(broken{}).Write([]byte(line)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Write(%q) gives %v", line, err)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
