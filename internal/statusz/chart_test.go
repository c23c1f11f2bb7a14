package statusz

import (
	"fmt"
	"strings"
	"testing"
)

// TestChart keeps the geometry: the newest at the right, the highest at the top.
func TestChart(t *testing.T) {
	full := make([]Point, keptPoints)
	for i := range full {
		full[i] = Point{Calls: i, Failures: i / 2, Refusals: i / 4, Own: i % 10, Foreign: 5, Places: 60, Queued: i % 2}
	}
	var got strings.Builder
	for _, row := range []struct {
		name    string
		history []Point
	}{
		{"nothing yet", nil},
		{"nothing but zeros", make([]Point, 2)},
		{"two points", []Point{{Calls: 4, Failures: 2, Refusals: 1, Own: 15, Foreign: 15, Places: 60, Queued: 1}, {Calls: 8, Own: 30, Places: 60}}},
		{"full", full},
	} {
		for _, kind := range []string{"calls", "window", "queue"} {
			drawn, err := chart(kind, row.history)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&got, "%s of %s\n%s\n", kind, row.name, strings.ReplaceAll(string(drawn), "><", ">\n<"))
		}
	}
	golden(t, "charts.golden", got.String())
	if _, err := chart("none", nil); err == nil || err.Error() != `no chart is called "none"` {
		t.Errorf("error %v", err)
	}
}
