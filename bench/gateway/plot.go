package main

import (
	"bytes"
	"fmt"
	"html"
)

// plot draws a record: CPU time per call in the closed loop and per event of streams, and
// how the gateway's ratio to the floor grows. What was not measured is left out.
func plot(r *record) []byte {
	var drawn bytes.Buffer
	y := 0
	for _, p := range []panel{r.calls(), r.events(), r.ratios()} {
		if len(p.groups) > 0 {
			y = p.draw(&drawn, y)
		}
	}
	height := y + footHeight

	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11" fill="#222">`+"\n", plotWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", plotWidth, height)
	b.Write(drawn.Bytes())
	fmt.Fprintf(&b, `<text x="8" y="%d" fill="#666">%s; run %s</text>`+"\n</svg>\n", height-10, html.EscapeString(r.Machine), r.Run)
	return b.Bytes()
}

// calls is a group for each row, a bar for each size. Rows lie two orders of magnitude
// apart.
func (r *record) calls() panel {
	p := panel{title: "CPU time per call, µs, user and kernel (logarithmic)", format: "%.0f", logarithmic: true}
	for _, s := range sizes() {
		p.legend = append(p.legend, s.name+" answers")
	}
	for _, row := range rows() {
		group := group{name: row.name}
		for i, s := range sizes() {
			n := r.find(closedPart, row.name, func(n *line) bool { return n.Size == s.name })
			if n != nil && row.name != directName {
				group.bars = append(group.bars, bar{value: n.cpu(), colour: i})
			}
		}
		p.add(group)
	}
	return p
}

// events is a bar for each row that streams.
func (r *record) events() panel {
	p := panel{title: "CPU time per event of a stream, µs, user and kernel", format: "%.1f"}
	for _, row := range rows() {
		if n := r.find(streamsPart, row.name, func(*line) bool { return true }); n != nil {
			p.add(group{name: row.name, bars: []bar{{value: n.cpu()}}})
		}
	}
	return p
}

// ratios is a bar for each step of growth.
func (r *record) ratios() panel {
	p := panel{title: "CPU time per call, gateway to floor, as callers or policies grow", format: "%.2f"}
	for i := range r.Lines {
		n := &r.Lines[i]
		if n.Part != growthPart || n.Row != gatewayName || len(n.Turns) == 0 {
			continue
		}
		floor := r.beside(n, floorName)
		if floor == nil {
			continue
		}
		step := group{name: fmt.Sprintf("%d callers", n.Callers), bars: []bar{{value: cpuRatio(n, floor)}}}
		if n.Policies > 0 {
			step.name, step.bars[0].colour = policyCount(n.Policies), 1
		}
		p.add(step)
	}
	return p
}

func (n *line) cpu() float64 { return n.median(func(t turn) float64 { return t.CPU }) }
