package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// a record in which the second round was twice as slow as the first for everybody.
func fixture() *record {
	turns := func(cpu, perSecond, p50 float64) []turn {
		one := turn{CPU: cpu, User: 30, System: 10, PerSecond: perSecond, P50: p50, P99: 4 * p50, P999: 9 * p50}
		two := turn{CPU: 2 * cpu, User: 60, System: 20, PerSecond: perSecond / 2, P50: 2 * p50, P99: 8 * p50, P999: 18 * p50}
		return []turn{one, two, one}
	}
	closed := func(row string, s size, cpu, perSecond, allocs, peak float64) line {
		return line{
			Part: closedPart, Load: s.name + ", 32 callers", Row: row, Size: s.name, Bytes: s.bytes, Callers: 32, Delay: string(atOnce),
			Turns: turns(cpu, perSecond, 0), Allocs: allocs, PeakMiB: peak,
		}
	}
	open := func(row string, cpu, p50 float64) line {
		return line{
			Part: ratesPart, Load: "1KB, 1000/s", Row: row, Size: "1KB", Bytes: 1024, Rate: 1000, Delay: string(atOnce),
			Turns: turns(cpu, 1000, p50), PeakMiB: 30,
		}
	}
	growth := func(row string, callers int, cpu float64) line {
		return line{Part: growthPart, Load: fmt.Sprintf("1KB, %d callers", callers), Row: row, Size: "1KB", Bytes: 1024, Callers: callers, Turns: turns(cpu, 5000, 0), PeakMiB: 40}
	}
	rotating := func(row string, policies int, cpu float64) line {
		n := growth(row, 32, cpu)
		n.Load, n.Policies = n.Load+", "+policyCount(policies), policies
		return n
	}
	stream := func(row string, cpu, perSecond, allocs, peak float64) line {
		return line{
			Part: streamsPart, Load: "256 streams of 200 events", Row: row, Callers: 256, Events: 200, Delay: string(atOnce),
			Turns: turns(cpu, perSecond, 0), Allocs: allocs, PeakMiB: peak,
		}
	}
	small, large := sizes()[0], sizes()[1]
	beyond := open(dynamicCommand, 0, 0)
	beyond.Turns, beyond.PeakMiB, beyond.Note = nil, 0, "not measured: it carries 900 calls/s at most"
	return &record{
		Run: "RUN1", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Machine: "2 cores, linux 6.1, go1.26", Versions: []string{"gateway v1", "nginx/1.22.1"},
		Absent: []absence{{Row: portkeyName, Why: "it is not on PATH (tools/install portkey)"}},
		Start:  start{ServingMillis: 30, IdleMiB: 35, BinaryMB: 36, Starts: 5},
		Lines: []line{
			closed(directName, small, 0, 12000, 0, 0),
			closed(floorName, small, 60, 8000, 122, 25),
			closed(dynamicCommand, small, 150, 900, 368, 28),
			closed(gatewayName, small, 84, 7000, 188, 50),
			closed(nginxName, small, 20, 9000, 0, 22),
			closed(floorName, large, 80, 6000, 126, 27),
			closed(gatewayName, large, 200, 4000, 264, 55),
			open(directName, 0, 200),
			open(floorName, 70, 350),
			beyond,
			open(gatewayName, 100, 380),
			stream(floorName, 6.5, 70000, 9, 40),
			stream(gatewayName, 6.11, 66000, 18, 60),
			stream(nginxName, 2.04, 72000, 0, 23),
			rotating(floorName, 1, 60),
			rotating(gatewayName, 1, 84),
			rotating(floorName, 64, 60),
			rotating(gatewayName, 64, 126),
			growth(floorName, 8, 60),
			growth(gatewayName, 8, 90),
			growth(floorName, 2000, 100),
			growth(gatewayName, 2000, 120),
		},
	}
}

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := printTable(&out, fixture()); err != nil {
		t.Fatal(err)
	}
	golden(t, "table.golden", out.Bytes())
}

func TestPlot(t *testing.T) { golden(t, "plot.golden.svg", plot(fixture())) }

