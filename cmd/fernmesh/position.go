package main

import (
	"bytes"

	"github.com/pelletier/go-toml/v2/unstable"
)

// position is a place in the config file, both from 1; the column is in bytes.
type position struct{ line, column int }

// placer finds the places of a TOML parser's nodes. The parser's own way reads
// from the start of the file each time; this one goes on from the last place,
// so that a file of many sections takes no more than one reading.
type placer struct {
	data   []byte
	offset int // where line begins
	line   int // from 0
}

// at returns where r begins.
func (p *placer) at(r unstable.Range) position {
	want := min(int(r.Offset), len(p.data))
	if want < p.offset {
		p.offset, p.line = 0, 0
	}
	for {
		i := bytes.IndexByte(p.data[p.offset:want], '\n')
		if i < 0 {
			return position{p.line + 1, want - p.offset + 1}
		}
		p.offset += i + 1
		p.line++
	}
}
