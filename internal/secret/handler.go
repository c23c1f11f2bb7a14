package secret

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
)

// handler is a slog.Handler that redacts a record before the next one sees it.
type handler struct {
	next slog.Handler
}

// NewHandler returns a handler that passes every record on to next with
// [Redact] applied to its message and to all of its attributes: keys, strings,
// errors, byte slices, groups, and any other value in its JSON form.
func NewHandler(next slog.Handler) slog.Handler {
	return handler{next: next}
}

// Enabled reports what the next handler reports.
func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle redacts the record and passes it on.
func (h handler) Handle(ctx context.Context, record slog.Record) error {
	redacted := slog.NewRecord(record.Time, record.Level, Redact(record.Message), record.PC)
	attrs := make([]slog.Attr, 0, record.NumAttrs())
	record.Attrs(func(attr slog.Attr) bool {
		attrs = append(attrs, redactAttr(attr))
		return true
	})
	redacted.AddAttrs(attrs...)
	return h.next.Handle(ctx, redacted)
}

// WithAttrs returns a handler whose records carry the redacted attributes.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{next: h.next.WithAttrs(redactAttrs(attrs))}
}

// WithGroup returns a handler that puts later attributes into a group.
func (h handler) WithGroup(name string) slog.Handler {
	return handler{next: h.next.WithGroup(Redact(name))}
}

func redactAttrs(attrs []slog.Attr) []slog.Attr {
	redacted := make([]slog.Attr, len(attrs))
	for i, attr := range attrs {
		redacted[i] = redactAttr(attr)
	}
	return redacted
}

func redactAttr(attr slog.Attr) slog.Attr {
	value := attr.Value.Resolve()
	switch value.Kind() {
	case slog.KindString:
		value = slog.StringValue(Redact(value.String()))
	case slog.KindGroup:
		value = slog.GroupValue(redactAttrs(value.Group())...)
	case slog.KindAny:
		value = redactAny(value.Any())
	default:
		// Numbers, booleans, times and durations can't hold a key.
	}
	return slog.Attr{Key: Redact(attr.Key), Value: value}
}

// redactAny spells a value as slog's JSON handler would and redacts the text.
func redactAny(value any) slog.Value {
	switch value := value.(type) {
	case nil:
		return slog.AnyValue(nil)
	case error:
		return slog.StringValue(Redact(value.Error()))
	case []byte:
		// As JSON it would be base64, where no key is recognised.
		return slog.StringValue(Redact(string(value)))
	}
	text, err := json.Marshal(value)
	if err != nil {
		return slog.StringValue(Redact(fmt.Sprintf("%+v", value)))
	}
	// Redact stops at quotes and backslashes, so JSON stays JSON.
	return slog.AnyValue(json.RawMessage(Redact(string(text))))
}
