package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/node"
)

// drainTime is how long calls that were accepted may finish after a signal.
const drainTime = 10 * time.Second

const serveLong = `Serve runs a node until it is interrupted. It answers the built-in commands
(__echo__, __list_commands__, …) and some to try: time.now, host.info, math.add,
text.upper, text.reverse, sleep.for, count.slowly, count.runs, fail.with; count.up,
math.sum and text.uppers, which stream; and notes.set, notes.get, notes.list,
notes.remove, which keep short texts in memory. The config file may add commands that run programs ("fernmesh help
programs"). With --policy callers may do only what its rules allow ("fernmesh
help policy"); a change of that file comes into force within a second.

When the node is ready, serve prints one line with its name, its address, and
how to call it. A SIGHUP has it read its key file and its policy again. Programs
of the same user get at it through a socket in its state directory ("fernmesh
status --local", "fernmesh watch --local", "fernmesh keys").`

func (m *Main) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Run a node with some commands to try",
		Long:  serveLong,
		Args:  between(0, 0),
	}
	flags := addFlags(cmd, serveOptions)
	untilEOF := cmd.Flags().Bool("until-eof", false, "stop also when standard input ends, so that no node outlives the program that started it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := m.settings(flags)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(cmd.Context())
		defer cancel()
		if *untilEOF {
			m.stopAtEOF(cancel)
		}
		return m.serve(ctx, &s, flags)
	}
	return cmd
}

// stopAtEOF calls stop when standard input ends. Its goroutine cannot be ended
// before that: it lives until the process exits, right after serve returns.
func (m *Main) stopAtEOF(stop func()) {
	go func() {
		_, _ = io.Copy(io.Discard, m.Stdin) // an error is an end too
		stop()
	}()
}

func (m *Main) serve(ctx context.Context, s *settings, flags []*recorder) error {
	if s.name == "" {
		s.name = machineName()
	}
	n, err := s.newNode(node.Config{
		Name: s.name, Listen: s.listen, PolicyFile: s.policy, Services: s.services, Tags: s.tags,
		Logger: slog.New(slog.NewTextHandler(m.err, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	if err := addServeCommands(n.Commands()); err != nil {
		return faultf(exitFailure, "this is a fault of the program; please report it", "cannot register the commands: %v", err)
	}
	if err := addPrograms(n.Commands(), s.programs); err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before it was ready
		}
		return s.startFault(err)
	}
	unattend := m.attend(n, s)
	m.printReady(n, s, flags)
	<-ctx.Done()
	unattend()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := n.Shutdown(end); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return faultf(exitFailure, "the node has ended all the same", "shutting down: %v", err)
	}
	return nil
}

// machineName is the first label of this machine's name.
func machineName() string {
	name, err := os.Hostname()
	if err != nil {
		return "node"
	}
	name, _, _ = strings.Cut(name, ".")
	return name
}

// printReady prints the one line that says that the node takes calls. Nobody
// may be reading: a node goes on serving.
func (m *Main) printReady(n *node.Node, s *settings, flags []*recorder) {
	call := commandLine(n, s, flags, "call", shellWord(n.Name()), "time.now")
	if s.json {
		_ = m.printJSON(readyJSON(n, map[string]any{"call": call}))
		return
	}
	_, _ = fmt.Fprintf(m.out, "%s is ready on network %s %s; call it: %s\n",
		escapeLine(n.Name()), escapeLine(n.Network()), whereabouts(n), escapeLine(call))
}

// readyJSON is the ready line of a node in JSON output, with what is added to it.
func readyJSON(n *node.Node, more map[string]any) map[string]any {
	address := ""
	if n.Addr().IsValid() {
		address = n.Addr().String()
	}
	more["name"], more["network"] = n.Name(), n.Network()
	more["address"], more["port"] = address, int64(n.Addr().Port())
	more["key"], more["instance"] = n.Identity().String(), n.Instance().String()
	return more
}

// whereabouts says where a node takes calls.
func whereabouts(n *node.Node) string {
	if n.Addr().IsValid() {
		return "at " + n.Addr().String()
	}
	return "through relays alone"
}

// commandLine is a command line that reaches the node from this machine: a verb,
// the flags that the node was given, and further words, quoted by the caller.
func commandLine(n *node.Node, s *settings, flags []*recorder, verb string, rest ...string) string {
	words := []string{"fernmesh", verb}
	for _, r := range flags {
		switch r.option {
		case optionConfig, optionNetwork, optionKeyFile, optionAdvertPort, optionInterface, optionRelay:
			for _, v := range r.values {
				words = append(words, "--"+r.option.flag, shellWord(v))
			}
		}
	}
	if s.noLAN {
		words = append(words, "--no-lan")
		if n.Addr().IsValid() {
			words = append(words, "--peer", localAddress(n.Addr()))
		}
	}
	return strings.Join(append(words, rest...), " ")
}

// localAddress is where this machine reaches a listener.
func localAddress(a netip.AddrPort) string {
	host := a.Addr().Unmap()
	if host.IsUnspecified() {
		host = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return net.JoinHostPort(host.String(), strconv.Itoa(int(a.Port())))
}

// shellWord quotes a word for a POSIX shell where it must be.
func shellWord(s string) string {
	const safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:@%+,=~"
	if s != "" && strings.Trim(s, safe) == "" && s[0] != '-' && s[0] != '~' {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
