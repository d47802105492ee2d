package state

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Version is the version of the files' form that this package writes and reads.
//
// A file begins with the line "fernmesh KIND VERSION" and ends with the line
// "end", by which a file that was cut short is known. Between them is one thing
// per line; empty lines and those that begin with '#' are passed over.
const Version = 1

const lastLine = "end"

// errDamaged is wrapped by what is wrong inside a file.
var errDamaged = errors.New("damaged")

func format(kind string, lines []string) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "fernmesh %s %d\n", kind, Version)
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n") || line == lastLine {
			return nil, fmt.Errorf("%q does not fit on a line", line)
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	b.WriteString(lastLine + "\n")
	if b.Len() > MaxBytes {
		return nil, fmt.Errorf("%d bytes, at most %d are allowed", b.Len(), MaxBytes)
	}
	return b.Bytes(), nil
}

// parse gives each line to take, all that can be read of a damaged file too, and
// returns what was wrong first.
func parse(text []byte, kind string, take func(line string) error) error {
	rest := string(text)
	head, rest, _ := strings.Cut(rest, "\n")
	if err := checkHead(strings.TrimSpace(head), kind); err != nil {
		return err
	}
	var wrong error
	ended := false
	number := 1
	for line := range strings.Lines(rest) {
		number++
		whole := strings.HasSuffix(line, "\n")
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
			continue
		case ended:
			wrong = errors.Join(wrong, fmt.Errorf("%w: line %d is after its end", errDamaged, number))
			return wrong
		case line == lastLine:
			ended = true
			continue
		case !whole:
			continue // cut short: the end is missing
		}
		if err := take(line); err != nil && wrong == nil {
			wrong = fmt.Errorf("%w: line %d: %w", errDamaged, number, err)
		}
	}
	if !ended && wrong == nil {
		wrong = fmt.Errorf("%w: it was cut short, its last line is not %q", errDamaged, lastLine)
	}
	return wrong
}

func checkHead(head, kind string) error {
	if head == fmt.Sprintf("fernmesh %s %d", kind, Version) {
		return nil
	}
	var version int
	if n, _ := fmt.Sscanf(head, "fernmesh "+kind+" %d", &version); n == 1 && version > Version {
		return fmt.Errorf("%w: it is of version %d, written by a newer fernmesh; this one knows version %d", errDamaged, version, Version)
	}
	return fmt.Errorf("%w: its first line is not \"fernmesh %s %d\"", errDamaged, kind, Version)
}
