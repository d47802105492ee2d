// Allocs compares how many allocations the hot paths make with what they made
// before, so that speed does not rot unseen: times depend on the machine, these
// figures do not.
//
//	go run ./.ci/allocs            fails if a figure of .ci/allocs.txt has risen
//	go run ./.ci/allocs -update    writes the present figures into .ci/allocs.txt
//
// It runs in the root of the repository. A benchmark joins the others by a line
// in .ci/allocs.txt with any figure, and -update.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
)

const file = ".ci/allocs.txt"

func main() {
	update := flag.Bool("update", false, "write the present figures into "+file)
	flag.Parse()
	if err := run(os.Stdout, *update); err != nil {
		fmt.Fprintln(os.Stderr, "allocs:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, update bool) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	b, err := parseBaseline(text)
	if err != nil {
		return err
	}
	now, err := measure(b)
	if err != nil {
		return err
	}
	worse := b.compare(out, now)
	if update {
		var fresh bytes.Buffer
		b.write(&fresh, now)
		return os.WriteFile(file, fresh.Bytes(), 0o644)
	}
	if worse > 0 {
		return fmt.Errorf("%d of %d figures have risen; find out why, or if they must: go run ./.ci/allocs -update", worse, len(b.figures))
	}
	return nil
}
