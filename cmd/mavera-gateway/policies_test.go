package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mavera-gateway/mavera-gateway/internal/config"
	"github.com/mavera-gateway/mavera-gateway/internal/jobs"
	"github.com/mavera-gateway/mavera-gateway/resilience"
	"github.com/mavera-gateway/mavera-gateway/server"
)

var update = flag.Bool("update", false, "write the golden files")

// changed sets every number of the policies to something that is not its default.
func changed() []string {
	return []string{
		"--share=0.5", "--rate-limit-start=600", "--rate-unconfirmed=20", "--batch-share=0.2", "--queue-factor=3", "--mave-slots=7",
		"--focus-group-poll=1s", "--video-analysis-poll=2s", "--brand-voice-poll=3s", "--meeting-poll=4s",
		"--focus-group-slots=4", "--video-analysis-slots=8",
		"--retry-attempts=2", "--retry-base=1s", "--retry-cap=5s", "--retry-after-max=1m", "--repeat-unknown-outcome",
		"--retry-budget-ratio=0.5", "--retry-budget-stock=0", "--breaker-failures=3", "--breaker-cooldown=1m",
		"--breaker-max-cooldown=1h", "--breaker-slow-deadline=20s", "--mave-slow-deadline=2m",
	}
}

// TestPrintPolicy keeps the effective policy of every RPC: a change of a default or of
// a proto shows in the diff.
func TestPrintPolicy(t *testing.T) {
	for _, row := range []struct {
		name string
		args []string
	}{
		{"policy", nil},
		{"policy-changed", changed()},
		{"policy-no-retries", []string{"--retry-attempts=1"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			if code := run(t.Context(), append([]string{"serve", "--print-policy"}, row.args...), nil, &out, &errOut); code != 0 || errOut.Len() > 0 {
				t.Fatalf("exit code %d, stderr:\n%s", code, errOut.String())
			}
			path := filepath.Join("testdata", row.name+".golden")
			if *update {
				if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("%s differs; make golden writes it (-want +got):\n%s", path, diff)
			}
		})
	}
}

// TestDefaultPolicies holds the defaults of the settings and those of the code
// together.
func TestDefaultPolicies(t *testing.T) {
	for share, args := range map[float64][]string{
		1:   {"--simulator"},
		0.4: {"--simulator", "--share=0.4"},
	} {
		cfg, err := config.Parse(args, nil, os.ReadFile)
		if err != nil {
			t.Fatal(err)
		}
		got, err := policies(&cfg)
		if err != nil {
			t.Fatal(err)
		}
		want, err := server.DefaultPolicies(resilience.DefaultPolicy(), share)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("share %v: -want +got:\n%s", share, diff)
		}
	}
}

// TestEverySettingCounts changes each number and looks for it in the policies.
func TestEverySettingCounts(t *testing.T) {
	cfg, err := config.Parse(append(changed(), "--simulator"), nil, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	got, err := policies(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	base := resilience.Policy{
		Attempts: 2, Backoff: resilience.Backoff{Base: time.Second, Cap: 5 * time.Second}, MaxRetryAfter: time.Minute,
		RepeatUnknown: true, SlowDeadline: 20 * time.Second,
		Breaker: resilience.BreakerPolicy{Failures: 3, Cooldown: time.Minute, MaxCooldown: time.Hour},
		Budget:  resilience.BudgetPolicy{Ratio: 0.5, Stock: 0, Refill: 3, LimitShare: 0.1},
	}
	mave, focus, video := base, base, base
	mave.SlowDeadline, mave.Caps = 2*time.Minute, resilience.Caps{Slots: 3}
	focus.Caps = resilience.Caps{Slots: 2, Jobs: true, MaxAge: 30 * time.Minute}
	video.Caps = resilience.Caps{Slots: 4, Jobs: true, MaxAge: time.Hour}
	want := server.Policies{
		Window:   resilience.WindowPolicy{StartLimit: 600, Share: 0.5, Unconfirmed: 20, BatchShare: 0.2},
		Queue:    resilience.QueuePolicy{Factor: 3},
		Default:  base,
		Families: map[string]resilience.Policy{"mave": mave, "focus_groups": focus, "video_analyses": video},
		Polls: map[string]jobs.Interval{
			"focus_groups": {Least: time.Second, Most: time.Second}, "video_analyses": {Least: 2 * time.Second, Most: 4 * time.Second},
			"brand_voices": {Least: 3 * time.Second, Most: 3 * time.Second}, "meetings": {Least: 4 * time.Second, Most: 4 * time.Second},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

// TestRefusedShare starts with a share that leaves no slot: the line names it.
func TestRefusedShare(t *testing.T) {
	var out, errOut bytes.Buffer
	code := run(t.Context(), []string{"serve", "--simulator", "--share=0.3"}, nil, &out, &errOut)
	want := `share = "0.3" (flag --share): it leaves less than one of the video_analysis_slots, which are 3 (default)` +
		"\nmavera-gateway serve --help explains all settings.\n"
	if code != exitUsage || out.Len() > 0 || errOut.String() != want {
		t.Errorf("exit code %d, stdout %q, stderr:\n%s", code, out.String(), errOut.String())
	}
}
