package rpcs

import (
	"net/rpc"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// netRPC is the standard library's, over one connection.
func netRPC() contest.Contestant {
	return contest.Contestant{
		Name: "net-rpc", About: "net/rpc with gob, mutual TLS 1.3, one connection",
		Roles: []contest.Role{{Name: "server", Run: serveNetRPC}, {Name: "client", Run: callNetRPC}},
	}
}

// Echo is what net/rpc calls.
type Echo struct{}

// Bytes answers with what came.
func (Echo) Bytes(in, out *[]byte) error {
	*out = *in
	return nil
}

func serveNetRPC(p *contest.Process) error {
	l, err := listenTLS(p)
	if err != nil {
		return err
	}
	s := rpc.NewServer()
	if err := s.Register(Echo{}); err != nil {
		return err
	}
	if err := ready(p, l); err != nil {
		return err
	}
	s.Accept(l)
	return nil
}

func callNetRPC(p *contest.Process) error {
	conn, err := dialTLS(p)
	if err != nil {
		return err
	}
	client, payload := rpc.NewClient(conn), payloadOf(p)
	return p.Measure(func(int) (func() error, error) {
		return echoes(payload, func(b []byte) ([]byte, error) {
			var back []byte
			err := client.Call("Echo.Bytes", &b, &back)
			return back, err
		}), nil
	})
}
