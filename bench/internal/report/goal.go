package report

// A Goal is what a measured figure has to reach.
type Goal struct {
	What      string // whose figure it is, and of what
	Must, Aim float64
	AtMost    bool // set where less is better
	Measured  Series
}

// Columns of tables made of goals.
var goalColumns = []string{"goal", "must", "aim", "measured (least–greatest)", ""}

// Goals makes a table that tells which goals were met. An Aim of 0 is none.
func Goals(title, note string, goals []Goal) Table {
	t := Table{Title: title, Note: note, Columns: goalColumns}
	for _, g := range goals {
		aim := nothing
		if g.Aim != 0 {
			aim = g.bound(g.Aim)
		}
		t.Rows = append(t.Rows, []string{g.What, g.bound(g.Must), aim, g.Measured.Spread(Ratio), g.verdict()})
	}
	return t
}

func (g Goal) bound(v float64) string {
	if g.AtMost {
		return "≤ " + trim(v)
	}
	return "≥ " + trim(v)
}

func (g Goal) verdict() string {
	m, ok := g.Measured.Median()
	switch {
	case !ok:
		return "not measured"
	case g.Aim != 0 && g.reached(m, g.Aim):
		return "aim met"
	case g.reached(m, g.Must):
		return "met"
	}
	return "**not met**"
}

func (g Goal) reached(v, bound float64) bool {
	if g.AtMost {
		return v <= bound
	}
	return v >= bound
}
