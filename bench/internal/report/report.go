// Package report turns what was measured into tables, a chart and JSON.
package report

// A Section is the outcome of one part of the comparison.
type Section struct {
	Name   string  `json:"name"` // "rpc", "relay", "startup"; markers in Markdown carry it
	Tables []Table `json:"tables"`
	Charts []Chart `json:"charts,omitempty"`
	// Raw is everything that was measured, for the JSON file.
	Raw any `json:"raw"`
	// Failed tells what could not be measured; the comparison then fails.
	Failed []string `json:"failed,omitempty"`
}

// A Table is text in rows and columns. The first column is a label, the
// others are set to the right.
type Table struct {
	Title   string     `json:"title"`
	Note    string     `json:"note,omitempty"` // one paragraph below it
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

// A Chart is groups of horizontal bars, each group on a scale of its own that
// begins at 0.
type Chart struct {
	Title string `json:"title"`
	Unit  string `json:"unit"` // what the bars count
	// Mark, if not 0, is a value at which every group has a line.
	Mark   float64 `json:"mark,omitempty"`
	Groups []Group `json:"groups"`
}

// A Group is the bars that belong together.
type Group struct {
	Title string `json:"title"`
	Bars  []Bar  `json:"bars"`
}

// A Bar is one value. Own marks ours, which stand out.
type Bar struct {
	Label string  `json:"label"`
	Value float64 `json:"value"`
	Own   bool    `json:"own,omitempty"`
}
