package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// pty returns both ends of a pseudo terminal.
func pty(t *testing.T) (us, them *os.File) {
	t.Helper()
	us, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("this machine has no pseudo terminals:", err)
	}
	t.Cleanup(func() { us.Close() })
	if err := unix.IoctlSetPointerInt(int(us.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(us.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	them, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { them.Close() })
	return us, them
}

// screen collects what a terminal shows.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// joinOnTerminal starts join on a terminal and pastes a line when it is asked for.
func joinOnTerminal(t *testing.T, p place, line string) (*exec.Cmd, *os.File, *screen) {
	t.Helper()
	us, them := pty(t)
	cmd := p.command("join", "--name", "attic", "--config", "new/config.toml")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = them, them, them
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	them.Close()
	shown := &screen{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(shown, us) // ends with the other end
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	waitUntil(t, "it asks for the line", func() bool { return strings.Contains(shown.String(), "(it is not shown): ") })
	if _, err := io.WriteString(us, line+"\n"); err != nil {
		t.Fatal(err)
	}
	return cmd, us, shown
}

// R39: a line that is pasted at the prompt stays off the screen.
func TestR39_JoinOnATerminal(t *testing.T) {
	p := newPlace(t)
	line := testInvite(t, "relay.example").line()
	for _, answer := range []string{"n", "y"} {
		cmd, us, shown := joinOnTerminal(t, p, line)
		waitUntil(t, "it asks for confirmation", func() bool { return strings.Contains(shown.String(), "join? [y/N] ") })
		if _, err := io.WriteString(us, answer+"\n"); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		_, missing := os.Stat(filepath.Join(p.dir, "new", "config.toml"))
		if joined := answer == "y"; joined != (err == nil) || joined != (missing == nil) {
			t.Errorf("answer %s: %v, %v: %s", answer, err, missing, shown)
		}
		if strings.Contains(shown.String(), line[12:30]) || !strings.Contains(shown.String(), "key id ") {
			t.Errorf("answer %s: the screen shows %s", answer, shown)
		}
	}
}

// An interrupt at the prompt gives the terminal back as it was.
func TestInterruptedJoin(t *testing.T) {
	p := newPlace(t)
	us, them := pty(t)
	before, err := unix.IoctlGetTermios(int(us.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	cmd := p.command("join")
	var stderr screen
	cmd.Stdin, cmd.Stderr = them, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "it asks for the line", func() bool { return strings.Contains(stderr.String(), "(it is not shown): ") })
	hidden, _ := unix.IoctlGetTermios(int(us.Fd()), unix.TCGETS)
	if hidden.Lflag&unix.ECHO != 0 {
		t.Error("the terminal shows what is typed")
	}
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	after, err := unix.IoctlGetTermios(int(us.Fd()), unix.TCGETS)
	if err != nil || after.Lflag != before.Lflag || after.Iflag != before.Iflag {
		t.Errorf("the terminal was left otherwise: %v, %v", after, err)
	}
	if !strings.Contains(stderr.String(), "fernmesh: error: interrupted\nfernmesh: hint: nothing was changed\n") {
		t.Errorf("it said %q", stderr.String())
	}
}

// A node in a terminal ends when that is closed, and takes another hangup as the
// wish that it read its files again.
func TestTerminalGone(t *testing.T) {
	us, them := pty(t)
	m := &Main{Stdin: them, onTerminal: isTerminal(them)}
	if !m.onTerminal || m.terminalGone() {
		t.Error("a terminal that is there is gone")
	}
	if err := us.Close(); err != nil {
		t.Fatal(err)
	}
	if !m.terminalGone() {
		t.Error("a terminal that is gone is there")
	}
}
