package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/mavera-gateway/mavera-gateway/bench/internal/rig"
)

// A figure is a row of the table.
type figure struct {
	what, measured string
	target         string // empty where there is none
	missed         bool
}

// holds sets the target of a figure, and whether it is met.
func (f figure) holds(target string, met bool) figure {
	f.target, f.missed = target, !met
	return f
}

func (f figure) verdict() string {
	switch {
	case f.target == "":
		return ""
	case f.missed:
		return "MISSED"
	default:
		return "met"
	}
}

// errMissed says that the table has a target that is not met.
var errMissed = errors.New("a target is missed")

// report prints the table.
func report(out io.Writer, o options, figures []figure) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "streams: %d at a time with %d events each, %d rounds; %d first events; %d idle; %s; gateway with its defaults, one log line per call to a file\n\n",
		o.streams, o.events, o.rounds, o.calls, o.idle, rig.Machine())
	fmt.Fprintln(w, "figure\tmeasured\ttarget\t")
	var missed error
	for _, f := range figures {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.what, f.measured, f.target, f.verdict())
		if f.missed {
			missed = errMissed
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	return missed
}
