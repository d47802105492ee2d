package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// settings are what the user asked for.
type settings struct {
	contest.Options
	sections            []string
	json, svg, markdown string
}

func parse(args []string, help io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.SetOutput(help)
	f.IntVar(&s.Rounds, "rounds", 5, "measure everything this often")
	f.DurationVar(&s.Duration, "duration", time.Second, "measure each cell of each round this long")
	f.Uint64Var(&s.Seed, "seed", uint64(time.Now().UnixNano()), "seed of the random order")
	f.StringVar(&s.json, "json", "", "write all that was measured to this file")
	f.StringVar(&s.svg, "svg", "", "draw the chart into this file")
	f.StringVar(&s.markdown, "md", "", "replace the tables between the markers of this file")
	f.StringVar(&s.Profile, "profile", "", "write CPU profiles of all processes into this directory; they cost a little speed")
	f.Func("only", "measure only these contestants, by name and with commas between them", into(&s.Only))
	f.Func("cells", "measure only these cells of the tables, such as 64x1,1048576x64 (bytes x callers)", into(&s.Cells))
	f.Func("sections", "measure only these of "+strings.Join(names(), ", "), into(&s.sections))
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 {
		return s, fmt.Errorf("no argument %q is known; see -help", f.Arg(0))
	}
	if s.Rounds < 1 || s.Duration <= 0 {
		return s, fmt.Errorf("-rounds and -duration have to be above 0")
	}
	return s, s.check()
}

func into(list *[]string) func(string) error {
	return func(s string) error {
		*list = append(*list, strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })...)
		return nil
	}
}

// check refuses names that nothing has, which would measure nothing.
func (s settings) check() error {
	var contestants, cells []string
	for _, section := range sections() {
		cells = append(cells, section.Cells...)
		for _, c := range section.Contestants {
			contestants = append(contestants, c.Name)
		}
	}
	if err := known("section", s.sections, names()); err != nil {
		return err
	}
	if err := known("cell", s.Cells, cells); err != nil {
		return err
	}
	return known("contestant", s.Only, contestants)
}

func known(what string, asked, all []string) error {
	for _, a := range asked {
		if !slices.Contains(all, a) {
			return fmt.Errorf("no %s %q is known; choose from %s", what, a, strings.Join(all, ", "))
		}
	}
	return nil
}
