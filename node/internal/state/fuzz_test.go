package state

import (
	"slices"
	"testing"
)

// FuzzParse checks that no text is taken for a whole file that was not written
// as one, and that what is read is written and read back.
func FuzzParse(f *testing.F) {
	f.Add([]byte("fernmesh test 1\na\nend\n"))
	f.Add([]byte("fernmesh test 1\n# c\n\n a \nend"))
	f.Add([]byte("fernmesh test 2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var lines []string
		err := parse(text, "test", func(line string) error { lines = append(lines, line); return nil })
		if err != nil {
			return
		}
		written, err := format("test", lines)
		if err != nil {
			t.Skip("a carriage return inside of a line")
		}
		var again []string
		if err := parse(written, "test", func(line string) error { again = append(again, line); return nil }); err != nil || !slices.Equal(lines, again) {
			t.Fatalf("%q became %q: %v", lines, again, err)
		}
	})
}
