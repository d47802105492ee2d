package rpcs

import (
	"context"
	"fmt"

	"storj.io/drpc"
	"storj.io/drpc/drpcconn"
	"storj.io/drpc/drpcserver"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// drpcOf has a number of connections, for each of them carries one call at a
// time; callers share them evenly.
func drpcOf(connections int) contest.Contestant {
	c := contest.Contestant{
		Name: "drpc", About: "drpc, mutual TLS 1.3, one connection, which carries one call at a time",
		Modules: []string{"storj.io/drpc"},
		Roles: []contest.Role{
			{Name: "server", Run: serveDRPC},
			{Name: "client", Run: func(p *contest.Process) error { return callDRPC(p, connections) }},
		},
	}
	if connections > 1 {
		c.Name = fmt.Sprintf("drpc-x%d", connections)
		c.About = fmt.Sprintf("drpc over %d connections", connections)
	}
	return c
}

// bytesEncoding passes on *[]byte, which spares drpc the work of protobuf.
type bytesEncoding struct{}

func (bytesEncoding) Marshal(m drpc.Message) ([]byte, error) { return *m.(*[]byte), nil }

func (bytesEncoding) MarshalAppend(to []byte, m drpc.Message) ([]byte, error) {
	return append(to, *m.(*[]byte)...), nil
}

// Unmarshal copies, for drpc uses its buffer again.
func (bytesEncoding) Unmarshal(b []byte, m drpc.Message) error {
	*m.(*[]byte) = append([]byte(nil), b...)
	return nil
}

// echoDRPC is a drpc.Handler that knows one call.
type echoDRPC struct{}

func (echoDRPC) HandleRPC(s drpc.Stream, _ string) error {
	var in []byte
	if err := s.MsgRecv(&in, bytesEncoding{}); err != nil {
		return err
	}
	return s.MsgSend(&in, bytesEncoding{})
}

func serveDRPC(p *contest.Process) error {
	l, err := listenTLS(p)
	if err != nil {
		return err
	}
	if err := ready(p, l); err != nil {
		return err
	}
	return drpcserver.New(echoDRPC{}).Serve(context.Background(), l)
}

func callDRPC(p *contest.Process, connections int) error {
	conns := make([]*drpcconn.Conn, min(connections, p.Job.Callers))
	for i := range conns {
		c, err := dialTLS(p)
		if err != nil {
			return err
		}
		conns[i] = drpcconn.New(c)
	}
	payload := payloadOf(p)
	return p.Measure(func(i int) (func() error, error) {
		conn := conns[i%len(conns)]
		return echoes(payload, func(b []byte) ([]byte, error) {
			var back []byte
			err := conn.Invoke(context.Background(), echoMethod, bytesEncoding{}, &b, &back)
			return back, err
		}), nil
	})
}
