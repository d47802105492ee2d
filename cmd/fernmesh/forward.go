package main

import (
	"context"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/node"
)

const forwardLong = `Forward listens on a TCP port of this machine and connects whoever comes to a
service of a node: one that "fernmesh expose" offers, or a Go program by Listen.
Programs that know nothing of the mesh, such as a browser, ssh or psql, then reach
the service as if it ran here.

PORT alone listens on 127.0.0.1; port 0 is a free one. When it listens, forward
prints the address. It runs until it is interrupted. A connection that cannot be
made is closed, and the reason printed as one line on standard error; forward
goes on.

    fernmesh forward 8080 kitchen:http
    fernmesh forward 0.0.0.0:5432 cellar:postgres`

func (m *Main) forwardCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "forward [flags] [LISTEN:]PORT TARGET:SERVICE",
		Short: "Lead a TCP port of this machine to a service of a node",
		Long:  forwardLong,
		Args:  between(2, 2),
	}
	flags := addFlags(cmd, callOptions)
	f := forwarding{Main: m}
	f.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if f.listen, err = parseListen(args[0]); err != nil {
			return err
		}
		if f.target, f.service, err = parseService(args[1]); err != nil {
			return err
		}
		return f.bounded(cmd.Context(), m, func(ctx context.Context) error {
			return m.observe(ctx, flags, func(c *caller) error { return f.run(ctx, c) })
		})
	}
	return cmd
}

// forwarding is one run of the forward subcommand.
type forwarding struct {
	*Main
	portFlags
	listen, target, service string
}

func (f *forwarding) run(ctx context.Context, c *caller) error {
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return faultf(exitFailure, "see whether another program holds the port, or let forward choose one with port 0", "cannot listen on %s: %v", f.listen, err)
	}
	if err := f.printReady(c, l.Addr().(*net.TCPAddr)); err != nil {
		_ = l.Close()
		return err
	}
	return f.serve(ctx, c, l)
}

func (f *forwarding) printReady(c *caller, a *net.TCPAddr) error {
	if c.json {
		return f.printJSON(map[string]any{
			"listen": a.String(), "port": int64(a.Port), "node": f.target, "service": f.service, "network": c.network,
		})
	}
	_, err := fmt.Fprintf(f.out, "%s leads to %s of %s\n", a, escapeLine(f.service), escapeLine(f.target))
	return err
}

// serve takes connections until ctx ends; those that are open then may go on
// for connectionDrain.
func (f *forwarding) serve(ctx context.Context, c *caller, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	running, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	open := newConnections(f.most)
	defer open.end(cut)
	for {
		near, err := acceptTCP(ctx, l)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return faultf(exitFailure, "start forward again", "cannot take connections on %s any more: %v", l.Addr(), err)
		}
		if !open.start(func() { f.pass(running, c, near) }) {
			f.refuse(near, fmt.Errorf("%d connections are open already; --max-connections allows more", f.most))
		}
	}
}

// pass connects one client.
func (f *forwarding) pass(ctx context.Context, c *caller, near *net.TCPConn) {
	far, err := c.Dial(ctx, f.target, f.service)
	if err != nil {
		f.refuse(near, err)
		return
	}
	if err := splice(ctx, near, far.(*node.Conn)); err != nil {
		f.notef("%s: %s", near.RemoteAddr(), escapeLine(connectionText(err)))
	}
}

// refuse resets a client's connection and says why.
func (f *forwarding) refuse(near *net.TCPConn, why error) {
	_ = near.SetLinger(0)
	_ = near.Close()
	f.notef("%s: %s", near.RemoteAddr(), escapeLine(connectionText(why)))
}
