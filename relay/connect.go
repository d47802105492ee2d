package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/fernmesh/fernmesh/relay/internal/outlet"
)

// Connect dials a relay and joins the room: TCP, TLS if the address says so, the
// upgrade, and the proofs of both sides. The client must then be given to
// Client.Run, and closed. ctx bounds Connect only.
//
// Errors are those of the network and of TLS, those listed in this package,
// *UpgradeError and *RefusedError. After an error nothing is left open.
func Connect(ctx context.Context, cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Timers.Connect, ErrConnectTimeout)
	defer cancel()
	conn, err := cfg.Net.Dial(ctx, cfg.Address.Authority)
	if err != nil {
		return nil, fmt.Errorf("relay: %w", orCause(ctx, err))
	}
	// Closing is what ends any read or write below, whatever it waits for.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	c, err := attach(ctx, conn, cfg)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, orCause(ctx, err)
	}
	c.start()
	return c, nil
}

// orCause prefers why ctx ended to the error that this has caused.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// attach makes a client of a connection, not yet started.
func attach(ctx context.Context, raw net.Conn, cfg Config) (*Client, error) {
	conn, secured := raw, (*tls.Conn)(nil)
	if cfg.Address.TLS {
		secured = tls.Client(outlet.New(raw), cfg.tlsConfig())
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, tlsError(err)
		}
		conn = secured
	}
	if _, err := conn.Write(appendUpgrade(nil, cfg.Address)); err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	rest, err := readUpgrade(conn)
	if err != nil {
		return nil, err
	}
	j := &joining{cfg: cfg, conn: conn, tls: secured}
	j.frames = NewFrameReader(&tail{rest, conn}, readBuffer)
	if err := j.join(); err != nil {
		return nil, err
	}
	return newClient(raw, j), nil
}

// tlsError adds advice to the errors of a handshake that need it.
func tlsError(err error) error {
	var header tls.RecordHeaderError
	if errors.As(err, &header) {
		return fmt.Errorf("%w: %w", ErrNotTLS, err)
	}
	return fmt.Errorf("relay: TLS: %w", err)
}

// tail reads what was read ahead, and then the connection.
type tail struct {
	rest []byte
	io.Reader
}

// Read implements io.Reader.
func (t *tail) Read(b []byte) (int, error) {
	if len(t.rest) == 0 {
		return t.Reader.Read(b)
	}
	n := copy(b, t.rest)
	if t.rest = t.rest[n:]; len(t.rest) == 0 {
		t.rest = nil // it is part of a larger buffer
	}
	return n, nil
}
