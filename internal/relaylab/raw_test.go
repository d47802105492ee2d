package relaylab_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest/netlab"
	protocol "github.com/fernmesh/fernmesh/relay"
)

// upgradeRequest is a good one.
const upgradeRequest = "GET " + protocol.Path + " HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: " + protocol.UpgradeProtocol + "\r\n\r\n"

// raw is a client of a relay in pieces, each of which may be wrong.
type raw struct {
	t      *testing.T
	conn   net.Conn
	frames *protocol.FrameReader
	hello  protocol.Hello
}

// dialRaw connects from a host, and says nothing yet.
func dialRaw(t *testing.T, from *netlab.Host, to string) *raw {
	t.Helper()
	var conn net.Conn
	var err error
	from.Enter(func() {
		conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp4", to)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second)) // no test waits longer
	return &raw{t: t, conn: conn}
}

// upgrade asks for the protocol and reads HELLO.
func (k *raw) upgrade() {
	k.t.Helper()
	if _, err := io.WriteString(k.conn, upgradeRequest); err != nil {
		k.t.Fatal(err)
	}
	b := bufio.NewReader(k.conn)
	answer, err := http.ReadResponse(b, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		k.t.Fatalf("upgrade: %v, %v", answer, err)
	}
	k.frames = protocol.NewFrameReader(b, 4096)
	_, body, err := k.frames.Next(protocol.AwaitHello)
	if err == nil {
		k.hello, err = protocol.ParseHello(body)
	}
	if err != nil {
		k.t.Fatal(err)
	}
}

// proof is what a good JOIN signs.
func (k *raw) proof(host string) crypto.RoomProof {
	p := crypto.RoomProof{RelayID: k.hello.Relay, Challenge: k.hello.Challenge, Host: host}
	rand.Read(p.Nonce[:])
	rand.Read(p.Address[:])
	return p
}

// signed is the JOIN of a proof, by the key of a room, for a room.
func signed(p crypto.RoomProof, room *crypto.Room, id [32]byte) protocol.Join {
	return protocol.Join{Room: id, Address: p.Address, Nonce: p.Nonce, Host: p.Host, Signature: room.SignJoin(p)}
}

// enter sends a JOIN and returns how the relay took it.
func (k *raw) enter(j protocol.Join) error {
	if _, err := k.conn.Write(protocol.AppendJoin(nil, j)); err != nil {
		return err
	}
	t, body, err := k.frames.Next(protocol.AwaitJoined)
	switch {
	case err != nil:
		return err
	case t == protocol.FrameJoined:
		return nil
	}
	refused, err := protocol.ParseError(body)
	if err != nil {
		return err
	}
	return refused
}

// refusal is the code by which the relay refused, 0 if it did not.
func refusal(err error) protocol.ErrorCode {
	var refused *protocol.RefusedError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return 0
}

// unheard checks that a member was sent no record up to now.
func (k *raw) unheard() {
	k.t.Helper()
	if _, err := k.conn.Write(protocol.AppendPing(nil, protocol.Echo{})); err != nil {
		k.t.Fatal(err)
	}
	for {
		switch t, _, err := k.frames.Next(protocol.ToClient); {
		case err != nil:
			k.t.Fatalf("a member is no longer served: %v", err)
		case t == protocol.FrameRecv:
			k.t.Error("a record reached a member")
		case t == protocol.FramePong:
			return
		}
	}
}

// ended reads to the end of the connection and returns what came before it.
func (k *raw) ended() (string, error) {
	said, err := io.ReadAll(k.conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return string(said), fmt.Errorf("the connection is still open: %w", err)
	}
	return string(said), nil // a reset is an end too
}
