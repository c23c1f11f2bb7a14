package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// The drawing's measures, in its own units.
const (
	plotWidth  = 760
	nameWidth  = 110
	figureRoom = 60
	barHeight  = 11
	groupGap   = 12
	headHeight = 64
	footHeight = 34
)

// plot draws the CPU time per call in the closed loop: a group for each row, a bar for
// each size. The scale is logarithmic, since rows lie two orders of magnitude apart.
func plot(r *record) []byte {
	colours := []string{"#2a6f97", "#61a5c2", "#a9d6e5"}
	var names []string
	var bars [][]*line // by row, in the order of the sizes
	low, high := math.Inf(1), 1.0
	for _, row := range rows() {
		var group []*line
		for _, s := range sizes() {
			n := r.find(closedPart, row.name, func(n *line) bool { return n.Size == s.name })
			if n == nil || row.name == directName {
				continue
			}
			group = append(group, n)
			cpu := n.median(func(t turn) float64 { return t.CPU })
			low, high = min(low, cpu), max(high, cpu)
		}
		if len(group) > 0 {
			names, bars = append(names, row.name), append(bars, group)
		}
	}
	from := math.Pow(10, math.Floor(math.Log10(min(low, high))))
	to := math.Pow(10, math.Ceil(math.Log10(high)))
	x := func(v float64) float64 {
		return nameWidth + (plotWidth-nameWidth-figureRoom)*math.Log(v/from)/math.Log(to/from)
	}
	height := headHeight + footHeight
	for _, group := range bars {
		height += len(group)*barHeight + groupGap
	}

	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11" fill="#222">`+"\n", plotWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", plotWidth, height)
	fmt.Fprintln(&b, `<text x="8" y="20" font-size="14">CPU time per call, µs, user and kernel (logarithmic)</text>`)
	for i, s := range sizes() {
		fmt.Fprintf(&b, `<rect x="%d" y="32" width="10" height="10" fill="%s"/><text x="%d" y="41">%s answers</text>`+"\n", 8+i*110, colours[i], 22+i*110, s.name)
	}
	for v := from; v <= to*1.001; v *= 10 {
		fmt.Fprintf(&b, `<path d="M%.1f %dV%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle" fill="#666">%g</text>`+"\n",
			x(v), headHeight-8, height-footHeight, x(v), headHeight-10, v)
	}
	y := headHeight
	for i, group := range bars {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", nameWidth-8, y+len(group)*barHeight/2+4, html.EscapeString(names[i]))
		for _, n := range group {
			cpu := n.median(func(t turn) float64 { return t.CPU })
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/><text x="%.1f" y="%d" font-size="9">%.0f</text>`+"\n",
				nameWidth, y, x(cpu)-nameWidth, barHeight-1, colours[colourOf(n)], x(cpu)+4, y+8, cpu)
			y += barHeight
		}
		y += groupGap
	}
	fmt.Fprintf(&b, `<text x="8" y="%d" fill="#666">%s; run %s</text>`+"\n</svg>\n", height-10, html.EscapeString(r.Machine), r.Run)
	return b.Bytes()
}

func colourOf(n *line) int {
	for i, s := range sizes() {
		if s.name == n.Size {
			return i
		}
	}
	return 0
}
