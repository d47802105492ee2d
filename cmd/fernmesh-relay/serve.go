package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay/relayserver"
)

// drainTime is how long nodes have to move to another relay after a signal.
const drainTime = 10 * time.Second

const serveLong = `Serve runs a relay until it is interrupted. When it is ready, it prints one
line: the address to give to nodes, with the relay's id behind "#". The id is
that of a key that is made at the first start and kept in the state directory;
it stays the same as long as that is kept.

A relay without TLS is safe to use: nodes encrypt all that they say, and prove
to each other who they are. TLS helps where proxies or firewalls ask for it.

Terminated by SIGTERM or an interrupt, the relay asks its nodes to move to
another one and waits until they have, for 10 seconds at most.`

func (p *program) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Run a relay",
		Long:  serveLong,
		Args:  noArguments,
	}
	flags, config := addFlags(cmd)
	untilEOF := cmd.Flags().Bool("until-eof", false, "stop also when standard input ends, so that no relay outlives the program that started it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := p.settings(flags, *config)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(cmd.Context())
		defer cancel()
		if *untilEOF {
			p.stopAtEOF(cancel)
		}
		p.collectEarly()
		return p.serve(ctx, &s)
	}
	return cmd
}

// stopAtEOF calls stop when standard input ends. Its goroutine cannot be ended
// before that: it lives until the process exits, right after serve returns.
func (p *program) stopAtEOF(stop func()) {
	go func() {
		_, _ = io.Copy(io.Discard, p.stdin) // an error is an end too
		stop()
	}()
}

// identityFile is where the relay's key is, in the state directory.
const identityFile = "relay-identity.key"

func (p *program) serve(ctx context.Context, s *settings) error {
	logger := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	identity, err := crypto.LoadOrCreateIdentity(filepath.Join(s.stateDir, identityFile))
	if err != nil {
		return faultf(exitConfig, "see that this user may write to the state directory, or choose another with --state-dir", "the relay's identity: %v", err)
	}
	server, err := relayserver.New(relayserver.Config{
		Identity: identity, PublicHosts: s.publicHosts, BehindProxy: s.behindProxy, Logger: logger,
	})
	if err != nil {
		return faultf(exitConfig, `see "fernmesh-relay help serve"`, "%v", err)
	}
	var cert *certificate
	if s.tlsCert != "" {
		if cert, err = loadCertificate(s.tlsCert, s.tlsKey, logger); err != nil {
			return faultf(exitConfig, "--tls-cert and --tls-key take a certificate and its key in PEM files that this user may read", "the certificate: %v", err)
		}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.listen)
	if err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before it was ready
		}
		return faultf(exitFailure, "see whether another program holds the port, or choose another with --listen", "cannot listen: %v", err)
	}
	return p.runServer(ctx, s, server, listener, cert)
}

// runServer serves from the ready line to the end. It closes the listener.
func (p *program) runServer(ctx context.Context, s *settings, server *relayserver.Server, listener net.Listener, cert *certificate) error {
	defer listener.Close()
	a, err := s.address(listener.Addr().(*net.TCPAddr).AddrPort(), cert, server.ID())
	if err != nil {
		return faultf(exitConfig, "give the name that nodes dial with --public-host", "this relay has no address to give to nodes: %v", err)
	}
	serve := server.Serve
	if cert != nil {
		serve = func(l net.Listener) error { return server.ServeTLS(l, cert.config()) }
	}
	var o *ops
	if s.opsListen != "" {
		if o, err = startOps(ctx, s.opsListen, server); err != nil {
			return faultf(exitFailure, "choose another address with --ops-listen, or \"off\"", "cannot listen for /healthz: %v", err)
		}
	}
	defer o.close()
	served := make(chan error, 1)
	go func() { served <- serve(listener) }()
	_, _ = fmt.Fprintln(p.stdout, a) // nobody may be reading: a relay goes on serving
	select {
	case <-ctx.Done():
	case err = <-served:
		served <- err
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	server.Drain(end)
	if err := <-served; !errors.Is(err, relayserver.ErrClosed) {
		return faultf(exitFailure, "start it again", "the listener failed: %v", err)
	}
	return nil
}
