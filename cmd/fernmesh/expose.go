package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

const exposeLong = `Expose runs a node that offers TCP services of this machine, or of one that it
reaches, to the nodes of the network. Each connection to a service becomes a TCP
connection to its HOST:PORT. "fernmesh forward" leads a port of another machine to
it. Only holders of the network's key get there.

When the node is ready, expose prints one line. It runs until it is interrupted.

    fernmesh expose http 127.0.0.1:8080
    fernmesh expose --name cellar http 127.0.0.1:8080 postgres db.local:5432`

func (m *Main) exposeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "expose [flags] SERVICE HOST:PORT [SERVICE HOST:PORT…]",
		Short: "Offer TCP services of this machine to the network",
		Long:  exposeLong,
		Args:  between(2, -1),
	}
	flags := addFlags(cmd, serveOptions)
	e := exposure{Main: m}
	e.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if e.services, err = parseExposed(args); err != nil {
			return err
		}
		s, err := m.settings(flags)
		if err != nil {
			return err
		}
		return e.bounded(cmd.Context(), m, func(ctx context.Context) error { return e.run(ctx, &s, flags) })
	}
	return cmd
}

// exposed is a service and the TCP address behind it.
type exposed struct {
	name, address string
	listener      net.Listener
}

// parseExposed reads SERVICE HOST:PORT, once or more.
func parseExposed(args []string) ([]*exposed, error) {
	const hint = "write pairs, such as: http 127.0.0.1:8080"
	if len(args)%2 != 0 {
		return nil, faultf(exitUsage, hint, "the service %q has no address", shorten(args[len(args)-1]))
	}
	var all []*exposed
	for i := 0; i < len(args); i += 2 {
		host, port, err := net.SplitHostPort(args[i+1])
		if err != nil || host == "" {
			return nil, faultf(exitUsage, hint, "%q is not HOST:PORT", shorten(args[i+1]))
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, faultf(exitUsage, "use a port from 1 to 65535", "%q has no usable port", shorten(args[i+1]))
		}
		all = append(all, &exposed{name: args[i], address: args[i+1]})
	}
	return all, nil
}

// exposure is one run of the expose subcommand.
type exposure struct {
	*Main
	portFlags
	services []*exposed
	open     *connections
}

func (e *exposure) run(ctx context.Context, s *settings, flags []*recorder) error {
	if s.name == "" {
		s.name = machineName()
	}
	n, err := s.newNode(node.Config{
		Name: s.name, Listen: s.listen, PolicyFile: s.policy, Limits: node.Limits{HandlersPerPeer: e.most + defaultConnections}, // so that calls find a place too
		Logger: slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	for _, x := range e.services {
		if x.listener, err = n.Listen(x.name); err != nil {
			return exposeFault(err)
		}
	}
	if err := n.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before it was ready
		}
		return s.startFault(err)
	}
	unattend := e.attend(n, s)
	e.printReady(n, s, flags)
	e.serve(ctx)
	unattend()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectionDrain)
	defer cancel()
	if err := n.Shutdown(end); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return faultf(exitFailure, "the node has ended all the same", "shutting down: %v", err)
	}
	return nil
}

// exposeFault explains why a service cannot be offered.
func exposeFault(err error) error {
	var e *commands.Error
	if errors.As(err, &e) {
		return faultf(exitUsage, "a service has a name of its own, without dots, such as http", "%s", e.Message)
	}
	return faultf(exitFailure, "choose another name", "%v", err)
}

// printReady prints the one line that says that the services are offered. Nobody
// may be reading.
func (e *exposure) printReady(n *node.Node, s *settings, flags []*recorder) {
	first := e.services[0]
	line := commandLine(n, s, flags, "forward", "0", shellWord(n.Name()+":"+first.name))
	list, text := map[string]any{}, ""
	for _, x := range e.services {
		list[x.name] = x.address
		text += ", " + escapeLine(x.name) + " of " + escapeLine(x.address)
	}
	if s.json {
		_ = e.printJSON(readyJSON(n, map[string]any{"services": list, "forward": line}))
		return
	}
	_, _ = fmt.Fprintf(e.out, "%s offers %s on network %s %s; reach it: %s\n",
		escapeLine(n.Name()), text[2:], escapeLine(n.Network()), whereabouts(n), escapeLine(line))
}

// serve connects callers until ctx ends; connections that are open then may go
// on for connectionDrain.
func (e *exposure) serve(ctx context.Context) {
	running, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	e.open = newConnections(e.most)
	defer e.open.end(cut)
	accepting := newConnections(len(e.services))
	for _, x := range e.services {
		accepting.start(func() { e.accept(running, x) })
	}
	<-ctx.Done()
	for _, x := range e.services {
		_ = x.listener.Close()
	}
	accepting.wg.Wait()
}

// accept takes the connections of one service until its listener is closed.
func (e *exposure) accept(ctx context.Context, x *exposed) {
	for {
		conn, err := x.listener.Accept()
		if err != nil {
			return
		}
		far := conn.(*node.Conn)
		if !e.open.start(func() { e.connect(ctx, x, far) }) {
			e.refuse(x, far, commands.Errorf(commands.ResourceExhausted, "%d connections are open already; --max-connections allows more", e.most))
		}
	}
}

// connectTime bounds the TCP connection to a service.
const connectTime = 10 * time.Second

// connect leads one caller to its service.
func (e *exposure) connect(ctx context.Context, x *exposed, far *node.Conn) {
	dialer := net.Dialer{Timeout: connectTime}
	near, err := dialer.DialContext(ctx, "tcp", x.address)
	if err != nil {
		e.refuse(x, far, commands.Errorf(commands.Unavailable, "the service %s cannot be reached: %s", x.name, connectionText(err)))
		return
	}
	if err := splice(ctx, near.(*net.TCPConn), far); err != nil {
		e.notef("%s for %s: %s", escapeLine(x.name), escapeLine(far.RemoteAddr().String()), escapeLine(connectionText(err)))
	}
}

// refuse tells a caller, and the owner of this node, why it gets no connection.
func (e *exposure) refuse(x *exposed, far *node.Conn, why *commands.Error) {
	_ = far.Abort(why.DidNotRun()) // fails only if the caller has gone
	e.notef("%s for %s: %s", escapeLine(x.name), escapeLine(far.RemoteAddr().String()), escapeLine(why.Message))
}
