package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

const callLong = `Call runs a command on a node, or on several, and prints what it returns.

TARGET is a name, or any(SERVICE) for one node that offers the service and is
ready; or, for several, group(SERVICE), tag(TAG), '*' for every other node of
the network, or a list of these and names with commas between them. A single
node prints the value; several print one line per node as the answers arrive.
With --output json that is the value itself, or an object with one member per
node. Shells need quotes around parentheses.

An argument is JSON where it is JSON (3, true, "3", [1,2], {"a":1}), else text.
NAME=VALUE is a named argument. After --args nothing is split at "=" nor taken
for a flag. "-" reads JSON from standard input: an array of arguments, or an
object of named ones. {"$bytes":"aGk="} stands for bytes, in base64.

A command that streams prints each value on a line of its own as it comes, as
long as it runs: --timeout bounds finding the node, not the stream. --items - sends
each line of standard input to it, JSON where it is JSON, else text.

    fernmesh call kitchen time.now
    fernmesh call kitchen math.add 2 3
    fernmesh call kitchen,cellar math.add a=2 b=3
    fernmesh call '*' __echo__ hello
    fernmesh call 'any(thermostat)' heat.get
    fernmesh call 'group(thermostat),tag(upstairs),cellar' time.now
    fernmesh call --quorum 'group(thermostat)' heat.get
    fernmesh call kitchen count.up 10 0.5
    seq 10 | fernmesh call kitchen math.sum --items -`

func (m *Main) callCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "call [flags] TARGET PATH [ARG…] [NAME=VALUE…]",
		Short: "Run a command on a node and print its answer",
		Long:  callLong,
		Args:  between(2, -1),
	}
	flags := addFlags(cmd, callOptions)
	cmd.ValidArgsFunction = m.completer(flags, true, true)
	raw := cmd.Flags().Bool("raw", false, "print texts and bytes as they came: not escaped, and with nothing added")
	cmd.Flags().Bool("args", false, "what follows are arguments, whatever it looks like")
	idempotent := cmd.Flags().Bool("idempotent", false, "say that running the command twice does no harm, so that it may be tried again when the node restarts")
	items := cmd.Flags().String("items", "", `stream the lines of this file to the command, "-" for standard input`)
	dryRun := cmd.Flags().Bool("dry-run", false, "ask whether the call would run, and by which rule, and do not run it")
	sticky := cmd.Flags().String("sticky", "", "with any(SERVICE): call the same node for the same `KEY`, while it is there")
	first := cmd.Flags().Int("first", 0, "with several nodes: stop when `N` have answered")
	quorum := cmd.Flags().Bool("quorum", false, "with several nodes: stop when more than half have answered")
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		if *first < 0 {
			return faultf(exitUsage, "write a number from 1", "--first is too small")
		}
		c, err := m.newCall(words, *items)
		if err != nil {
			return err
		}
		c.raw = *raw
		if *idempotent {
			c.options = append(c.options, node.Idempotent())
		}
		if *dryRun {
			c.options = append(c.options, node.DryRun())
		}
		if cmd.Flags().Changed("sticky") {
			c.options = append(c.options, node.Sticky(*sticky))
		}
		if *first > 0 {
			c.options = append(c.options, node.First(*first))
		}
		if *quorum {
			c.options = append(c.options, node.Quorum())
		}
		return m.calling(flags, c.run)(cmd, nil)
	}
	return cmd
}

// callRun is one run of the call subcommand.
type callRun struct {
	*Main
	target  target
	path    string
	options []node.CallOption
	items   io.Reader // what to stream to the command; nil is nothing
	raw     bool
}

func (m *Main) newCall(words []string, items string) (*callRun, error) {
	t, err := parseTarget(unmark(words[0]))
	if err != nil {
		return nil, err
	}
	switch {
	case items != "" && !t.one:
		return nil, faultf(exitUsage, "leave --items, or call one node", "--items streams to one node, and %s may be several", t.text)
	case items == "-" && slices.Contains(words[2:], "-"):
		return nil, faultf(exitUsage, "give the arguments on the command line, or the items in a file", "standard input can be read only once, for \"-\" or for --items")
	}
	lines, err := m.openItems(items)
	if err != nil {
		return nil, err
	}
	a, err := parseArguments(words[2:], m.Stdin)
	if err != nil {
		return nil, faultf(exitUsage, `"fernmesh call --help" shows how arguments are written`, "%v", err)
	}
	return &callRun{
		Main: m, target: t, path: unmark(words[1]), items: lines,
		options: []node.CallOption{node.Args(a.list...), node.Kwargs(a.named)},
	}, nil
}

