package relay_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/sockets"
)

// station is a relay's side of the protocol, in pieces that a test puts together
// as it likes: a good relay or an evil one.
type station struct {
	t         testing.TB
	identity  *crypto.Identity
	schedule  *crypto.Schedule // of the members; a real relay has none
	host      sockets.Net      // where the clients are
	authority string           // what they dial
	listener  net.Listener
	tls       *tls.Config // nil is plain
	hello     relay.Hello
	took      time.Duration // of the Connect in exchange
}

// newStation returns a station that listens as "relay:3376".
func newStation(t testing.TB) *station {
	w := meshtest.NewWorld(1)
	t.Cleanup(w.Close)
	lan := w.LAN("internet", "10.0.0.0/8")
	s, err := makeStation(w.Host("relay", lan), w.Host("client", lan), "[::]:3376")
	if err != nil {
		t.Fatal(err)
	}
	s.t = t
	t.Cleanup(func() { _ = s.listener.Close() })
	return s
}

// makeStation returns a station on a network, for clients on another.
func makeStation(own, clients sockets.Net, listen string) (*station, error) {
	s := &station{
		identity: crypto.NewIdentity(), host: clients, authority: "relay:3376",
		schedule: crypto.Derive(crypto.GenerateKey(), "test"),
	}
	var err error
	s.listener, err = own.Listen(context.Background(), netip.MustParseAddrPort(listen))
	s.hello = relay.Hello{Relay: s.id(), MaxFrame: relay.MaxFrame, Ping: 25 * time.Second}
	return s, err
}

func (s *station) id() relay.ID { return relay.ID(s.identity.Public()) }

// config is that of a client of this station.
func (s *station) config(h relay.Handler) relay.Config {
	return relay.Config{
		Address: relay.Address{Authority: s.authority}, Net: s.host, Handler: h,
		Room: func(id relay.ID) *crypto.Room { return s.schedule.Room(id) },
	}
}

// seat is one connection at a station.
type seat struct {
	t        testing.TB
	conn     net.Conn
	frames   *relay.FrameReader
	exporter [32]byte
	self     relay.Addr // the client's address
	room     [32]byte
	wmu      sync.Mutex
}

