package relays

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// Names of those who call, for their ratio.
const (
	directCalls  = "calls-direct"
	relayedCalls = "calls-relayed"
)

// callers returns two nodes that call each other over a link of their own, and
// two that have only a relay.
func callers() []contest.Contestant {
	serve, call := contest.Role{Name: "server", Run: serveCalls}, contest.Role{Name: "client", Run: makeCalls}
	relay := contest.Role{Name: "relay", Run: func(p *contest.Process) error {
		v, err := startRelay(p, true)
		if err != nil {
			return err
		}
		return p.Ready(v)
	}}
	skip := func(j contest.Job) bool { return j.Name != callJob }
	return []contest.Contestant{
		{Name: directCalls, About: "calls between two nodes over TCP", Modules: []string{fernmeshModule}, Roles: []contest.Role{serve, call}, Skip: skip},
		{Name: relayedCalls, About: "calls between two nodes over fernmesh-relay, TLS 1.3", Modules: []string{fernmeshModule}, Roles: []contest.Role{relay, serve, call}, Skip: skip},
	}
}

func serveCalls(p *contest.Process) error {
	n, err := startNode(p, node.Config{Name: "server", Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	mirror := func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[commands.Raw](c, 0) }
	if err := n.Commands().Handle("mirror", mirror); err != nil {
		return err
	}
	return p.Ready(contest.Values{addressOf: n.Addr().String()})
}

func makeCalls(p *contest.Process) error {
	c := node.Config{Name: "client"}
	if relayAddress(p) == "" {
		c.Peers = []string{p.Peers["server"][addressOf]}
	}
	n, err := startNode(p, c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := n.WaitFor(ctx, "server"); err != nil {
		return fmt.Errorf("no link to the server: %w", err)
	}
	payload := append([]byte{0xc4, byte(p.Job.Payload)}, make([]byte, p.Job.Payload)...) // a msgpack byte string
	return p.Measure(func(int) (func() error, error) {
		return func() error {
			reply, err := n.Call(context.Background(), "server", "mirror", node.Args(commands.Raw(payload)))
			if err == nil && !bytes.Equal(reply.Raw(), payload) {
				err = errors.New("other bytes came back")
			}
			return err
		}, nil
	})
}

// startNode starts a node that knows the relay of this trial, if it has one.
func startNode(p *contest.Process, c node.Config) (*node.Node, error) {
	key, err := crypto.ParseKey(p.Secret)
	if err != nil {
		return nil, err
	}
	c.Network, c.Keys, c.NoLAN = "comparison", crypto.Ring(key), true
	if a := relayAddress(p); a != "" {
		c.Listen, c.Relays = "", []string{a}
		if c.RelayTLS, err = p.TLS.Client(); err != nil {
			return nil, err
		}
		c.RelayTLS.ServerName = "127.0.0.1"
	}
	n, err := node.New(c)
	if err != nil {
		return nil, err
	}
	return n, n.Start(context.Background())
}
