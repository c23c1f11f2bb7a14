package server

import (
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
	"github.com/mavera-gateway/mavera-gateway/resilience"
)

func TestPoliciesValidate(t *testing.T) {
	valid, err := DefaultPolicies(resilience.DefaultPolicy(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		change func(*Policies)
		want   string
	}{
		{"the defaults", func(*Policies) {}, ""},
		{"zero is the default of the window", func(p *Policies) { p.Window, p.Queue = resilience.WindowPolicy{}, resilience.QueuePolicy{} }, ""},
		{"everything of the window", func(p *Policies) {
			p.Window = resilience.WindowPolicy{StartLimit: -1, Span: -1, Margin: -1, Share: 1.5, Unconfirmed: -1, BatchShare: math.NaN(), PollShare: -0.1}
			p.Queue.Factor = -1
		}, `window.start_limit: must not be negative, is -1
window.span: must not be negative, is -1ns
window.margin: must not be negative, is -1ns
window.share: must be from 0 to 1, is 1.5
window.unconfirmed: must not be negative, is -1
window.batch_share: must be from 0 to 1, is NaN
window.poll_share: must be from 0 to 1, is -0.1
queue.factor: must not be negative, is -1`},
		{"polls", func(p *Policies) {
			p.Polls = map[string]jobs.Interval{"meetings": {}, "focus_groups": {Least: time.Second, Most: time.Millisecond}, "news": {Least: 1, Most: 1}}
		}, `polls.focus_groups: must be above 0, and rise, is {1s 1ms}
polls.meetings: must be above 0, and rise, is {0s 0s}`},
		{"families in order", func(p *Policies) {
			wrong := p.Default
			wrong.Attempts = 0
			slow := p.Default
			slow.Backoff.Cap = time.Millisecond
			p.Default = slow
			p.Families = map[string]resilience.Policy{"news": wrong, "chat": wrong}
		}, `backoff.cap: must be above 0 and not below backoff.base (500ms), is 1ms
chat: attempts: must be at least 1, is 0
news: attempts: must be at least 1, is 0`},
	} {
		policies := valid
		row.change(&policies)
		got := ""
		if err := policies.Validate(); err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("%s:\n got %s\nwant %s", row.name, got, row.want)
		}
	}
}

func TestDefaultPoliciesRefuseAShareWithoutSlots(t *testing.T) {
	for share, want := range map[float64]string{
		0.05: "mave: share: 0.05 of 10 slots is less than one",
		0.1:  "focus_groups: share: 0.1 of 5 slots is less than one",
		0.33: "video_analyses: share: 0.33 of 3 slots is less than one",
	} {
		if _, err := DefaultPolicies(resilience.DefaultPolicy(), share); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestNewRefusesPolicies makes a server with a policy that makes no sense.
func TestNewRefusesPolicies(t *testing.T) {
	policy := resilience.DefaultPolicy()
	policy.Breaker.Failures = 0
	_, err := New(Options{Logger: slog.New(slog.DiscardHandler), Policies: Policies{Default: policy}})
	if want := "policies: breaker.failures: must be at least 1, is 0"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
