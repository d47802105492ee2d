package relays

import (
	"crypto/tls"
	"net"

	"github.com/pion/logging"
	"github.com/pion/turn/v4"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

const turnUser, turnRealm = "comparison", "comparison"

// turnKind has the source's allocation behind TLS, and the sink behind plain
// UDP, which is how TURN relays: the other side needs no TURN.
func turnKind() kind {
	return kind{
		name: "TURN", about: "pion/turn, the source's allocation over TLS 1.3, the sink reached by plain UDP as TURN does",
		modules: []string{"github.com/pion/turn/v4"}, most: 1200,
		relay: serveTURN, called: turnCalled, caller: turnCaller,
		idle: func(p *contest.Process, _ int) (any, error) { return allocate(p) },
	}
}

func serveTURN(p *contest.Process) (contest.Values, error) {
	config, err := p.TLS.Server(false)
	if err != nil {
		return nil, err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return nil, err
	}
	_, err = turn.NewServer(turn.ServerConfig{
		Realm: turnRealm,
		AuthHandler: func(user, realm string, _ net.Addr) ([]byte, bool) {
			return turn.GenerateAuthKey(user, realm, p.Secret), true
		},
		ListenerConfigs: []turn.ListenerConfig{{
			Listener:              l,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1"},
		}},
		LoggerFactory: silent(),
	})
	return contest.Values{addressOf: l.Addr().String()}, err
}

// allocate returns the source's relayed address as a socket.
func allocate(p *contest.Process) (net.PacketConn, error) {
	config, err := p.TLS.Client()
	if err != nil {
		return nil, err
	}
	conn, err := tls.Dial("tcp", relayAddress(p), config)
	if err != nil {
		return nil, err
	}
	c, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: relayAddress(p), TURNServerAddr: relayAddress(p), Conn: turn.NewSTUNConn(conn),
		Username: turnUser, Password: p.Secret, Realm: turnRealm, LoggerFactory: silent(),
	})
	if err != nil {
		return nil, err
	}
	if err := c.Listen(); err != nil {
		return nil, err
	}
	return c.Allocate()
}

func silent() logging.LoggerFactory {
	f := logging.NewDefaultLoggerFactory()
	f.DefaultLogLevel = logging.LogLevelDisabled
	return f
}

// A datagrams line talks to peer, or, as long as that is nil, to whoever it
// hears first.
type datagrams struct {
	net.PacketConn
	peer net.Addr
}

func turnCalled(*contest.Process) (line, contest.Values, error) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	return &datagrams{PacketConn: c}, contest.Values{addressOf: c.LocalAddr().String()}, nil
}

func turnCaller(p *contest.Process) (line, error) {
	c, err := allocate(p)
	if err != nil {
		return nil, err
	}
	peer, err := net.ResolveUDPAddr("udp", p.Peers["sink"][addressOf])
	return &datagrams{c, peer}, err
}

func (d *datagrams) send(b []byte) error {
	_, err := d.WriteTo(b, d.peer)
	return err
}

func (d *datagrams) listen(hear func([]byte) error) error {
	buffer := make([]byte, 2048)
	for {
		n, from, err := d.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if d.peer == nil {
			d.peer = from
		}
		if err := hear(buffer[:n]); err != nil {
			return err
		}
	}
}
