package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMedianAndSpread(t *testing.T) {
	for _, c := range []struct {
		series Series
		spread string
	}{
		{nil, "–"},
		{Series{1: 2}, "2.00"},
		{Series{1: 3, 2: 1}, "2.00 (1.00–3.00)"},
		{Series{1: 9, 2: 1, 3: 2}, "2.00 (1.00–9.00)"},
	} {
		if got := c.series.Spread(Ratio); got != c.spread {
			t.Errorf("%v: %s, not %s", c.series, got, c.spread)
		}
	}
}

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	// The third round of the reference failed, and all of round 2 was slow.
	ours, reference := Series{1: 200, 2: 20, 3: 500}, Series{1: 100, 2: 10}
	ratios := ours.Over(reference)
	if len(ratios) != 2 || ratios[1] != 2 || ratios[2] != 2 {
		t.Errorf("%v", ratios)
	}
}

func TestFormats(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.3456: "0.346", 7: "7", 22.14: "22.1", 99.96: "100", 1234: "1,230", 48349: "48,300", 1e6: "1,000,000"} {
		if got := Count(v); got != want {
			t.Errorf("Count(%v) = %s, not %s", v, got, want)
		}
	}
	for v, want := range map[float64]string{0.654: "0.65", 9.994: "9.99", 12.34: "12.3", 1234: "1234"} {
		if got := Ratio(v); got != want {
			t.Errorf("Ratio(%v) = %s, not %s", v, got, want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	atLeast, atMost := Goal{Must: 1.5, Aim: 1.8}, Goal{Must: 8, AtMost: true}
	for _, c := range []struct {
		goal     Goal
		measured float64
		verdict  string
	}{
		{atLeast, 1.49, "**not met**"}, {atLeast, 1.5, "met"}, {atLeast, 1.8, "aim met"},
		{atMost, 8.01, "**not met**"}, {atMost, 8, "met"},
	} {
		c.goal.Measured = Series{1: c.measured}
		if got := c.goal.verdict(); got != c.verdict {
			t.Errorf("%v of %+v: %s", c.measured, c.goal, got)
		}
	}
	if got := atLeast.verdict(); got != "not measured" {
		t.Error(got)
	}
}

// sample is a section as a comparison makes it.
func sample() *Section {
	return &Section{
		Name: "rpc",
		Tables: []Table{
			Goals("Goals", "Medians.", []Goal{
				{What: "fernmesh, 64 B, 1", Must: 1.5, Aim: 1.8, Measured: Series{1: 1.6, 2: 1.9, 3: 1.7}},
				{What: "fernmesh, 64 B, 64, client", Must: 8, AtMost: true, Measured: Series{1: 12}},
				{What: "fernmesh, 1 MiB, 1", Must: 0.45, Aim: 0.6},
			}),
			{Title: "Calls per second", Columns: []string{"payload, callers", "64 B, 1"}, Rows: [][]string{{"fernmesh", "20,100"}, {"tls-echo", nothing}}},
		},
		Charts: []Chart{{
			Title: "Calls & more", Unit: "gRPC = 1", Mark: 1,
			Groups: []Group{
				{"64 B, 1", []Bar{{Label: "fernmesh", Value: 1.7, Own: true}, {Label: "grpc", Value: 1}}},
				{"64 B, 64", []Bar{{Label: "fernmesh", Value: 12, Own: true}, {Label: "<grpc>", Value: 1}, {Label: "nats", Value: 0}}},
				{"nothing", nil},
			},
		}},
		Failed: []string{"nats, 64x1, round 2: it said nothing"},
	}
}

func TestMarkdownIsAsBefore(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, sample()); err != nil {
		t.Fatal(err)
	}
	golden(t, "tables.md", b.Bytes())
}

func TestChartIsAsBeforeAndWellFormed(t *testing.T) {
	var b bytes.Buffer
	if err := SVG(&b, sample().Charts); err != nil {
		t.Fatal(err)
	}
	golden(t, "chart.svg", b.Bytes())
	d := xml.NewDecoder(&b)
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))) {
		t.Errorf("other than %s, which -update writes anew:\n%s", path, got)
	}
}

func TestTablesReplaceThoseBetweenTheirMarkersOnly(t *testing.T) {
	const document = "# Title\n\n<!-- compare:relay:begin -->\nold relay\n<!-- compare:relay:end -->\n\n<!-- compare:rpc:begin -->\nold\n<!-- compare:rpc:end -->\n\nlast\n"
	s := &Section{Name: "rpc", Tables: []Table{{Title: "New", Columns: []string{"a"}, Rows: [][]string{{"b"}}}}}
	got, err := Replace(document, s, "Measured here.")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(document, "\nold\n", "\n\nMeasured here.\n\n### New\n\n| a |\n|---|\n| b |\n\n", 1)
	if got != want {
		t.Errorf("%s", got)
	}
	if again, err := Replace(got, s, "Measured here."); err != nil || again != got {
		t.Errorf("twice is not the same as once: %v\n%s", err, again)
	}
	if _, err := Replace("no markers", s, ""); err == nil || !strings.Contains(err.Error(), "<!-- compare:rpc:begin -->") {
		t.Errorf("a document without markers: %v", err)
	}
}

func TestJSONCanBeReadBack(t *testing.T) {
	var b bytes.Buffer
	d := Document{Machine: ThisMachine(), Rounds: 5, Modules: Versions([]string{"example.org/absent"}), Sections: []*Section{sample()}}
	if err := JSON(&b, d); err != nil {
		t.Fatal(err)
	}
	var back Document
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Machine != d.Machine || back.Modules["example.org/absent"] != "unknown" || back.Sections[0].Tables[1].Rows[0][1] != "20,100" {
		t.Errorf("%+v", back)
	}
}
