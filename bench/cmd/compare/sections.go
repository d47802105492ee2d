package main

import (
	"slices"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/bench/internal/relays"
	"github.com/fernmesh/fernmesh/bench/internal/rpcs"
	"github.com/fernmesh/fernmesh/bench/internal/startup"
)

// sections are the parts of the comparison, in the order of the report.
func sections() []contest.Section {
	return []contest.Section{rpcs.Section(), relays.Section(), startup.Section()}
}

func names() []string {
	var all []string
	for _, s := range sections() {
		all = append(all, s.Name)
	}
	return all
}

// chosen leaves out sections that were not asked for, and those that have none
// of the contestants, or none of the cells, that were asked for.
func (s settings) chosen() []contest.Section {
	return slices.DeleteFunc(sections(), func(section contest.Section) bool {
		wanted := len(s.sections) == 0 || slices.Contains(s.sections, section.Name)
		named := len(s.Only) == 0 || slices.ContainsFunc(section.Contestants, func(c contest.Contestant) bool { return s.Wants(c.Name) })
		held := len(s.Cells) == 0 || slices.ContainsFunc(section.Cells, func(cell string) bool { return slices.Contains(s.Cells, cell) })
		return !wanted || !named || !held
	})
}

// modules are all that are measured.
func modules(sections []contest.Section) []string {
	var all []string
	for _, s := range sections {
		for _, c := range s.Contestants {
			all = append(all, c.Modules...)
		}
	}
	return all
}
