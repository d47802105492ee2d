package relays

import (
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

func natsKind() kind {
	return kind{
		name: "NATS", about: "nats-server over TLS 1.3, a subject for each direction",
		modules: []string{"github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go"}, most: 1 << 20,
		relay: serveNATS,
		called: func(p *contest.Process) (line, contest.Values, error) {
			l, err := joinNATS(p, "source", "sink")
			return l, nil, err
		},
		caller: func(p *contest.Process) (line, error) { return joinNATS(p, "sink", "source") },
		idle: func(p *contest.Process, i int) (any, error) {
			c, err := connectNATS(p)
			if err != nil {
				return nil, err
			}
			if _, err := c.Subscribe(nats.NewInbox(), func(*nats.Msg) {}); err != nil {
				return nil, err
			}
			return c, c.Flush()
		},
	}
}

func serveNATS(p *contest.Process) (contest.Values, error) {
	config, err := p.TLS.Server(false)
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, TLS: true, TLSConfig: config, TLSTimeout: 10, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return nil, errors.New("the NATS server is not ready after 10 s")
	}
	return contest.Values{addressOf: "tls://" + s.Addr().String()}, nil
}

func connectNATS(p *contest.Process) (*nats.Conn, error) {
	config, err := p.TLS.Client()
	if err != nil {
		return nil, err
	}
	return nats.Connect(relayAddress(p), nats.Secure(config), nats.NoReconnect())
}

type natsLine struct {
	*nats.Conn
	to   string
	hear func([]byte) error

	heard  chan struct{} // closed when hear is set
	failed chan error
	once   sync.Once
}

func joinNATS(p *contest.Process, to, own string) (line, error) {
	c, err := connectNATS(p)
	if err != nil {
		return nil, err
	}
	l := &natsLine{Conn: c, to: to, heard: make(chan struct{}), failed: make(chan error, 1)}
	c.SetClosedHandler(func(c *nats.Conn) { l.fail(errors.Join(nats.ErrConnectionClosed, c.LastError())) })
	if _, err := c.Subscribe(own, l.deliver); err != nil {
		return nil, err
	}
	return l, c.Flush()
}

func (l *natsLine) deliver(m *nats.Msg) {
	<-l.heard
	if err := l.hear(m.Data); err != nil {
		l.fail(err)
	}
}

func (l *natsLine) fail(err error) { l.once.Do(func() { l.failed <- err }) }

func (l *natsLine) send(b []byte) error { return l.Publish(l.to, b) }

func (l *natsLine) listen(hear func([]byte) error) error {
	l.hear = hear
	close(l.heard)
	return <-l.failed
}