// What was not measured takes no room in the drawing.
func TestPlotOfNothing(t *testing.T) {
	got := string(plot(&record{Machine: "2 cores <x>", Run: "RUN1"}))
	const want = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 18" font-family="sans-serif" font-size="11" fill="#222">
<rect width="760" height="18" fill="#fff"/>
<text x="8" y="8" fill="#666">2 cores &lt;x&gt;; run RUN1</text>
</svg>
`
	if got != want {
		t.Errorf("drawing is\n%s, want\n%s", got, want)
	}
}

// A missed target fails a run only where that is asked for.
func TestCheck(t *testing.T) {
	if err := (options{}).report(new(bytes.Buffer), fixture()); err != nil {
		t.Errorf("without -check: %v", err)
	}
	err := (options{check: true}).report(new(bytes.Buffer), fixture())
	if want := "6 targets are missed"; err == nil || err.Error() != want {
		t.Errorf("with -check: %v, want %q", err, want)
	}
}

func TestJoin(t *testing.T) {
	dir := t.TempDir()
	write := func(name, run string) string {
		r := fixture()
		r.Run = run
		name = filepath.Join(dir, name)
		if err := r.write(name); err != nil {
			t.Fatal(err)
		}
		return name
	}
	one, same, other := write("one", "RUN1"), write("same", "RUN1"), write("other", "RUN2")

	got, err := join([]string{one, same})
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(fixture().Lines, fixture().Lines)
	for i := range want {
		for k := range want[i].Turns {
			want[i].Turns[k].User, want[i].Turns[k].System = 0, 0 // for the table of the run alone
		}
	}
	if diff := cmp.Diff(want, got.Lines); got.Run != "RUN1" || diff != "" {
		t.Errorf("run %s, want RUN1; lines (-want +got):\n%s", got.Run, diff)
	}

	err = run(t.Context(), []string{"-compare", one + "," + other}, new(bytes.Buffer))
	const refused = "rows of different runs cannot be compared, because the machine was not the same; measure both in one run, builds of the gateway with -against"
	if err == nil || !strings.HasPrefix(err.Error(), one+" is of run RUN1 and "+other+" of run RUN2: ") || !strings.HasSuffix(err.Error(), refused) {
		t.Errorf("error = %v, want that of two runs", err)
	}
}

func TestFlags(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-rows", "gatewy"}, `invalid value "gatewy" for flag -rows: there is no "gatewy"`},
		{[]string{"-sizes", "2KB"}, `invalid value "2KB" for flag -sizes: there is no "2KB"`},
		{[]string{"-parts", "closed,none"}, `invalid value "closed,none" for flag -parts: there is no "none"`},
		{[]string{"-rounds", "0"}, "want numbers above 0 and no arguments; see -help"},
	} {
		if _, err := parseFlags(tc.args, io.Discard); err == nil || err.Error() != tc.want {
			t.Errorf("%v: %v, want %s", tc.args, err, tc.want)
		}
	}
}

// A narrowed run makes only the loads that it names.
func TestLoadsOfARun(t *testing.T) {
	names := func(args ...string) (out []string) {
		o, err := parseFlags(args, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range o.loads() {
			out = append(out, l.part+": "+l.String())
		}
		return out
	}
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{[]string{"-parts", "closed", "-sizes", "1KB,100KB", "-callers", "8"}, []string{"closed: 1KB, 8 callers", "closed: 100KB, 8 callers"}},
		{[]string{"-quick"}, []string{
			"closed: 1KB, 32 callers", "closed: 12.5KB, 32 callers", "closed: 100KB, 32 callers",
			"rates: 1KB, 1000/s", "rates: 1KB, 3000/s",
			"delays: 1KB, 1000/s, upstream 50 ms", "delays: 1KB, 1000/s, upstream tail",
			"streams: 256 streams of 200 events",
			"growth: 1KB, 32 callers, 1 policy", "growth: 1KB, 32 callers, 64 policies",
			"growth: 1KB, 8 callers", "growth: 1KB, 2000 callers",
		}},
		{[]string{"-parts", "growth", "-callers", "16"}, []string{
			"growth: 1KB, 16 callers, 1 policy", "growth: 1KB, 16 callers, 8 policies", "growth: 1KB, 16 callers, 64 policies",
			"growth: 1KB, 8 callers", "growth: 1KB, 32 callers", "growth: 1KB, 128 callers", "growth: 1KB, 512 callers", "growth: 1KB, 2000 callers",
		}},
	} {
		if diff := cmp.Diff(tc.want, names(tc.args...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tc.args, diff)
		}
	}
}
