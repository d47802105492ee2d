package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// Measures of the drawing, in pixels.
const (
	drawingWidth = 900
	margin       = 24
	gutter       = 28
	panelWidth   = (drawingWidth - 2*margin - gutter) / 2
	labelWidth   = 124
	valueWidth   = 46
	barsWidth    = panelWidth - labelWidth - valueWidth
	barHeight    = 14
	barStep      = 20
	headHeight   = 30 // of a group
	titleHeight  = 52 // of a chart
)

// style has the colours of both modes; a viewer that knows neither gets the
// light one. The fonts are those of the viewer's system.
const style = `
  .paper { fill: #ffffff } .text { fill: #1f2328 } .faint { fill: #59636e }
  .bar { fill: #b4bcc6 } .own { fill: #2c7a4b } .line { stroke: #59636e }
  text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; font-size: 12px }
  .title { font-size: 17px; font-weight: 600 } .head { font-weight: 600 } .bold { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } .text { fill: #e6edf3 } .faint { fill: #9198a1 }
    .bar { fill: #4a5462 } .own { fill: #4cb37a } .line { stroke: #9198a1 }
  }
`

// SVG draws charts below each other, the groups of each in two columns.
func SVG(w io.Writer, charts []Chart) error {
	height := margin
	for _, c := range charts {
		height += c.height()
	}
	height += margin / 2
	d := &drawing{}
	d.put(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`, drawingWidth, height, drawingWidth, height)
	titles := make([]string, len(charts))
	for i, c := range charts {
		titles[i] = c.Title
	}
	d.put(`<title>%s</title>`, escape(strings.Join(titles, "; ")))
	d.put(`<style>%s</style>`, style)
	d.put(`<rect class="paper" width="%d" height="%d" rx="6"/>`, drawingWidth, height)
	top := margin
	for _, c := range charts {
		d.chart(c, top)
		top += c.height()
	}
	d.put(`</svg>`)
	_, err := io.WriteString(w, d.String())
	return err
}

// height is that of the title and of all rows of groups.
func (c Chart) height() int {
	h := titleHeight
	for i := 0; i < len(c.Groups); i += 2 {
		h += c.rowHeight(i)
	}
	return h
}

// rowHeight is that of the higher of two groups side by side.
func (c Chart) rowHeight(i int) int {
	h := c.Groups[i].height()
	if i+1 < len(c.Groups) {
		h = max(h, c.Groups[i+1].height())
	}
	return h
}

func (g Group) height() int { return headHeight + len(g.Bars)*barStep + 14 }

type drawing struct{ strings.Builder }

func (d *drawing) put(format string, args ...any) {
	fmt.Fprintf(d, format, args...)
	d.WriteByte('\n')
}

func (d *drawing) chart(c Chart, top int) {
	d.put(`<text class="text title" x="%d" y="%d">%s</text>`, margin, top+16, escape(c.Title))
	d.put(`<text class="faint" x="%d" y="%d">%s</text>`, margin, top+36, escape(c.Unit))
	top += titleHeight
	for i, g := range c.Groups {
		left := margin
		if i%2 == 1 {
			left += panelWidth + gutter
		}
		d.group(g, c.Mark, left, top)
		if i%2 == 1 {
			top += c.rowHeight(i - 1)
		}
	}
}

func (d *drawing) group(g Group, mark float64, left, top int) {
	d.put(`<text class="text head" x="%d" y="%d">%s</text>`, left, top+16, escape(g.Title))
	greatest := mark
	for _, b := range g.Bars {
		greatest = max(greatest, b.Value)
	}
	if greatest <= 0 {
		return
	}
	long := func(v float64) float64 { return float64(barsWidth) * v / greatest }
	y := top + headHeight
	for _, b := range g.Bars {
		d.bar(b, long(b.Value), left, y)
		y += barStep
	}
	if mark > 0 {
		x := float64(left+labelWidth) + long(mark)
		d.put(`<line class="line" x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke-dasharray="2 3"/>`, x, top+headHeight-4, x, y-2)
	}
}

func (d *drawing) bar(b Bar, long float64, left, y int) {
	bar, text := "bar", "text"
	if b.Own {
		bar, text = "own", "text bold"
	}
	base := y + barHeight - 3
	d.put(`<text class="%s" x="%d" y="%d" text-anchor="end">%s</text>`, text, left+labelWidth-8, base, escape(b.Label))
	d.put(`<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`, bar, left+labelWidth, y, max(long, 1), barHeight)
	d.put(`<text class="%s" x="%d" y="%d" text-anchor="end">%s</text>`, text, left+panelWidth, base, Ratio(b.Value))
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
