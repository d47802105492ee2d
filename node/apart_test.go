package node

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// roleVariable makes the test binary a process of another role instead, so that
// what a test or a benchmark measures of its own process is of one side alone. It
// holds the name of the role and the words of its order.
const roleVariable = "FERNMESH_TEST_ROLE"

// roles are what such a process may do. Each ends with its input.
var roles = map[string]func(order []string) error{"far": far, "peers": hostPeers, "flood": flooder}

// play does what the environment asks this process to be, and reports whether it
// asks for anything.
func play() bool {
	words := strings.Fields(os.Getenv(roleVariable))
	if len(words) == 0 {
		return false
	}
	err := fmt.Errorf("there is no role %q", words[0])
	if role := roles[words[0]]; role != nil {
		err = role(words[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// apart is such a process, seen from the test. It ends with it.
type apart struct {
	in  io.Writer
	out *bufio.Reader
}

// startApart starts one, by the program of prefix if there is one.
func startApart(tb testing.TB, prefix []string, order ...string) *apart {
	tb.Helper()
	exe, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	words := append(prefix, exe)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), roleVariable+"="+strings.Join(order, " "))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			tb.Errorf("the process that is %q: %v", order[0], err)
		}
	})
	return &apart{in: in, out: bufio.NewReader(out)}
}

// line returns the next line that the process says.
func (a *apart) line(tb testing.TB) string {
	tb.Helper()
	line, err := a.out.ReadString('\n')
	if err != nil {
		tb.Fatalf("the other process said %q, %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

// await waits until the process says what is wanted.
func (a *apart) await(tb testing.TB, want string) {
	tb.Helper()
	if line := a.line(tb); line != want {
		tb.Fatalf("the other process said %q, want %q", line, want)
	}
}
