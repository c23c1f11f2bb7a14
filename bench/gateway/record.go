package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

// A record is all that a run has measured, and where. Times are in microseconds.
type record struct {
	Run      string    `json:"run"` // different in every run
	At       time.Time `json:"at"`
	Machine  string    `json:"machine"`
	Versions []string  `json:"versions"`
	Absent   []absence `json:"absent"`
	Start    start     `json:"start"`
	Lines    []line    `json:"lines"`
}

// An absence is a row that could not be measured.
type absence struct {
	Row string `json:"row"`
	Why string `json:"why"`
}

// A start is what the start of the gateway takes, medians of some starts.
type start struct {
	ServingMillis float64 `json:"serving_ms"` // from the start of the process to the health service's SERVING
	IdleMiB       float64 `json:"idle_mib"`   // resident memory a second later, without a call
	BinaryMB      float64 `json:"binary_mb"`
	Starts        int     `json:"starts"`
}

// A line is a row under a load.
type line struct {
	Part     string  `json:"part"`
	Load     string  `json:"load"`
	Row      string  `json:"row"`
	Size     string  `json:"size"`
	Bytes    int     `json:"bytes"`
	Rate     int     `json:"rate,omitempty"`
	Callers  int     `json:"callers,omitempty"`
	Policies int     `json:"policies,omitempty"` // that the calls rotate over
	Events   int     `json:"events,omitempty"`   // of each stream, one for each caller
	Delay    string  `json:"delay"`
	Note     string  `json:"note,omitempty"` // why it was not measured
	Turns    []turn  `json:"turns,omitempty"`
	Allocs   float64 `json:"allocs,omitempty"` // per call or event
	PeakMiB  float64 `json:"peak_mib,omitempty"`
}

// A turn is what a system took for its calls, or for the events of its streams.
type turn struct {
	CPU          float64 `json:"cpu"`   // per call or event
	User, System int64   `json:"-"`     // clock ticks
	PerSecond    float64 `json:"rate"`  // calls or events per second
	P50          float64 `json:"p50"`   // from when a call was due, less the upstream's delay
	P99          float64 `json:"p99"`   // the same
	P999         float64 `json:"p99_9"` // the same
}

func newRecord(o options) record {
	r := record{Run: rand.Text(), At: time.Now().UTC().Truncate(time.Second), Machine: rig.Machine(), Versions: []string{"gateway " + build(o.gateway)}}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "google.golang.org/grpc" || m.Path == "google.golang.org/protobuf" {
				r.Versions = append(r.Versions, m.Path[strings.LastIndexByte(m.Path, '/')+1:]+" "+m.Version)
			}
		}
	}
	return r
}

// most is how many calls per second a row carried in a closed loop at a size, 0 where
// that was not measured.
func (r *record) most(row, size string) float64 {
	n := r.find(closedPart, row, func(n *line) bool { return n.Size == size })
	if n == nil {
		return 0
	}
	return n.median(func(t turn) float64 { return t.PerSecond })
}

// find is the first line of a part and a row that has turns and is the one wanted.
func (r *record) find(part, row string, wanted func(*line) bool) *line {
	for i := range r.Lines {
		if n := &r.Lines[i]; n.Part == part && n.Row == row && len(n.Turns) > 0 && wanted(n) {
			return n
		}
	}
	return nil
}

// beside is the line of another row under the same load.
func (r *record) beside(n *line, row string) *line {
	return r.find(n.Part, row, func(other *line) bool { return other.Load == n.Load })
}

func (n *line) median(of func(turn) float64) float64 { return rig.Median(rig.Each(n.Turns, of)) }

// userShare is the part of the CPU time that was not spent in the kernel.
func (n *line) userShare() float64 {
	var user, all int64
	for _, t := range n.Turns {
		user += t.User
		all += t.User + t.System
	}
	return float64(user) / float64(max(all, 1))
}

// A spread is the median of the rounds, the least and the most.
type spread struct{ median, low, high float64 }

// paired is what of makes of the turns of two lines, round by round: what slows a whole
// round down is in both.
func paired(n, other *line, of func(a, b turn) float64) spread {
	figures := make([]float64, min(len(n.Turns), len(other.Turns)))
	for i := range figures {
		figures[i] = of(n.Turns[i], other.Turns[i])
	}
	return spread{rig.Median(figures), rig.Quantile(sorted(figures), 0.001), rig.Quantile(sorted(figures), 1)}
}

// ratio is of CPU time per call.
func ratio(n, other *line) spread {
	return paired(n, other, func(a, b turn) float64 { return a.CPU / b.CPU })
}

// added is what a row adds to a quantile of the time that callers wait.
func added(n, direct *line, quantile func(turn) float64) spread {
	return paired(n, direct, func(a, b turn) float64 { return quantile(a) - quantile(b) })
}

// write writes a record as JSON.
func (r *record) write(name string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	if err := os.WriteFile(name, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return nil
}

// join puts records together that are of one run. Of two runs nothing can be compared:
// a machine is not the same machine a minute later.
func join(names []string) (*record, error) {
	var all *record
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read record: %w", err)
		}
		next := new(record)
		if err := json.Unmarshal(text, next); err != nil {
			return nil, fmt.Errorf("read record %s: %w", name, err)
		}
		switch {
		case all == nil:
			all = next
		case all.Run != next.Run:
			return nil, fmt.Errorf("%s is of run %s and %s of run %s: rows of different runs cannot be compared, "+
				"because the machine was not the same; measure both in one run, builds of the gateway with -against", names[0], all.Run, name, next.Run)
		default:
			all.Lines = append(all.Lines, next.Lines...)
		}
	}
	return all, nil
}
