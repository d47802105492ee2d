package policy

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong, or of note, in a policy.
type Problem struct {
	Line int    // counted from 1
	Text string // what it is
	Hint string // what to do
}

// String returns "line 3: …".
func (p Problem) String() string { return fmt.Sprintf("line %d: %s", p.Line, p.Text) }

// SyntaxError says everything that is wrong in a policy, in the order of its
// lines, up to maxProblems.
type SyntaxError struct{ Problems []Problem }

// maxProblems is how many problems are told of one file.
const maxProblems = 100

// Error returns one line per problem.
func (e *SyntaxError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}
