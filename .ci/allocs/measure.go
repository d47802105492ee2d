package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

const (
	// times is how often each benchmark runs its operation: enough for what is
	// done once, or now and then, to vanish from the figure.
	times = "2000x"
	// rounds is how often each benchmark runs. The lowest figure counts: others
	// of the process may add to one now and then, and never take away.
	rounds = "3"
	// procs is the same everywhere, so that the figures are.
	procs = "2"
)

// measure runs the benchmarks of a baseline.
func measure(b *baseline) (map[what]int, error) {
	now := map[what]int{}
	done := map[string]bool{}
	for _, l := range b.lines {
		pkg := l.what.pkg
		if pkg == "" || done[pkg] {
			continue
		}
		done[pkg] = true
		cmd := exec.Command("go", "test", pkg, "-run", "^$", "-bench", b.pattern(pkg),
			"-benchmem", "-benchtime", times, "-count", rounds, "-cpu", procs)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
		if err := parseResults(strings.NewReader(string(out)), pkg, now); err != nil {
			return nil, err
		}
	}
	for w := range b.figures {
		if _, ok := now[w]; !ok {
			return nil, fmt.Errorf("%s: there is no such benchmark, or it does not report that", w)
		}
	}
	return now, nil
}

// pattern is the argument of -bench for the benchmarks of a package.
func (b *baseline) pattern(pkg string) string {
	var patterns []string
	known := map[string]bool{}
	for _, l := range b.lines {
		if l.what.pkg != pkg || known[l.what.benchmark] {
			continue
		}
		known[l.what.benchmark] = true
		elements := strings.Split(l.what.benchmark, "/")
		for i, e := range elements {
			elements[i] = "^" + regexp.QuoteMeta(e) + "$"
		}
		patterns = append(patterns, strings.Join(elements, "/"))
	}
	return strings.Join(patterns, "|")
}

// parseResults takes the lowest figure of each metric from the output of go test.
func parseResults(in io.Reader, pkg string, lowest map[what]int) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name := strings.TrimSuffix(words[0], "-"+procs)
		for i := 2; i+1 < len(words); i += 2 {
			value, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				return fmt.Errorf("go test wrote %q: %w", lines.Text(), err)
			}
			w := what{pkg, name, words[i+1]}
			figure := int(math.Round(value))
			if before, ok := lowest[w]; !ok || figure < before {
				lowest[w] = figure
			}
		}
	}
	return lines.Err()
}
