package report

import (
	"fmt"
	"maps"
	"slices"
)

// A Series is what was measured of one thing, by round. A round in which the
// measuring failed is missing.
type Series map[int]float64

// Over divides round by round, so that what disturbed a whole round does not
// count, and leaves out rounds that lack either value.
func (s Series) Over(reference Series) Series {
	ratios := Series{}
	for round, v := range s {
		if r := reference[round]; r > 0 {
			ratios[round] = v / r
		}
	}
	return ratios
}

// Median returns the middle of the values, the mean of both middles of an even
// number; ok is false if there are none.
func (s Series) Median() (middle float64, ok bool) {
	sorted := slices.Sorted(maps.Values(s))
	n := len(sorted)
	if n == 0 {
		return 0, false
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2, true
}

// Text formats the median, "–" if there is none.
func (s Series) Text(format func(float64) string) string {
	m, ok := s.Median()
	if !ok {
		return nothing
	}
	return format(m)
}

// Spread formats the median with the least and the greatest value behind it,
// as in "1.72 (1.60–1.81)".
func (s Series) Spread(format func(float64) string) string {
	m, ok := s.Median()
	if !ok || len(s) == 1 {
		return s.Text(format)
	}
	low, high := slices.Min(slices.Collect(maps.Values(s))), slices.Max(slices.Collect(maps.Values(s)))
	return fmt.Sprintf("%s (%s–%s)", format(m), format(low), format(high))
}

// nothing stands where nothing was measured.
const nothing = "–"
