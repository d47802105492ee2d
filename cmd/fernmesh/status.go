package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/node"
)

const statusLong = `Status shows how nodes are: what they run, since when, whether they are well, how
many peers and links they have, how many calls they served, how many of these
failed, and the path on which they answered. Without a NODE it asks all.

Of one NODE it shows also all its peers, with their paths. With --local it asks
the node of this machine through its control socket, without the network; NODE
is then one of its peers.

    fernmesh status
    fernmesh status --watch
    fernmesh status kitchen
    fernmesh status --local`

func (m *Main) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [flags] [NODE…]",
		Short: "Show how nodes are, and their peers and paths",
		Long:  statusLong,
		Args:  between(0, -1),
	}
	st := &statusRun{Main: m}
	flags := addFlags(cmd, localOptions)
	cmd.Flags().BoolVar(&st.local, "local", false, "ask the node of this machine, through its control socket")
	cmd.Flags().BoolVar(&st.watch, "watch", false, "show it anew every 2 seconds until interrupted")
	cmd.Flags().IntVar(&st.count, "count", 0, "with --watch, stop after `N` times; 0 means never")
	complete := m.completer(flags, true, false)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return complete(cmd, nil, typed) // each argument is a node
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if st.count < 0 || st.count > 0 && !st.watch {
			return faultf(exitUsage, "give --count N with --watch, from 1, or leave it", "--count is of no use so")
		}
		if st.local {
			return st.runLocal(cmd.Context(), flags, args)
		}
		return st.runMesh(cmd.Context(), flags, args)
	}
	return cmd
}

// localOptions are those of the commands that know --local: --name says which
// node of this machine.
var localOptions = append(slices.Clone(callOptions[:2]), append([]*option{optionName}, callOptions[2:]...)...)

// statusRun is one run of the status subcommand.
type statusRun struct {
	*Main
	local, watch bool
	count        int
}

// statusQuestions are what status asks, by the key of the answer in JSON output.
var statusQuestions = map[string]string{
	"info": "__info__", "stats": statsCommands, "health": healthCommand, "peers": "__peers__",
}

// nodeStatus is what one node answered, by question.
type nodeStatus map[string]asked

// runMesh asks nodes over the network.
func (st *statusRun) runMesh(ctx context.Context, flags []*recorder, args []string) error {
	text := "*"
	if len(args) > 0 {
		text = strings.Join(args, ",")
	}
	t, err := parseTarget(text)
	if err != nil {
		return err
	}
	return st.observe(ctx, flags, func(c *caller) error {
		return st.repeat(ctx, func() error {
			all, err := c.status(ctx, t)
			if err != nil {
				return err
			}
			if c.json {
				if err := st.printJSON(statusJSON(all)); err != nil {
					return err
				}
			} else if err := st.printStatus(all, t.one); err != nil {
				return err
			}
			if len(all) == 0 {
				return c.nobody()
			}
			return statusVerdict(all)
		})
	})
}

// status asks all questions at the same time.
func (c *caller) status(ctx context.Context, t target) (map[string]nodeStatus, error) {
	if t.one {
		t.one, t.many = false, node.Nodes(t.text)
		if strings.HasPrefix(t.text, "any(") { // one and the same member must answer all
			reply, err := c.one(ctx, t.text, statusQuestions["info"])
			if err != nil {
				return nil, err
			}
			t.many = node.Nodes(reply.Node)
		}
	}
	all := map[string]nodeStatus{}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
	)
	for key, path := range statusQuestions {
		wg.Go(func() {
			found, err := c.ask(ctx, t, path)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				first = err
			}
			for name, a := range found {
				if all[name] == nil {
					all[name] = nodeStatus{}
				}
				all[name][key] = a
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		first = &fault{code: exitFailure, text: "interrupted", hint: "nothing was changed", cause: ctx.Err()}
	}
	return all, first
}

// statusEvery is how often --watch asks.
const statusEvery = 2 * time.Second

// repeat shows the status once or, with --watch, again and again; what is wrong
// shows in the table then, and does not end it.
func (st *statusRun) repeat(ctx context.Context, show func() error) error {
	if !st.watch {
		return show()
	}
	for i := 1; ; i++ {
		if err := st.clear(); err != nil {
			return err
		}
		err := show()
		if ctx.Err() != nil {
			return nil // interrupted, which is how a watch ends
		}
		if i == st.count {
			return err
		}
		var f *fault
		if errors.As(err, &f) {
			st.notef("%s", escapeLine(redactKeys(f.text)))
		}
		if failed := st.out.failure(); failed != nil {
			return failed
		}
		if !pause(ctx, statusEvery) {
			return nil
		}
	}
}

// statusVerdict is nil if all nodes answered all.
func statusVerdict(all map[string]nodeStatus) error {
	failed := 0
	for _, s := range all {
		for _, a := range s {
			if a.err != nil {
				failed++
				break
			}
		}
	}
	if failed > 0 {
		return faultf(exitFailure, "--output json tells the error of each question", "%d of %d nodes did not answer all", failed, len(all))
	}
	return nil
}

// statusJSON is the status of nodes in JSON output; the keys stay.
func statusJSON(all map[string]nodeStatus) map[string]any {
	out := map[string]any{}
	for name, s := range all {
		out[name] = s.json()
	}
	return out
}

func (s nodeStatus) json() map[string]any {
	v, failures := map[string]any{}, map[string]any{}
	for key, a := range s {
		if a.err == nil {
			v[key] = a.value
			v["path"] = a.outcome["path"]
		} else {
			failures[key] = a.outcome["error"]
		}
	}
	if len(failures) > 0 {
		v["errors"] = failures
	}
	return v
}

// answered is a copy without the questions that had no answer.
func (s nodeStatus) answered() nodeStatus {
	c := maps.Clone(s)
	maps.DeleteFunc(c, func(_ string, a asked) bool { return a.err != nil })
	return c
}

// failure is the first of the errors, as text for people.
func (s nodeStatus) failure(name string) string {
	for _, key := range sortedKeys(s) {
		if a := s[key]; a.err != nil {
			return fmt.Sprintf("%s: %s", statusQuestions[key], callFault(a.err, name, statusQuestions[key]).text)
		}
	}
	return ""
}
