package statusz

import (
	"fmt"
	"html/template"
	"strings"
)

// The size of a chart in its own units; the page scales it.
const (
	chartWidth  = 480
	chartHeight = 96
)

// A series is one area of a chart.
type series struct {
	class string // of the style sheet
	of    func(Point) int
}

// plot says what a chart shows: its title, and its areas, the later over the earlier.
func plot(kind string) (title string, drawn []series, err error) {
	switch kind {
	case "calls":
		return "calls", []series{
			{"all", func(p Point) int { return p.Calls }},
			{"bad", func(p Point) int { return p.Failures }},
			{"warn", func(p Point) int { return p.Refusals }},
		}, nil
	case "window":
		return "requests in the window", []series{
			{"limit", func(p Point) int { return p.Places }},
			{"other", func(p Point) int { return p.Own + p.Foreign }},
			{"all", func(p Point) int { return p.Own }},
		}, nil
	case "queue":
		return "calls that wait", []series{{"all", func(p Point) int { return p.Queued }}}, nil
	default:
		return "", nil, fmt.Errorf("no chart is called %q", kind)
	}
}

// chart draws one of the charts as SVG: areas from the bottom, the newest point at the
// right, and the highest value beside the top.
func chart(kind string, history []Point) (template.HTML, error) {
	title, drawn, err := plot(kind)
	if err != nil {
		return "", err
	}
	top := 1
	for _, s := range drawn {
		for _, p := range history {
			top = max(top, s.of(p))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-label="%s, at most %d">`, chartWidth, chartHeight, title, top)
	for _, s := range drawn {
		fmt.Fprintf(&b, `<polygon class="%s" points="%s"/>`, s.class, area(history, s.of, top))
	}
	fmt.Fprintf(&b, `</svg><span class="top">%d</span>`, top)
	return template.HTML(b.String()), nil //nolint:gosec // numbers and our own words
}

// area is the outline of a series.
func area(history []Point, of func(Point) int, top int) string {
	if len(history) == 0 {
		return ""
	}
	step := float64(chartWidth) / keptPoints
	x := chartWidth - float64(len(history))*step
	var b strings.Builder
	fmt.Fprintf(&b, "%.0f,%d", x, chartHeight)
	for _, p := range history {
		y := chartHeight * (1 - float64(of(p))/float64(top))
		fmt.Fprintf(&b, " %.0f,%.1f %.0f,%.1f", x, y, x+step, y)
		x += step
	}
	fmt.Fprintf(&b, " %.0f,%d", x, chartHeight)
	return b.String()
}
