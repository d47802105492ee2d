package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Markdown writes the tables of a section, with columns set so that they read
// well as plain text too.
func Markdown(w io.Writer, s *Section) error {
	var b strings.Builder
	for i, t := range s.Tables {
		if i > 0 {
			b.WriteByte('\n')
		}
		t.write(&b)
	}
	for _, f := range s.Failed {
		fmt.Fprintf(&b, "\nCould not be measured: %s\n", f)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t Table) write(b *strings.Builder) {
	fmt.Fprintf(b, "### %s\n\n", t.Title)
	widths := t.widths()
	row(b, t.Columns, widths)
	b.WriteByte('|')
	for i, n := range widths {
		if i == 0 {
			fmt.Fprintf(b, "%s|", strings.Repeat("-", n+2))
		} else {
			fmt.Fprintf(b, "%s:|", strings.Repeat("-", n+1))
		}
	}
	b.WriteByte('\n')
	for _, r := range t.Rows {
		row(b, r, widths)
	}
	if t.Note != "" {
		fmt.Fprintf(b, "\n%s\n", t.Note)
	}
}

func (t Table) widths() []int {
	widths := make([]int, len(t.Columns))
	for i := range t.Columns {
		widths[i] = utf8.RuneCountInString(t.Columns[i])
		for _, r := range t.Rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i]))
		}
	}
	return widths
}

// row sets the first cell to the left and the others to the right.
func row(b *strings.Builder, cells []string, widths []int) {
	b.WriteByte('|')
	for i, c := range cells {
		fill := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
		if i == 0 {
			fmt.Fprintf(b, " %s%s |", c, fill)
		} else {
			fmt.Fprintf(b, " %s%s |", fill, c)
		}
	}
	b.WriteByte('\n')
}

// Replace puts the tables of a section between its markers,
// "<!-- compare:NAME:begin -->" and "<!-- compare:NAME:end -->", in the text of
// a document, below a line that tells their origin.
func Replace(document string, s *Section, origin string) (string, error) {
	begin, end := marker(s.Name, "begin"), marker(s.Name, "end")
	before, rest, found := strings.Cut(document, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", fmt.Errorf("no place for the tables: put a line %q and below it a line %q where they belong", begin, end)
	}
	var b strings.Builder
	if err := Markdown(&b, s); err != nil {
		return "", err
	}
	return before + begin + "\n\n" + origin + "\n\n" + b.String() + "\n" + end + after, nil
}

func marker(section, edge string) string { return "<!-- compare:" + section + ":" + edge + " -->" }
