package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

// demoGuarded is the node of the demo that has a policy.
const demoGuarded = "cellar"

const demoPolicyText = `no-notes: deny observers on notes.**
default allow
`

// policyFlags writes the policy of demoGuarded and returns its flags.
func (d *demo) policyFlags() ([]string, error) {
	file := filepath.Join(d.dir, demoGuarded+".policy")
	return []string{"--policy", file}, os.WriteFile(file, []byte(demoPolicyText), 0o600)
}

// denied calls a command that the node's policy denies.
func (d *demo) denied(ctx context.Context, target string) (outcome, error) {
	start := time.Now()
	_, err := d.node.Call(ctx, target, "notes.set", node.Args("milk", "none"))
	o := outcome{path: d.pathTo(target), took: time.Since(start), result: "no refusal"}
	var e *commands.Error
	if !errors.As(err, &e) {
		return o, errors.New("the call was not denied")
	}
	rule, _ := e.Details["rule"].(string)
	o.result = e.Code.String() + " by rule " + rule
	if e.Code != commands.PermissionDenied || e.Executed != commands.ExecutedNo || rule != "no-notes" {
		return o, errors.New("expected PERMISSION_DENIED by rule no-notes, not run")
	}
	return o, nil
}

// dryRun asks whether a call would run, and it must not.
func (d *demo) dryRun(ctx context.Context, target string) (outcome, error) {
	before, err := d.runs(ctx, target)
	if err != nil {
		return outcome{}, err
	}
	reply, err := d.far.Call(ctx, target, "count.slowly", node.Args(0.01), node.DryRun())
	if err != nil {
		return outcome{}, err
	}
	var report node.DryRunReport
	if err := reply.Decode(&report); err != nil {
		return outcome{}, err
	}
	after, err := d.runs(ctx, target)
	if err != nil {
		return outcome{}, err
	}
	o := answered(reply, fmt.Sprintf("would run: %t, ran %d times", report.WouldRun, after-before))
	if !report.WouldRun || after != before {
		return o, errors.New("expected that it would run, and did not")
	}
	return o, nil
}
