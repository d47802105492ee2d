package rpcs

import (
	"crypto/tls"
	"io"
	"net"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

const loopback = "127.0.0.1:0"

// addressOf is the key under which a server tells where it listens.
const addressOf = "address"

// tlsEcho is the floor: what one TLS connection costs without any protocol.
func tlsEcho() contest.Contestant {
	return contest.Contestant{
		Name:  "tls-echo",
		About: "bare mutual TLS 1.3, one caller only: the floor under everything else",
		Skip:  func(j contest.Job) bool { return j.Callers > 1 },
		Roles: []contest.Role{{Name: "server", Run: serveEcho}, {Name: "client", Run: callEcho}},
	}
}

func serveEcho(p *contest.Process) error {
	l, err := listenTLS(p)
	if err != nil {
		return err
	}
	if err := ready(p, l); err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go echo(conn, make([]byte, p.Job.Payload))
	}
}

func echo(conn net.Conn, buffer []byte) {
	defer conn.Close()
	for {
		if _, err := io.ReadFull(conn, buffer); err != nil {
			return
		}
		if _, err := conn.Write(buffer); err != nil {
			return
		}
	}
}

func callEcho(p *contest.Process) error {
	payload := payloadOf(p)
	return p.Measure(func(int) (func() error, error) {
		conn, err := dialTLS(p)
		if err != nil {
			return nil, err
		}
		back := make([]byte, len(payload))
		return echoes(payload, func(b []byte) ([]byte, error) {
			if _, err := conn.Write(b); err != nil {
				return nil, err
			}
			_, err := io.ReadFull(conn, back)
			return back, err
		}), nil
	})
}

func listenTLS(p *contest.Process) (net.Listener, error) {
	config, err := p.TLS.Server(true)
	if err != nil {
		return nil, err
	}
	return tls.Listen("tcp", loopback, config)
}

func dialTLS(p *contest.Process) (*tls.Conn, error) {
	config, err := p.TLS.Client()
	if err != nil {
		return nil, err
	}
	return tls.Dial("tcp", p.Peers["server"][addressOf], config)
}

func ready(p *contest.Process, l net.Listener) error {
	return p.Ready(contest.Values{addressOf: l.Addr().String()})
}
