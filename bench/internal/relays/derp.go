package relays

import (
	"context"
	"crypto/tls"
	"net/http"
	"sync"

	"tailscale.com/derp"
	"tailscale.com/derp/derphttp"
	"tailscale.com/derp/derpserver"
	"tailscale.com/net/netmon"
	"tailscale.com/types/key"
	"tailscale.com/types/logger"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// DERP is named here since the ratios are to it.
const derpName = "DERP"

const keyOf = "key"

func derpKind() kind {
	return kind{
		name: derpName, about: "Tailscale's relay: derpserver and derphttp over TLS 1.3, as derper runs them",
		modules: []string{"tailscale.com"}, most: derp.MaxPacketSize,
		relay: serveDERP, called: derpCalled, caller: derpCaller,
		idle: func(p *contest.Process, _ int) (any, error) { return connectDERP(p) },
	}
}

func serveDERP(p *contest.Process) (contest.Values, error) {
	config, err := p.TLS.Server(false, "http/1.1")
	if err != nil {
		return nil, err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return nil, err
	}
	server := derpserver.New(key.NewNode(), logger.Discard)
	go func() { _ = http.Serve(l, derpserver.Handler(server)) }() // until the process ends
	return contest.Values{addressOf: "https://" + l.Addr().String() + "/derp"}, nil
}

func connectDERP(p *contest.Process) (*derphttp.Client, error) {
	c, err := derphttp.NewClient(key.NewNode(), relayAddress(p), logger.Discard, monitor())
	if err != nil {
		return nil, err
	}
	if c.TLSConfig, err = p.TLS.Client(); err != nil {
		return nil, err
	}
	return c, c.Connect(context.Background())
}

// monitor looks at the interfaces once, for all clients of a process.
var monitor = sync.OnceValue(netmon.NewStatic)

// A derpLine talks to the member with the key peer, or, as long as that is
// zero, to the first one that it hears.
type derpLine struct {
	*derphttp.Client
	peer key.NodePublic
}

func derpCalled(p *contest.Process) (line, contest.Values, error) {
	c, err := connectDERP(p)
	if err != nil {
		return nil, nil, err
	}
	own, err := c.SelfPublicKey().MarshalText()
	return &derpLine{Client: c}, contest.Values{keyOf: string(own)}, err
}

func derpCaller(p *contest.Process) (line, error) {
	c, err := connectDERP(p)
	if err != nil {
		return nil, err
	}
	l := &derpLine{Client: c}
	return l, l.peer.UnmarshalText([]byte(p.Peers["sink"][keyOf]))
}

func (l *derpLine) send(b []byte) error { return l.Send(l.peer, b) }

func (l *derpLine) listen(hear func([]byte) error) error {
	for {
		m, err := l.Recv()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case derp.ReceivedPacket:
			if l.peer.IsZero() {
				l.peer = m.Source
			}
			err = hear(m.Data)
		case derp.PingMessage:
			err = l.SendPong(m)
		}
		if err != nil {
			return err
		}
	}
}
