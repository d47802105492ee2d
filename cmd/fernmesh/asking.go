package main

import (
	"context"
	"fmt"

	"github.com/fernmesh/fernmesh/node"
)

// asked is what one node answered to a question, or why it did not.
type asked struct {
	value   any
	err     error
	outcome map[string]any // in JSON output, if one of several nodes
}

// failure is the outcome of a node that gave no value, as it follows the node's
// name and a colon; "" if it gave one.
func (a asked) failure(name, path string) string {
	if a.err == nil {
		return ""
	}
	return " error: " + escapeLine(callFault(a.err, name, path).text)
}

// answers are those of several nodes, by name.
type answers map[string]asked

// failed is how many gave no value.
func (all answers) failed() (n int) {
	for _, a := range all {
		if a.err != nil {
			n++
		}
	}
	return n
}

// ask puts a question to every node of a target and waits for all. A single node
// that does not answer is an error, as for "fernmesh call".
func (c *caller) ask(ctx context.Context, t target, path string, options ...node.CallOption) (answers, error) {
	all := answers{}
	if t.one {
		reply, err := c.one(ctx, t.text, path, options...)
		if err != nil {
			return nil, err
		}
		v, err := reply.Value()
		if err != nil {
			return nil, answerFault(err)
		}
		all[reply.Node] = asked{value: v}
		return all, nil
	}
	for name, o := range c.Gather(ctx, t.many, path, options...).All() {
		v, err := outcomeValue(o)
		if name == "" { // the gather itself could not begin
			return nil, callFault(err, t.text, path)
		}
		all[name] = asked{v, err, outcomeJSON(o, v, err)}
	}
	return all, nil
}

// json is the JSON form of the answers: the value of one node, or an object with
// the outcome of each.
func (all answers) json(t target) any {
	out := map[string]any{}
	for name, a := range all {
		if t.one {
			return a.value
		}
		out[name] = a.outcome
	}
	return out
}

// printAnswers prints the answers as JSON.
func (m *Main) printAnswers(c *caller, t target, all answers) error {
	if err := m.printJSON(all.json(t)); err != nil {
		return err
	}
	return m.gathered(c, len(all), all.failed())
}

// printTables prints the answers for people: of one node what show makes of it,
// of several each under its name, or why there is none.
func (m *Main) printTables(c *caller, t target, all answers, path string, show func(indent string, v any) error) error {
	for _, name := range sortedKeys(all) {
		a, indent := all[name], ""
		if !t.one {
			indent = "    "
			if _, err := fmt.Fprintf(m.out, "%s:%s\n", escapeLine(name), a.failure(name, path)); err != nil {
				return err
			}
		}
		if a.err != nil {
			continue
		}
		if err := show(indent, a.value); err != nil {
			return err
		}
	}
	return m.gathered(c, len(all), all.failed())
}
