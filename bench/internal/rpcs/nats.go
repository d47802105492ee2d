package rpcs

import (
	"errors"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

const subject = "echo"

// natsRequest has three processes: what is asked goes through the server.
func natsRequest() contest.Contestant {
	return contest.Contestant{
		Name: "nats", About: "NATS request and reply, mutual TLS 1.3, requester and responder over a server between them",
		Modules: []string{"github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go"},
		Roles: []contest.Role{
			{Name: "broker", Run: serveNATS}, {Name: "server", Run: respondNATS}, {Name: "client", Run: requestNATS},
		},
	}
}

// pendingNATS is room for 64 messages of 1 MiB each way, beyond which NATS
// drops a client.
const pendingNATS = 256 << 20

func serveNATS(p *contest.Process) error {
	config, err := p.TLS.Server(true)
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, TLS: true, TLSVerify: true, TLSConfig: config, TLSTimeout: 10,
		MaxPayload: 2 << 20, MaxPending: pendingNATS, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return errors.New("the NATS server is not ready after 10 s")
	}
	return p.Ready(contest.Values{addressOf: s.Addr().String()})
}

func respondNATS(p *contest.Process) error {
	conn, err := connectNATS(p)
	if err != nil {
		return err
	}
	sub, err := conn.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(m.Data) }) // the requester misses it
	if err != nil {
		return err
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	if err := conn.Flush(); err != nil {
		return err
	}
	return p.Ready(nil)
}

func requestNATS(p *contest.Process) error {
	conn, err := connectNATS(p)
	if err != nil {
		return err
	}
	payload := payloadOf(p)
	return p.Measure(func(int) (func() error, error) {
		return echoes(payload, func(b []byte) ([]byte, error) {
			m, err := conn.Request(subject, b, time.Minute)
			if err != nil {
				return nil, err
			}
			return m.Data, nil
		}), nil
	})
}

func connectNATS(p *contest.Process) (*nats.Conn, error) {
	config, err := p.TLS.Client()
	if err != nil {
		return nil, err
	}
	return nats.Connect("tls://"+p.Peers["broker"][addressOf], nats.Secure(config))
}