func (r *callRun) run(ctx context.Context, c *caller, _ []string) error {
	if !r.target.one {
		return r.gather(ctx, c)
	}
	if r.items != nil {
		return r.stream(ctx, c, commands.StreamsBoth)
	}
	reply, err := c.one(ctx, r.target.text, r.path, r.options...)
	if streams, ok := asStream(err); ok {
		return r.stream(ctx, c, streams)
	}
	if err != nil {
		return err
	}
	v, err := reply.Value()
	if err != nil {
		return answerFault(err)
	}
	switch {
	case r.raw:
		return r.printRaw(v)
	case c.json:
		return r.printJSON(v)
	}
	return r.printValue(v)
}

// gather calls several nodes. Exit code 0 means that all of them answered.
func (r *callRun) gather(ctx context.Context, c *caller) error {
	if r.raw {
		return faultf(exitUsage, "leave --raw, or call one node", "--raw shows one value, and %s may have several", r.target.text)
	}
	return r.each(ctx, c, r.target, r.path, r.options, func(v any) string { return " " + oneLine(v) })
}

// each calls a command on several nodes and prints one outcome per node: as
// they arrive for people, as one object for programs.
func (m *Main) each(ctx context.Context, c *caller, t target, path string, options []node.CallOption, show func(any) string) error {
	all, failed := map[string]any{}, 0
	for name, o := range c.Gather(ctx, t.many, path, options...).Results() {
		v, err := outcomeValue(o)
		if name == "" { // the gather itself could not begin
			return callFault(err, t.text, path)
		}
		var stopped *node.StoppedError // not wanted any more, which is no failure
		if err != nil && !errors.As(err, &stopped) {
			failed++
		}
		if c.json {
			all[name] = outcomeJSON(o, v, err)
			continue
		}
		line := escapeLine(name) + ":"
		if err != nil {
			line += " error: " + escapeLine(callFault(err, name, path).text)
		} else {
			line += show(v)
		}
		if _, err := fmt.Fprintln(m.out, line); err != nil {
			return err
		}
		all[name] = nil
	}
	if c.json {
		if err := m.printJSON(all); err != nil {
			return err
		}
	}
	return m.gathered(c, len(all), failed)
}

// gathered says how a gather ended.
func (m *Main) gathered(c *caller, all, failed int) error {
	switch {
	case all == 0:
		m.noteNobody(c)
	case failed > 0:
		return faultf(exitFailure, "the outcome of each node says why it failed", "%d of %d nodes failed", failed, all)
	}
	return nil
}

// noteNobody says that nobody is there, and who is instead.
func (m *Main) noteNobody(c *caller) {
	m.notef("no other node of network %q was found", c.network)
	if c.Strangers() {
		m.notef("hint: %s", strangersHint)
	}
}

// strangersHint is the next step of one who finds nobody, but hears somebody.
const strangersHint = "nodes with another key are heard on this LAN: if the network's key was changed, put the new key file on this machine"

func outcomeValue(o node.Outcome) (any, error) {
	if o.Err != nil {
		return nil, o.Err
	}
	v, err := o.Reply.Value()
	if err != nil {
		return nil, answerFault(err)
	}
	return v, nil
}

// outcomeJSON is one member of a gather in JSON output; the keys stay.
func outcomeJSON(o node.Outcome, v any, err error) map[string]any {
	if err == nil {
		return map[string]any{"ok": true, "value": v, "ms": inMilliseconds(o.Reply.Took), "path": pathJSON(o.Reply.Path)}
	}
	var e *commands.Error
	if !errors.As(err, &e) {
		e = &commands.Error{Code: commands.Internal, Message: err.Error(), Executed: commands.ExecutedYes}
	}
	return map[string]any{"ok": false, "error": errorJSON(e)}
}
