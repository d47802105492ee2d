package main

import (
	"context"
	"errors"
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
