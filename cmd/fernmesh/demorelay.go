package main

import (
	"context"
	"errors"
	"net"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/relayserver"
)

// demoRelayCommand is the relay process of a demo. It is not for use: it keeps
// no identity and serves this machine alone. "fernmesh-relay serve" is.
func (m *Main) demoRelayCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:    demoRelay + " [--listen ADDRESS]",
		Short:  "Run the relay of a demo, until standard input ends",
		Hidden: true,
		Args:   between(0, 0),
	}
	listen := cmd.Flags().String("listen", "127.0.0.1:0", "accept members on `ADDRESS:PORT` of the loopback interface")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := context.WithCancel(cmd.Context())
		defer cancel()
		m.stopAtEOF(cancel)
		return m.serveDemoRelay(ctx, *listen)
	}
	return cmd
}

const demoRelay = "demo-relay"

func (m *Main) serveDemoRelay(ctx context.Context, listen string) error {
	const hint = `this is a part of the demo; "fernmesh-relay serve" runs a relay`
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return faultf(exitFailure, hint, "cannot listen: %v", err)
	}
	defer l.Close()
	at := l.Addr().(*net.TCPAddr)
	if !at.IP.IsLoopback() {
		return faultf(exitUsage, hint, "%s serves the loopback interface alone", demoRelay)
	}
	s, err := relayserver.New(relayserver.Config{Identity: crypto.NewIdentity()})
	if err != nil {
		return faultf(exitFailure, hint, "the relay cannot start: %v", err)
	}
	defer s.Close()
	address := relay.Address{Authority: l.Addr().String(), Pin: s.ID(), Pinned: true}
	if err := m.printJSON(map[string]any{"name": "relay", "address": address.String(), "port": int64(at.Port)}); err != nil {
		return err
	}
	context.AfterFunc(ctx, s.Close)
	if err := s.Serve(l); !errors.Is(err, relayserver.ErrClosed) {
		return faultf(exitFailure, hint, "the relay ended: %v", err)
	}
	return nil
}
