package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/policy"
)

func (m *Main) policyExplainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain [flags] WHO WHAT",
		Short: "Show which rule decides for a caller and a path, and why",
		Long: `Explain shows what a policy file decides when WHO calls WHAT: which rule, and
which rules before it were passed over and why. No node is asked, and what was
used up of a rate is not known.

WHO is a name, name:NAME, key:node:…, observer, or in quotes several of them:
"name:attic key:node:…". WHAT is the path of a command.

    fernmesh policy explain attic door.open --policy house.policy`,
		Args: between(2, 2),
	}
	flags := addFlags(cmd, []*option{optionConfig, optionPolicy, optionOutput})
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		s, err := m.settings(flags)
		if err != nil {
			return err
		}
		return m.policyExplain(&s, args[0], args[1])
	}
	return cmd
}

func (m *Main) policyExplain(s *settings, who, what string) error {
	caller, err := policy.ParseCaller(who)
	if err != nil {
		return faultf(exitUsage, `write a name, "key:node:…" or "observer"`, "WHO: %v", err)
	}
	path, err := commands.ParsePath(what)
	if err != nil {
		return faultf(exitUsage, "WHAT is a path such as lights.kitchen.set", "%v", err)
	}
	p, err := s.loadPolicy()
	var syntax *policy.SyntaxError
	if errors.As(err, &syntax) {
		return faultf(exitConfig, `"fernmesh policy check" shows all that is wrong in it`, "%s:%d: %s", s.policy, syntax.Problems[0].Line, syntax.Problems[0].Text)
	}
	if err != nil {
		return err
	}
	x := p.Explain(caller, path)
	if s.json {
		return m.printJSON(explanationJSON(x))
	}
	return m.printExplanation(x)
}

func explanationJSON(x policy.Explanation) map[string]any {
	passed, rights := []any{}, []any{}
	for _, o := range x.Passed {
		passed = append(passed, map[string]any{"rule": o.Rule, "line": o.Line, "text": o.Text, "why": o.Why})
	}
	for _, r := range x.Rights {
		rights = append(rights, r)
	}
	return map[string]any{
		"allowed": x.Allowed, "rule": x.Rule, "line": x.Line, "reason": x.Reason, "rate": x.Rate,
		"burst": x.Burst, "concurrency": x.Concurrency, "passed": passed, "rights": rights,
	}
}

// printExplanation prints a decision for people.
func (m *Main) printExplanation(x policy.Explanation) error {
	verdict := "denied"
	if x.Allowed {
		verdict = "allowed"
	}
	by := x.Rule
	if x.Line > 0 && by != fmt.Sprintf("line %d", x.Line) {
		by = fmt.Sprintf("rule %s, line %d", x.Rule, x.Line)
	}
	lines := []string{fmt.Sprintf("%s by %s: %s", verdict, by, x.Reason)}
	if x.Rate > 0 {
		lines = append(lines, fmt.Sprintf("at most %.3g calls a second, %d at once", x.Rate, x.Burst))
	}
	if x.Concurrency > 0 {
		lines = append(lines, fmt.Sprintf("at most %d running at the same time", x.Concurrency))
	}
	if len(x.Rights) > 0 {
		lines = append(lines, "rights: "+strings.Join(x.Rights, ", "))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(m.out, escapeLine(line)); err != nil {
			return err
		}
	}
	if len(x.Passed) == 0 {
		return nil
	}
	t := newTable(m.out, "PASSED OVER", "WHY", "TEXT")
	for _, o := range x.Passed {
		t.row(o.Rule, o.Why, o.Text)
	}
	return t.end()
}
