package node

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/relay"
)

// evilRelay stands before an honest relay and lies about what comes from it.
type evilRelay struct {
	m     *mesh
	host  *meshtest.Host
	to    string
	lie   func(members []relay.Addr, t relay.FrameType, body []byte) []byte
	wg    sync.WaitGroup
	mu    sync.Mutex
	conns []net.Conn
}

// evilBefore makes an evil relay; lie gets each frame for a client, after the
// members that the client knows, and returns what the client gets instead.
func (m *mesh) evilBefore(r *station, lie func([]relay.Addr, relay.FrameType, []byte) []byte) *evilRelay {
	m.t.Helper()
	e := &evilRelay{m: m, host: m.host("evil"), to: r.address(), lie: lie}
	l, err := e.host.Listen(m.t.Context(), netip.MustParseAddrPort("0.0.0.0:3376"))
	if err != nil {
		m.t.Fatal(err)
	}
	e.wg.Go(func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			e.wg.Go(func() { e.carry(conn) })
		}
	})
	m.t.Cleanup(func() {
		_ = l.Close()
		e.mu.Lock()
		for _, c := range e.conns {
			_ = c.Close()
		}
		e.mu.Unlock()
		e.wg.Wait()
	})
	return e
}

func (e *evilRelay) address() string { return e.host.Addr().String() + ":3376" }

func (e *evilRelay) carry(client net.Conn) {
	server, err := e.host.Dial(context.Background(), e.to)
	if err != nil {
		_ = client.Close()
		return
	}
	e.mu.Lock()
	e.conns = append(e.conns, client, server)
	e.mu.Unlock()
	e.wg.Go(func() { _, _ = io.Copy(server, client); _ = server.Close() })
	e.deceive(client, server)
	_ = client.Close()
}

// deceive passes the upgrade and the join on unchanged, then lies.
func (e *evilRelay) deceive(client io.Writer, server io.Reader) {
	in := bufio.NewReader(server)
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = in.ReadString('\n'); err != nil {
			return
		}
		_, _ = io.WriteString(client, line)
	}
	frames := relay.NewFrameReader(in, 4096)
	var members []relay.Addr
	for _, allowed := range []relay.FrameSet{relay.AwaitHello, relay.AwaitJoined} {
		t, body, err := frames.Next(allowed)
		if err != nil {
			return
		}
		_, _ = client.Write(frameOf(t, body))
	}
	for {
		t, body, err := frames.Next(relay.ToClient)
		if err != nil {
			return
		}
		if t == relay.FrameUp {
			members = append(members, relay.Addr(body))
		}
		if body = e.lie(members, t, slices.Clone(body)); body != nil {
			_, _ = client.Write(frameOf(t, body))
		}
	}
}

func frameOf(t relay.FrameType, body []byte) []byte {
	n := len(body)
	return append([]byte{byte(t), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

// another puts another member's address at the beginning of the body; without
// one the frame is kept back.
func another(members []relay.Addr, body []byte) []byte {
	for _, m := range members {
		if m != relay.Addr(body[:16]) {
			copy(body, m[:])
			return body
		}
	}
	return nil
}

func TestR15_ALyingRelayOpensNoSessionOnAWrongPath(t *testing.T) {
	lies := map[string]func([]relay.Addr, relay.FrameType, []byte) []byte{
		"records come from another member": func(m []relay.Addr, t relay.FrameType, body []byte) []byte {
			if t == relay.FrameRecv {
				return another(m, body)
			}
			return body
		},
		"presence belongs to another member": func(m []relay.Addr, t relay.FrameType, body []byte) []byte {
			if t == relay.FrameCasted {
				return another(m, body)
			}
			return body
		},
		"records of another session": func(_ []relay.Addr, t relay.FrameType, body []byte) []byte {
			if t == relay.FrameRecv {
				body[16] ^= 1
			}
			return body
		},
		"records are changed": func(_ []relay.Addr, t relay.FrameType, body []byte) []byte {
			if t == relay.FrameRecv {
				body[len(body)-5] ^= 1
			}
			return body
		},
		"records vanish": func(_ []relay.Addr, t relay.FrameType, body []byte) []byte {
			if t == relay.FrameRecv {
				return nil
			}
			return body
		},
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				honest := m.relay("relay", m.lan)
				evil := m.evilBefore(honest, lie)
				far := func(address string) func(*Config) {
					return func(c *Config) { c.NoLAN, c.Relays = true, []string{address} }
				}
				b, c := m.start("b", far(honest.address())), m.start("c", far(honest.address()))
				a := m.start("a", far(evil.address()))
				ran := ledgerOf(t, b)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				_, err := a.Call(ctx, "b", "note", Args(1))
				failure(t, err)
				if ran(1) != 0 || a.Stats().LinksDialed != 0 {
					t.Errorf("the lie went through: %d runs, %d links", ran(1), a.Stats().LinksDialed)
				}
				if strings.HasPrefix(name, "presence") && a.Stats().PresenceRefused == 0 {
					t.Error("no presence was refused")
				}
				wantOK(t, c, "b")
			})
		})
	}
}
