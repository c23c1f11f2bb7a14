package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

// starting is what the start of the gateway takes.
type starting struct {
	serving time.Duration // from the start of the process to the health service's SERVING
	idle    int64         // resident memory a second later, without a call, in bytes
}

// A turn is what a system took for a number of calls.
type turn struct {
	cpu          time.Duration // per call
	rate         float64       // calls per second
	user, system int64         // clock ticks
}

// A result is a row of the table.
type result struct {
	system, size string
	turns        []turn
	floor        []turn // the floor's turns of the same rounds
	untraced     []turn // of a system that traces, those of the gateway that does not
	peak         int64  // resident memory so far, in bytes
}

// cpu is the median of the turns.
func (r result) cpu() time.Duration {
	return rig.Median(rig.Each(r.turns, func(t turn) time.Duration { return t.cpu }))
}

// ratio is the median of the ratios of each round: what slows a whole round down
// is in both.
func (r result) ratio() float64 { return r.ratioTo(r.floor) }

func (r result) ratioTo(other []turn) float64 {
	ratios := make([]float64, len(r.turns))
	for i, t := range r.turns {
		ratios[i] = float64(t.cpu) / float64(other[i].cpu)
	}
	return rig.Median(ratios)
}

// userShare is the part of the CPU time that was not spent in the kernel.
func (r result) userShare() float64 {
	var user, all int64
	for _, t := range r.turns {
		user += t.user
		all += t.user + t.system
	}
	return float64(user) / float64(max(all, 1))
}

func (r result) rate() float64 {
	return rig.Median(rig.Each(r.turns, func(t turn) float64 { return t.rate }))
}

// report prints the tables.
func report(out io.Writer, o options, s starting, results []result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "whole call: %d callers, closed loop, %d connections; median of %d rounds; %s; gateway with its defaults, one log line per call to a file\n\n",
		o.callers, o.connections, o.rounds, rig.Machine())
	fmt.Fprintln(w, "answer\tsystem\tCPU µs/call\tuser\tsystem\tratio\tcalls/s\tpeak MiB\t")
	for _, r := range results {
		cpu := float64(r.cpu().Nanoseconds()) / 1e3
		user := cpu * r.userShare()
		fmt.Fprintf(w, "%s\t%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.0f\t%.1f\t\n",
			r.size, r.system, cpu, user, cpu-user, r.ratio(), r.rate(), rig.Mebibytes(r.peak))
	}
	for _, r := range results {
		if r.untraced != nil {
			fmt.Fprintf(w, "\n%s: %s costs %+.1f %% CPU per call (target for 10 %%: at most +15 %%)", r.size, r.system, 100*(r.ratioTo(r.untraced)-1))
		}
	}
	fmt.Fprintf(w, "\nstart to SERVING %.0f ms, resident memory idle %.1f MiB (medians of %d starts)\n",
		float64(s.serving.Microseconds())/1e3, rig.Mebibytes(s.idle), o.starts)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	return nil
}