// accept takes a connection up to the upgrade, without an answer to it.
func (s *station) accept() (*seat, error) {
	conn, err := s.listener.Accept()
	if err != nil {
		return nil, err
	}
	k := &seat{t: s.t, conn: conn}
	if s.tls != nil {
		t := tls.Server(conn, s.tls)
		if err := t.Handshake(); err != nil {
			_ = conn.Close()
			return nil, err
		}
		if k.exporter, err = relay.Exporter(t.ConnectionState()); err != nil {
			return nil, err
		}
		k.conn = t
	}
	buffered := bufio.NewReader(k.conn)
	request, err := http.ReadRequest(buffered)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	if request.URL.Path != relay.Path || request.Header.Get("Upgrade") != relay.UpgradeProtocol || request.Header.Get("Connection") != "Upgrade" {
		s.t.Errorf("upgrade request %+v", request)
	}
	k.frames = relay.NewFrameReader(buffered, 4096)
	return k, nil
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: fernmesh-relay/1\r\n\r\n"

// welcome takes a client up to JOINED, as a good relay does.
func (s *station) welcome() (*seat, error) {
	k, err := s.accept()
	if err != nil {
		return nil, err
	}
	proof, join, err := s.greet(k)
	if err != nil {
		return k, err
	}
	if !proof.VerifyJoin(join.Room, join.Signature) {
		return k, errors.New("the proof of JOIN is wrong")
	}
	k.self, k.room = join.Address, join.Room
	return k, k.send(relay.AppendJoined(nil, proof.SignJoined(s.identity, join.Room)))
}

// greet sends 101 and HELLO and reads JOIN. The proof is what the relay takes
// for true.
func (s *station) greet(k *seat) (p crypto.RoomProof, j relay.Join, err error) {
	h := s.hello
	rand.Read(h.Challenge[:])
	if err := k.send(relay.AppendHello([]byte(switching), h)); err != nil {
		return p, j, err
	}
	_, body, err := k.frames.Next(relay.AwaitJoin)
	if err != nil {
		return p, j, err
	}
	if j, err = relay.ParseJoin(body); err != nil {
		return p, j, err
	}
	p = crypto.RoomProof{
		RelayID: s.identity.Public(), Challenge: h.Challenge,
		Nonce: j.Nonce, Address: j.Address, Host: j.Host, Exporter: k.exporter,
	}
	if h.Proxied {
		p.Exporter = [32]byte{}
	}
	return p, j, nil
}

// send writes frames.
func (k *seat) send(b []byte) error {
	k.wmu.Lock()
	defer k.wmu.Unlock()
	_, err := k.conn.Write(b)
	return err
}

// must is send for tests that expect the client to be there.
func (k *seat) must(b []byte) {
	k.t.Helper()
	if err := k.send(b); err != nil {
		k.t.Fatal(err)
	}
}

// next reads the client's next frame and fails the test if it is of another type.
// PINGs are answered on the way, unless wanted.
func (k *seat) next(want relay.FrameType) []byte {
	k.t.Helper()
	for {
		got, body, err := k.frames.Next(relay.ToRelay)
		if err != nil {
			k.t.Fatalf("wanted %v: %v", want, err)
		}
		if got == want {
			return body
		}
		if got != relay.FramePing {
			k.t.Fatalf("got %v %x, want %v", got, body, want)
		}
		k.must(relay.AppendPong(nil, relay.Echo(body)))
	}
}

// sync returns when the client has handled all that was sent.
func (k *seat) sync() {
	k.t.Helper()
	var e relay.Echo
	rand.Read(e[:])
	k.must(relay.AppendPing(nil, e))
	if got := k.next(relay.FramePong); relay.Echo(got) != e {
		k.t.Fatalf("PONG %x, want %x", got, e)
	}
}

// events is a Handler that passes on what it is told.
type events struct {
	up, down chan relay.Addr
	casted   chan string
	accepted chan *relay.Channel
	draining chan time.Duration
}

func newEvents() *events {
	return &events{
		up: make(chan relay.Addr, 10000), down: make(chan relay.Addr, 10000), casted: make(chan string, 10000),
		accepted: make(chan *relay.Channel, 10000), draining: make(chan time.Duration, 10000),
	}
}

func (e *events) Up(a relay.Addr)   { e.up <- a }
func (e *events) Down(a relay.Addr) { e.down <- a }
func (e *events) Casted(from relay.Addr, token []byte) {
	e.casted <- from.String() + " " + string(token)
}
func (e *events) Accept(ch *relay.Channel)     { e.accepted <- ch }
func (e *events) Draining(after time.Duration) { e.draining <- after }

// joined returns a client in Run and its seat at a station.
func joined(t testing.TB, s *station, cfg relay.Config) (*relay.Client, *seat, <-chan error) {
	t.Helper()
	type result struct {
		k   *seat
		err error
	}
	seated := make(chan result, 1)
	go func() {
		k, err := s.welcome()
		seated <- result{k, err}
	}()
	c, err := relay.Connect(context.Background(), cfg)
	r := <-seated
	if err != nil || r.err != nil {
		t.Fatalf("client: %v, relay: %v", err, r.err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run() }()
	t.Cleanup(func() {
		c.Close(nil)
		_ = r.k.conn.Close()
	})
	return c, r.k, ended
}

// exchange runs Connect against a script of the station and returns its error.
func exchange(t testing.TB, s *station, cfg relay.Config, script func(*seat)) error {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		k, err := s.accept()
		if err != nil {
			return // the client did not come that far
		}
		defer k.conn.Close()
		script(k)
	})
	start := time.Now()
	c, err := relay.Connect(context.Background(), cfg)
	s.took = time.Since(start)
	if err == nil {
		c.Close(nil)
	}
	_ = s.listener.Close()
	wg.Wait()
	return err
}

// until reads and drops what comes until the connection ends.
func (k *seat) until() {
	_, _ = io.Copy(io.Discard, k.conn)
}

// msg1 is a record that has the length of a handshake message.
func msg1(fill byte) []byte {
	b := make([]byte, 112)
	for i := range b {
		b[i] = fill
	}
	return b
}

// addr and session make ids of a number.
func addr(n uint32) (a relay.Addr) {
	binary.BigEndian.PutUint32(a[:], n)
	return a
}

func session(n uint32) (s relay.SessionID) {
	binary.BigEndian.PutUint32(s[:], n)
	return s
}

// closing is a Handler that closes its client, or panics without one.
type closing struct {
	*events
	c atomic.Pointer[relay.Client]
}

func (h *closing) Up(relay.Addr) { h.c.Load().Close(nil) }
