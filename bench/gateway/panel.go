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
	titleRoom  = 44
	legendRoom = 20
	panelGap   = 16
	footHeight = 18
)

// colours are light enough apart to be told when printed.
func colours() []string { return []string{"#2a6f97", "#61a5c2", "#a9d6e5"} }

// A panel is a chart of bars, one below the other, with a scale of its own.
type panel struct {
	title       string
	legend      []string // what the colours are; empty where the names say it
	format      string   // of the figures at the bars
	logarithmic bool     // bars begin at a power of ten in place of 0
	groups      []group
}

// A group is bars that belong together.
type group struct {
	name string
	bars []bar
}

type bar struct {
	value  float64
	colour int
}

func (p *panel) add(g group) {
	if len(g.bars) > 0 {
		p.groups = append(p.groups, g)
	}
}

// draw draws the panel from y on and returns where it ends.
func (p *panel) draw(b *bytes.Buffer, y int) (end int) {
	fmt.Fprintf(b, `<text x="8" y="%d" font-size="14">%s</text>`+"\n", y+20, html.EscapeString(p.title))
	for i, text := range p.legend {
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="10" height="10" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n",
			8+i*110, y+32, colours()[i], 22+i*110, y+41, html.EscapeString(text))
	}
	top := y + titleRoom
	if len(p.legend) > 0 {
		top += legendRoom
	}
	end = top
	for _, g := range p.groups {
		end += len(g.bars)*barHeight + groupGap
	}
	at, ticks := p.scale()
	x := func(v float64) float64 { return nameWidth + (plotWidth-nameWidth-figureRoom)*at(v) }
	for _, v := range ticks {
		fmt.Fprintf(b, `<path d="M%.1f %dV%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle" fill="#666">%.6g</text>`+"\n",
			x(v), top-8, end, x(v), top-10, v)
	}
	for _, g := range p.groups {
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", nameWidth-8, top+len(g.bars)*barHeight/2+4, html.EscapeString(g.name))
		for _, one := range g.bars {
			fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/><text x="%.1f" y="%d" font-size="9">`+p.format+"</text>\n",
				nameWidth, top, x(one.value)-nameWidth, barHeight-1, colours()[one.colour], x(one.value)+4, top+8, one.value)
			top += barHeight
		}
		top += groupGap
	}
	return end + panelGap
}

// scale places a value between 0 and 1, and says where lines are drawn.
func (p *panel) scale() (at func(float64) float64, ticks []float64) {
	low, high := math.Inf(1), 0.0
	for _, g := range p.groups {
		for _, one := range g.bars {
			low, high = min(low, one.value), max(high, one.value)
		}
	}
	if !p.logarithmic {
		step := stepOf(high)
		n := math.Ceil(high / step)
		for i := range int(n) + 1 {
			ticks = append(ticks, float64(i)*step)
		}
		return func(v float64) float64 { return v / (n * step) }, ticks
	}
	from := math.Pow(10, math.Floor(math.Log10(low)))
	to := math.Pow(10, math.Ceil(math.Log10(high)))
	if to <= from {
		to = 10 * from // all are the same power of ten
	}
	for v := from; v <= to*1.001; v *= 10 {
		ticks = append(ticks, v)
	}
	return func(v float64) float64 { return math.Log(v/from) / math.Log(to/from) }, ticks
}

// stepOf is a round step of which four to ten reach a value.
func stepOf(high float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(high)))
	switch first := high / power; {
	case first <= 2:
		return power / 4
	case first <= 4:
		return power / 2
	default:
		return power
	}
}
