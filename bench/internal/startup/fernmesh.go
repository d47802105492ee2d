package startup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/bench/internal/programs"
)

// serveNode sets a node up as its user would, with "fernmesh init", and serves
// it. Node and callers find each other by discovery, as on every LAN, but on the
// loopback interface and a port of their own: a comparison does not speak to the
// network that it runs in.
func serveNode(p *contest.Process) error {
	dir, err := os.MkdirTemp(p.Job.Options[dirOption], "node")
	if err != nil {
		return err
	}
	program, config := programs.In(p.Job.Options[binOption], programs.Fernmesh), filepath.Join(dir, "config.toml")
	if said, err := exec.Command(program, "init", "--name", "kitchen", "--config", config).CombinedOutput(); err != nil {
		return fmt.Errorf("fernmesh init: %w: %s", err, said)
	}
	if err := confine(config); err != nil {
		return err
	}
	if _, err := startServing(program, "--config", config); err != nil {
		return err
	}
	return p.Ready(contest.Values{configOf: config})
}

// confine adds the settings that keep discovery on this machine.
func confine(config string) error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := l.LocalAddr().(*net.UDPAddr).Port
	_ = l.Close() // the node takes the port
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 {
			continue
		}
		f, err := os.OpenFile(config, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(f, "advert_port = %d\ninterfaces = [%q]\n", port, i.Name)
		return errors.Join(err, f.Close())
	}
	return errors.New("this machine has no loopback interface")
}

// A serving is a program of ours that serves.
type serving struct {
	command *exec.Cmd
	in      io.Closer
	line    string // the first that it printed, by which it is ready
}

// startServing starts a program and waits for its first line. The program ends
// with this process, if not before, since that holds its input.
func startServing(program string, args ...string) (serving, error) {
	s := serving{command: exec.Command(program, append([]string{"serve", "--until-eof"}, args...)...)}
	s.command.Stderr = os.Stderr
	in, err := s.command.StdinPipe()
	if err != nil {
		return s, err
	}
	s.in = in
	out, err := s.command.StdoutPipe()
	if err != nil {
		return s, err
	}
	if err := s.command.Start(); err != nil {
		return s, err
	}
	if s.line, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		s.end()
		return s, fmt.Errorf("%s did not say that it is ready: %w", filepath.Base(program), err)
	}
	return s, nil
}

// end ends the program.
func (s serving) end() {
	_ = s.in.Close()
	_ = s.command.Wait() // how it ended does not matter any more
}
