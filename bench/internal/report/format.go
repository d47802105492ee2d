package report

import (
	"math"
	"strconv"
	"strings"
)

// Ratio formats with two decimals, or three digits above 10.
func Ratio(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// Count formats a number of things with three digits that mean something and
// groups of thousands: "48,300".
func Count(v float64) string {
	if v < 100 {
		return trim(digits(v))
	}
	text := strconv.FormatFloat(digits(v), 'f', 0, 64)
	var b strings.Builder
	for i, r := range text {
		if i > 0 && (len(text)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// digits rounds to three digits.
func digits(v float64) float64 {
	if v == 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-2)
	if unit < 1 { // dividing by what has a finite form keeps it exact
		return math.Round(v*math.Round(1/unit)) / math.Round(1/unit)
	}
	return math.Round(v/unit) * unit
}

func trim(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
