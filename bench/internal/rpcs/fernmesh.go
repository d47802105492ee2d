package rpcs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

const fernmeshModule = "github.com/fernmesh/fernmesh"

// A variant is one way to set up two nodes.
type variant struct {
	name, about string
	options     []commands.Option
	configure   func(*node.Config)
	atLeast     int // bytes of payload below which it is the same as another
}

// argumentBytes is room for 64 calls of 1 MiB with their few bytes of framing,
// which the default of 64 MiB just refuses.
const argumentBytes = 128 << 20

// fernmeshes returns two ordinary nodes, joined by a link over TCP that the
// client was told of, in several variants. Values stay raw: the payload is a
// msgpack byte string, as every payload on the wire is, which neither side
// takes apart.
func fernmeshes() []contest.Contestant {
	variants := []variant{
		{name: "fernmesh", about: "any command: an ordinary handler with a goroutine of its own, raw values"},
		{name: "fernmesh-inline", about: "a command marked quick, which runs where the link is read", options: []commands.Option{commands.Inline()}},
		{name: "fernmesh-bulk", about: "any command, large payloads under the bulk cipher (Config.BulkCipher)", configure: func(c *node.Config) { c.BulkCipher = true }, atLeast: 64 << 10},
	}
	all := make([]contest.Contestant, len(variants))
	for i, v := range variants {
		all[i] = contest.Contestant{
			Name: v.name, About: v.about, Modules: []string{fernmeshModule},
			Roles: []contest.Role{{Name: "server", Run: v.serve}, {Name: "client", Run: v.call}},
			Skip:  func(j contest.Job) bool { return j.Payload < v.atLeast },
		}
	}
	return all
}

func (v variant) serve(p *contest.Process) error {
	n, err := v.start(p, node.Config{Name: "server", Listen: loopback})
	if err != nil {
		return err
	}
	mirror := func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[commands.Raw](c, 0) }
	if err := n.Commands().Handle("mirror", mirror, v.options...); err != nil {
		return err
	}
	return p.Ready(contest.Values{addressOf: n.Addr().String()})
}

func (v variant) call(p *contest.Process) error {
	n, err := v.start(p, node.Config{Name: "client", Peers: []string{p.Peers["server"][addressOf]}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := n.WaitFor(ctx, "server"); err != nil {
		return fmt.Errorf("no link to the server: %w", err)
	}
	payload := byteString(payloadOf(p))
	return p.Measure(func(int) (func() error, error) {
		return echoes(payload, func(b []byte) ([]byte, error) {
			reply, err := n.Call(context.Background(), "server", "mirror", node.Args(commands.Raw(b)))
			if err != nil {
				return nil, err
			}
			return reply.Raw(), nil
		}), nil
	})
}

func (v variant) start(p *contest.Process, c node.Config) (*node.Node, error) {
	key, err := crypto.ParseKey(p.Secret)
	if err != nil {
		return nil, err
	}
	c.Network, c.Keys, c.NoLAN, c.DefaultTimeout = "comparison", crypto.Ring(key), true, time.Minute
	c.Limits.ArgumentBytesPerPeer = argumentBytes
	if v.configure != nil {
		v.configure(&c)
	}
	n, err := node.New(c)
	if err != nil {
		return nil, err
	}
	if err := n.Start(context.Background()); err != nil {
		return nil, errors.Join(errors.New("start the node"), err)
	}
	return n, nil
}

// byteString encodes a msgpack byte string.
func byteString(b []byte) []byte {
	if len(b) < 1<<8 {
		return append([]byte{0xc4, byte(len(b))}, b...)
	}
	head := binary.BigEndian.AppendUint32([]byte{0xc6}, uint32(len(b)))
	return append(head, b...)
}
