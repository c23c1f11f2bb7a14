package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

func sorted(values []float64) []float64 { return slices.Sorted(slices.Values(values)) }

// printTable prints a record, a block for each load, and then the targets.
func printTable(out io.Writer, r *record) error {
	fmt.Fprintf(out, "run %s, %s; %s; %s\n", r.Run, r.At.Format("2006-01-02 15:04 UTC"), r.Machine, strings.Join(r.Versions, "; "))
	for _, a := range r.Absent {
		fmt.Fprintf(out, "ABSENT: %s: %s\n", a.Row, a.Why)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	load := ""
	for i := range r.Lines {
		n := &r.Lines[i]
		if title := n.Part + ": " + n.Load; title != load {
			load = title
			fmt.Fprintf(w, "\n%s\n", title)
			fmt.Fprintf(w, "system\tCPU µs/%[1]s\tuser\tkernel\tratio\tallocs\tpeak MiB\t%[1]ss/s\tadded p50 µs\tp99\t(of)\tp99.9\t\n", n.unit())
		}
		note := ""
		if n.Note != "" {
			note = "  " + n.Note
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", n.Row, strings.Join(r.cells(n), "\t"), note)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	fmt.Fprintf(out, "\nstart to SERVING %.0f ms, resident memory idle %.1f MiB (medians of %d starts); binary %.1f MB\n\n",
		r.Start.ServingMillis, r.Start.IdleMiB, r.Start.Starts, r.Start.BinaryMB)
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "target\tmeasured\tat most\tthen\toutcome")
	for _, t := range r.targets() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.what, t.measured, t.want, t.goal, t.verdict())
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print targets: %w", err)
	}
	return nil
}

// unit is what the figures of a line are per.
func (n *line) unit() string {
	if n.Part == streamsPart {
		return "event"
	}
	return "call"
}

// per prints a figure per call or event. Events take so little that a decimal counts.
func (n *line) per(figure float64) string {
	if n.Part == streamsPart {
		return fmt.Sprintf("%.1f", figure)
	}
	return fmt.Sprintf("%.0f", figure)
}

// cells are the figures of a line; "-" where there is none.
func (r *record) cells(n *line) []string {
	cells := slices.Repeat([]string{"-"}, 11)
	if len(n.Turns) == 0 {
		return cells
	}
	if n.Rate == 0 {
		cells[6] = fmt.Sprintf("%.0f", n.median(func(t turn) float64 { return t.PerSecond }))
	}
	if n.Row != directName {
		cpu := n.cpu()
		user := cpu * n.userShare()
		cells[0] = n.per(cpu)
		if n.userShare() > 0 {
			cells[1], cells[2] = n.per(user), n.per(cpu-user)
		}
		if floor := r.beside(n, floorName); floor != nil {
			cells[3] = fmt.Sprintf("%.2f", ratio(n, floor).median)
		}
		cells[5] = fmt.Sprintf("%.1f", n.PeakMiB)
	}
	if n.Allocs > 0 {
		cells[4] = n.per(n.Allocs)
	}
	direct := r.beside(n, directName)
	if n.Rate == 0 || direct == nil || n.Row == directName {
		return cells
	}
	p99 := added(n, direct, func(t turn) float64 { return t.P99 })
	cells[7] = fmt.Sprintf("%.0f", added(n, direct, func(t turn) float64 { return t.P50 }).median)
	cells[8], cells[9] = fmt.Sprintf("%.0f", p99.median), fmt.Sprintf("(%.0f to %.0f)", p99.low, p99.high)
	cells[10] = fmt.Sprintf("%.0f", added(n, direct, func(t turn) float64 { return t.P999 }).median)
	return cells
}
