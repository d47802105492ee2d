package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/policy"
)

const policyText = `A policy is a file of rules that say who may call what on a node. A node obeys
the one of its --policy, FERNMESH_POLICY or the key policy of the config file; a
change comes into force within a second, and a broken file does not.

    group ops = key:node:5hw… name:attic    # callers, under one name

    lamps: allow group:ops observers on lights.** rate=5/s burst=10
           allow name:"living room"  on door.open concurrency=1
           deny  *                   on door.** __dial__.**
           grant admin to group:ops
    default allow

The first rule that fits caller and path decides, the default if none does;
without the line "default deny" that is allow. Callers are * (all), key:node:…
(an identity key, which is proved), name:NAME and observers (such as this
program), which are claims that every member of the network can make, and
group:NAME. In a path * stands for one segment and ** at its end for one or
more; ** alone is every path, built-in commands and byte streams
(__dial__.SERVICE) included.

rate=5/s (or /m, /h), burst=10 and concurrency=2 hold for each caller. Rights
that commands require come from grants.

    fernmesh policy check house.policy
    fernmesh policy explain attic door.open --policy house.policy
    fernmesh call --dry-run kitchen door.open`

// policyCommand is "fernmesh policy", the parent of its two subcommands, and
// the topic of "fernmesh help policy".
func (m *Main) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check the rules of who may call what, and see what they decide",
		Long:  policyText,
		Args:  cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			return faultf(exitUsage, `it is "fernmesh policy check" or "fernmesh policy explain"`, "policy: a subcommand is missing")
		},
	}
	cmd.AddCommand(m.policyCheckCommand(), m.policyExplainCommand())
	return cmd
}

func (m *Main) policyCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [flags] [FILE]",
		Short: "Show all that is wrong or of note in a policy file",
		Long: `Check reads a policy file, or that of the settings, and prints one line for
each error and each warning, with its number. Errors are exit code 3; warnings
are about what is allowed and perhaps not meant.`,
		Args: between(0, 1),
	}
	flags := addFlags(cmd, []*option{optionConfig, optionPolicy, optionOutput})
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		s, err := m.settings(flags)
		if err != nil {
			return err
		}
		if len(args) > 0 {
			s.policy = args[0]
		}
		return m.policyCheck(&s)
	}
	return cmd
}

func (m *Main) policyCheck(s *settings) error {
	p, err := s.loadPolicy()
	var syntax *policy.SyntaxError
	if err != nil && !errors.As(err, &syntax) {
		return err
	}
	var problems, warnings []policy.Problem
	rules := 0
	if syntax != nil {
		problems = syntax.Problems
	} else {
		rules, warnings = p.Len(), p.Warnings()
	}
	if s.json {
		err = m.printJSON(map[string]any{
			"file": s.policy, "rules": rules, "errors": problemsJSON(problems), "warnings": problemsJSON(warnings),
		})
	} else {
		err = m.printProblems(s.policy, problems, warnings, rules)
	}
	if err != nil || syntax == nil {
		return err
	}
	return faultf(exitConfig, syntax.Problems[0].Hint, "%s: %s", s.policy, plural(len(problems), "error"))
}

func problemsJSON(problems []policy.Problem) []any {
	list := make([]any, 0, len(problems))
	for _, p := range problems {
		list = append(list, map[string]any{"line": p.Line, "text": p.Text, "hint": p.Hint})
	}
	return list
}

// printProblems prints what "policy check" found, for people.
func (m *Main) printProblems(file string, problems, warnings []policy.Problem, rules int) error {
	for kind, list := range map[string][]policy.Problem{"error": problems, "warning": warnings} { // one of the two is empty
		for _, p := range list {
			if _, err := fmt.Fprintf(m.out, "%s:%d: %s: %s; %s\n", escapeLine(file), p.Line, kind, escapeLine(p.Text), escapeLine(p.Hint)); err != nil {
				return err
			}
		}
	}
	if len(problems) > 0 {
		return nil
	}
	_, err := fmt.Fprintf(m.out, "%s: %s, %s\n", escapeLine(file), plural(rules, "rule"), plural(len(warnings), "warning"))
	return err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// loadPolicy reads the policy file of the settings. A *policy.SyntaxError comes
// as it is, anything else as a fault.
func (s *settings) loadPolicy() (*policy.Policy, error) {
	if s.policy == "" {
		return nil, faultf(exitUsage, "name one with --policy, or with the key policy of the config file", "there is no policy file")
	}
	p, err := policy.Load(s.policy)
	var syntax *policy.SyntaxError
	switch {
	case err == nil, errors.As(err, &syntax):
		return p, err
	case errors.Is(err, fs.ErrNotExist):
		return nil, faultf(exitConfig, "see whether the name is right", "cannot read the policy: %v", err)
	}
	return nil, faultf(exitConfig, "make the file readable, or name another", "cannot read the policy: %v", err)
}
