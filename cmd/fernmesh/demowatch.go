package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fernmesh/fernmesh/node"
)

// demoGuest is a node that comes and goes while the demo's caller watches.
const demoGuest = "guest"

// guestTime is how soon the caller must have heard of both.
const guestTime = 5 * time.Second

// watchGuest brings up one more node, calls it and lets it go again; the
// caller must be told of both.
func (d *demo) watchGuest(ctx context.Context, target string) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, guestTime)
	defer cancel()
	events := d.node.Events(ctx)
	guest, err := d.guest(ctx, target, node.Limits{})
	if err != nil {
		return outcome{}, err
	}
	reply, err := d.node.Call(ctx, target, "__echo__")
	d.part(guest)
	if err != nil {
		return outcome{}, err
	}
	joined := ""
	for e := range events {
		switch {
		case e.Node != target:
		case e.Kind == node.Joined:
			joined = e.Reason
		case e.Kind == node.Left && joined != "":
			return answered(reply, fmt.Sprintf("joined (%s), left (%s)", joined, e.Reason)), nil
		}
	}
	return answered(reply, "not told"), errors.New("the caller was not told that a node came and went")
}
