package resilience_test

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
)

// table is what the figures are printed as.
type table struct {
	rows   [][]string
	missed []string
}

// atMost adds a figure that must not be above its target.
func (b *table) atMost(figure, conditions string, value, target float64, unit, note string) {
	b.judge(figure, conditions, value, "<= ", target, unit, note, value <= target)
}

// atLeast adds a figure that must not be below its target.
func (b *table) atLeast(figure, conditions string, value, target float64, unit, note string) {
	b.judge(figure, conditions, value, ">= ", target, unit, note, value >= target)
}

// info adds a figure that has no target, or that is not judged.
func (b *table) info(figure, conditions, value, note string) {
	b.rows = append(b.rows, []string{figure, conditions, value, "", "", note})
}

func (b *table) judge(figure, conditions string, value float64, relation string, target float64, unit, note string, met bool) {
	verdict := "met"
	if !met {
		verdict = "MISSED"
		b.missed = append(b.missed, fmt.Sprintf("%s (%s): %s%s, want %s%s%s", figure, conditions, number(value), unit, relation, number(target), unit))
	}
	b.rows = append(b.rows, []string{figure, conditions, number(value) + unit, relation + number(target) + unit, verdict, note})
}

// number has up to three decimals.
func number(value float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", value), "0"), ".")
}

// print prints the table and fails the test for what was missed.
func (b *table) print(t *testing.T) {
	t.Helper()
	w := tabwriter.NewWriter(t.Output(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FIGURE\tCONDITIONS\tMEASURED\tTARGET\tVERDICT\tBESIDES")
	for _, row := range b.rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, missed := range b.missed {
		t.Error(missed)
	}
}
