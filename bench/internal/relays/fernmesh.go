package relays

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
)

const fernmeshModule = "github.com/fernmesh/fernmesh"

// Options of a job that tell where the fernmesh-relay program is and where it
// may keep files.
const (
	programOption = "fernmesh-relay"
	dirOption     = "directory"
)

// fernmesh returns the program fernmesh-relay with package relay's sessions on
// both sides, which carry bytes as other relays do: no call, no seal.
func fernmesh() []kind {
	k := kind{
		name: ownName, about: "the program fernmesh-relay, TLS 1.3, sessions of package relay",
		modules: []string{fernmeshModule}, most: 64 << 10,
		relay:  func(p *contest.Process) (contest.Values, error) { return startRelay(p, true) },
		called: fernmeshCalled, caller: fernmeshCaller, idle: fernmeshIdle,
	}
	plain := k
	plain.name, plain.about, plain.crowdOnly = plainName, "the same without TLS, which it does not need", true
	plain.relay = func(p *contest.Process) (contest.Values, error) { return startRelay(p, false) }
	return []kind{k, plain}
}

// startRelay starts the program, which ends with this process, since that
// holds its input.
func startRelay(p *contest.Process, secure bool) (contest.Values, error) {
	dir, err := os.MkdirTemp(p.Job.Options[dirOption], "relay")
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--listen", "127.0.0.1:0", "--public-host", "127.0.0.1", "--state-dir", dir, "--ops-listen", "off", "--until-eof"}
	if secure {
		cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		if err := errors.Join(os.WriteFile(cert, p.TLS.ServerCert, 0o600), os.WriteFile(key, p.TLS.ServerKey, 0o600)); err != nil {
			return nil, err
		}
		args = append(args, "--tls-cert", cert, "--tls-key", key)
	}
	c := exec.Command(p.Job.Options[programOption], args...)
	c.Stderr = os.Stderr
	if _, err = c.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("fernmesh-relay said no address: %w", err)
	}
	return contest.Values{addressOf: strings.TrimSpace(address), pidOf: strconv.Itoa(c.Process.Pid)}, nil
}

// A room is what a member is told by the relay.
type room struct {
	up       chan relay.Addr
	sessions chan *relay.Channel
}

func newRoom() room { return room{make(chan relay.Addr, 16), make(chan *relay.Channel, 1)} }

// Up implements relay.Handler, as the others do.
func (r room) Up(a relay.Addr)           { offer(r.up, a) }
func (r room) Accept(c *relay.Channel)   { offer(r.sessions, c) }
func (r room) Down(relay.Addr)           {}
func (r room) Casted(relay.Addr, []byte) {}
func (r room) Draining(time.Duration)    {}

func joinRoom(p *contest.Process, network string, r room) (*relay.Client, error) {
	address, err := relay.ParseAddress(relayAddress(p))
	if err != nil {
		return nil, err
	}
	key, err := crypto.ParseKey(p.Secret)
	if err != nil {
		return nil, err
	}
	tls, err := p.TLS.Client()
	if err != nil {
		return nil, err
	}
	schedule := crypto.Derive(key, network)
	c, err := relay.Connect(context.Background(), relay.Config{
		Address: address, TLSConfig: tls, Handler: r,
		Room:   func(id relay.ID) *crypto.Room { return schedule.Room(id) },
		Limits: limits(p.Job),
	})
	if err == nil {
		go func() { _ = c.Run() }() // the session tells why it ended
	}
	return c, err
}

// limits lets the sink of a flood keep all of it. Sessions have no flow
// control of their own, that of a node is above them, and end when the reader is
// behind by more than they may keep; here it is the relay that is looked at.
func limits(j contest.Job) relay.Limits {
	if j.Name == floodJob {
		return relay.Limits{ChannelQueue: floodQueue, Queue: floodQueue}
	}
	return relay.Limits{}
}

const floodQueue = 1 << 30

// A session is a line over a relay.Channel, once there is one.
type session struct {
	*relay.Channel
	room room
}

func fernmeshCalled(p *contest.Process) (line, contest.Values, error) {
	r := newRoom()
	_, err := joinRoom(p, "comparison", r)
	return &session{room: r}, nil, err
}

func fernmeshCaller(p *contest.Process) (line, error) {
	r := newRoom()
	c, err := joinRoom(p, "comparison", r)
	if err != nil {
		return nil, err
	}
	var sink relay.Addr
	select {
	case sink = <-r.up:
	case <-time.After(5 * time.Second):
		return nil, errors.New("the relay does not tell of the sink")
	}
	ch, err := c.Open(sink)
	if err != nil {
		return nil, err
	}
	return &session{Channel: ch}, ch.WriteRecord(make([]byte, beginning))
}

// beginning is the length of the record that begins a session.
const beginning = 112

func fernmeshIdle(p *contest.Process, i int) (any, error) {
	return joinRoom(p, fmt.Sprint("home ", i/roomMembers), newRoom())
}

// roomMembers is how many of a crowd share a network.
const roomMembers = 10

func (s *session) send(b []byte) error { return s.WriteRecord(b) }

func (s *session) listen(hear func([]byte) error) error {
	if s.Channel == nil {
		s.Channel = <-s.room.sessions
		if _, err := s.ReadRecord(beginning); err != nil {
			return err
		}
	}
	for {
		b, err := s.ReadRecord(relay.MaxFrame)
		if err == nil {
			err = hear(b)
		}
		if err != nil {
			return err
		}
	}
}
