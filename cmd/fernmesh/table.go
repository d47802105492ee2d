package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// table prints rows in columns. Cells are escaped to one line each, so that no
// cell can look like two.
type table struct {
	tab *tabwriter.Writer
}

// newTable begins a table with its head.
func newTable(w io.Writer, head ...string) *table {
	t := &table{tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)}
	t.row(head...)
	return t
}

// row adds a row. The error of writing shows at the end.
func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = escapeLine(c)
	}
	fmt.Fprintln(t.tab, strings.Join(cells, "\t"))
}

// end prints the table.
func (t *table) end() error { return t.tab.Flush() }
