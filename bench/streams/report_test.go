package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rows are figures as the table shows them.
func rows(figures []figure) [][4]string {
	var out [][4]string
	for _, f := range figures {
		out = append(out, [4]string{f.what, f.measured, f.target, f.verdict()})
	}
	return out
}

func TestFigures(t *testing.T) {
	const us, ms = time.Microsecond, time.Millisecond
	turns := func(rate float64, cpus ...time.Duration) []turn {
		var out []turn
		for _, cpu := range cpus {
			out = append(out, turn{rate: rate, cpu: cpu})
		}
		return out
	}
	hundred := func(usual, last time.Duration) []time.Duration {
		out := make([]time.Duration, 100)
		for i := range out {
			out[i] = usual
		}
		out[98], out[99] = last, time.Hour
		return out
	}
	for _, tt := range []struct {
		name string
		got  []figure
		want [][4]string
	}{
		{
			// A round in which the machine is twice as slow leaves the ratio as it is.
			"events, met", compareTurns(turns(1000, 4*us, 8*us, 4*us), turns(830, 6*us, 12*us, 6*us), turns(850, 5*us, 10*us, 5*us)),
			[][4]string{
				{"events per second, relay", "1000 (100 % of the relay)", "", ""},
				{"events per second, protojson", "830 (83 % of the relay)", "", ""},
				{"events per second, gateway", "850 (85 % of the relay)", "≥ 85 %", "met"},
				{"CPU per event, relay", "4.00 µs (1.00 × the relay)", "", ""},
				{"CPU per event, protojson", "6.00 µs (1.50 × the relay)", "", ""},
				{"CPU per event, gateway", "5.00 µs (1.25 × the relay)", "≤ 1.5 ×", "met"},
			},
		},
		{
			"events, missed", compareTurns(turns(1000, 4*us), turns(1000, 4*us), turns(800, 7*us))[2:],
			[][4]string{
				{"events per second, gateway", "800 (80 % of the relay)", "≥ 85 %", "MISSED"},
				{"CPU per event, relay", "4.00 µs (1.00 × the relay)", "", ""},
				{"CPU per event, protojson", "4.00 µs (1.00 × the relay)", "", ""},
				{"CPU per event, gateway", "7.00 µs (1.75 × the relay)", "≤ 1.5 ×", "MISSED"},
			},
		},
		{
			"first event", compareFirst(hundred(1*ms, 2*ms), hundred(1200*us, 3*ms), hundred(1500*us, 5*ms)),
			[][4]string{
				{"added to the first event, p50, relay", "0.20 ms (direct 1.00 ms)", "", ""},
				{"added to the first event, p50, gateway", "0.50 ms (direct 1.00 ms)", "≤ 0.50 ms", "met"},
				{"added to the first event, p99, relay", "1.00 ms (direct 2.00 ms)", "", ""},
				{"added to the first event, p99, gateway", "3.00 ms (direct 2.00 ms)", "≤ 2.00 ms", "MISSED"},
			},
		},
		{
			"idle streams", compareHoldings(1024, holding{before: 10 << 20, with: 50 << 20}, holding{before: 20 << 20, with: 75 << 20, freed: 1900 * ms, freeing: 700 * ms, left: holds{goroutines: 3}}),
			[][4]string{
				{"resident memory, 1024 idle streams, relay", "50 MiB (1.00 × the relay, 40.0 KiB a stream)", "", ""},
				{"resident memory, 1024 idle streams, gateway", "75 MiB (1.50 × the relay, 55.0 KiB a stream)", "≤ 1.35 ×", "MISSED"},
				{"all 1024 cancelled, everything freed, relay", "0.00 s (0.00 s of CPU; left over: 0 goroutines, 0 connections)", "", ""},
				{"all 1024 cancelled, everything freed, gateway", "1.90 s (0.70 s of CPU; left over: 3 goroutines, 0 connections)", "≤ 2 s", "met"},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, rows(tt.got)); diff != "" {
				t.Errorf("figures (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPercentile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []time.Duration
		p      int
		want   time.Duration
	}{
		{"one", []time.Duration{7}, 99, 7},
		{"median", []time.Duration{9, 1, 5}, 50, 5},
		{"99 of 4 is the largest", []time.Duration{4, 3, 2, 1}, 99, 4},
		{"0 is the smallest", []time.Duration{4, 3}, 0, 3},
	} {
		if got := percentile(tt.values, tt.p); got != tt.want {
			t.Errorf("%s: percentile(%v, %d) = %d, want %d", tt.name, tt.values, tt.p, got, tt.want)
		}
	}
}

func TestReport(t *testing.T) {
	var out strings.Builder
	met := []figure{{what: "a", measured: "1"}, figure{what: "bb", measured: "2"}.holds("≤ 3", true)}
	if err := report(&out, options{}, met); err != nil {
		t.Error(err)
	}
	_, table, _ := strings.Cut(out.String(), "\n\n")
	const want = "figure  measured  target  \na       1                 \nbb      2         ≤ 3     met\n"
	if table != want {
		t.Errorf("table is\n%s, want\n%s", table, want)
	}
	if err := report(&out, options{}, append(met, figure{what: "c"}.holds("≥ 1", false))); !errors.Is(err, errMissed) {
		t.Errorf("a missed target is reported with %v", err)
	}
}
