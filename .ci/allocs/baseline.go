package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// what says what is counted: a metric of a benchmark of a package.
type what struct {
	pkg       string // "./node"
	benchmark string // "BenchmarkCall/size=64/callers=1"
	unit      string // "allocs/op"
}

func (w what) String() string { return w.pkg + " " + w.benchmark + " " + w.unit }

// baseline is the figures that hold, with the lines of the file that say them.
type baseline struct {
	lines   []line
	figures map[what]int
}

// line is a figure, or text between figures.
type line struct {
	text  string
	what  what // zero for text
	slack int  // by how much the figure may be exceeded
}

// parseBaseline reads lines of the form "package benchmark unit figure" with
// "+slack" behind it or not, empty ones and comments, which begin with #.
func parseBaseline(text []byte) (*baseline, error) {
	b := &baseline{figures: map[what]int{}}
	for n, text := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		words := strings.Fields(text)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			b.lines = append(b.lines, line{text: text})
			continue
		}
		if len(words) < 4 || len(words) > 5 || len(words) == 5 && words[4][0] != '+' {
			return nil, fmt.Errorf("line %d: want a package, a benchmark, a unit, a figure, and +slack or nothing", n+1)
		}
		var numbers [2]int // figure and slack
		for i, word := range words[3:] {
			var err error
			if numbers[i], err = strconv.Atoi(word); err != nil || numbers[i] < 0 {
				return nil, fmt.Errorf("line %d: %q is no figure", n+1, word)
			}
		}
		w := what{words[0], words[1], words[2]}
		if _, double := b.figures[w]; double {
			return nil, fmt.Errorf("line %d: %s is there twice", n+1, w)
		}
		b.lines = append(b.lines, line{what: w, slack: numbers[1]})
		b.figures[w] = numbers[0]
	}
	return b, nil
}

// write writes the file with other figures.
func (b *baseline) write(out io.Writer, now map[what]int) {
	for _, l := range b.lines {
		if l.what == (what{}) {
			fmt.Fprintln(out, l.text)
			continue
		}
		fmt.Fprint(out, l.what, " ", now[l.what], l.allowance(), "\n")
	}
}

func (l line) allowance() string {
	if l.slack == 0 {
		return ""
	}
	return fmt.Sprintf(" +%d", l.slack)
}

// compare prints each figure and returns how many have risen. One that fell is
// no fault, but is better kept.
func (b *baseline) compare(out io.Writer, now map[what]int) (worse int) {
	for _, l := range b.lines {
		if l.what == (what{}) {
			continue
		}
		before, now := b.figures[l.what], now[l.what]
		remark := ""
		switch {
		case now > before+l.slack:
			worse++
			remark = fmt.Sprintf("   RISEN from %d", before)
		case now < before-l.slack:
			remark = fmt.Sprintf("   fallen from %d: let %s have the line \"%s %d%s\"", before, file, l.what, now, l.allowance())
		}
		fmt.Fprintf(out, "%6d %s%s\n", now, l.what, remark)
	}
	return worse
}
