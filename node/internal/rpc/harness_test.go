package rpc

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// memory is one end of an in-memory connection without bounds. While its far
// end is stalled, what is written is held back.
type memory struct {
	in, out *queue
}

type queue struct {
	mu      sync.Mutex
	changed *sync.Cond
	buf     []byte
	stalled bool
	closed  bool
}

func newMemory() (a, b *memory) {
	q, r := &queue{}, &queue{}
	q.changed, r.changed = sync.NewCond(&q.mu), sync.NewCond(&r.mu)
	return &memory{q, r}, &memory{r, q}
}

func (q *queue) set(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f()
	q.changed.Broadcast()
}

func (m *memory) Read(b []byte) (int, error) {
	q := m.in
	q.mu.Lock()
	defer q.mu.Unlock()
	for (len(q.buf) == 0 || q.stalled) && !q.closed {
		q.changed.Wait()
	}
	if len(q.buf) == 0 || q.stalled {
		return 0, io.EOF
	}
	n := copy(b, q.buf)
	q.buf = q.buf[n:]
	return n, nil
}

func (m *memory) Write(b []byte) (int, error) {
	err := net.ErrClosed
	m.out.set(func() {
		if !m.out.closed {
			m.out.buf, err = append(m.out.buf, b...), nil
		}
	})
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

func (m *memory) Close() error {
	m.in.set(func() { m.in.closed = true })
	m.out.set(func() { m.out.closed = true })
	return nil
}

// stall holds back what this end gets, silently.
func (m *memory) stall(on bool) { m.in.set(func() { m.in.stalled = on }) }

func (m *memory) LocalAddr() net.Addr                { return memoryAddr{} }
func (m *memory) RemoteAddr() net.Addr               { return memoryAddr{} }
func (m *memory) SetDeadline(time.Time) error        { return nil }
func (m *memory) SetReadDeadline(time.Time) error    { return nil }
func (m *memory) SetWriteDeadline(t time.Time) error { return nil }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "memory" }

// party is one node of a test: a server, and the ends of its links.
type party struct {
	name     string
	instance crypto.InstanceID
	identity *crypto.Identity
	tree     *commands.Tree
	server   *Server
	schedule *crypto.Schedule
	bulk     bool // asks for the bulk cipher
	counters link.Counters
}

var testSchedule = sync.OnceValue(func() *crypto.Schedule {
	return crypto.Derive(crypto.GenerateKey(), "test")
})

func newParty(t testing.TB, name string, cfg ServerConfig) *party {
	p := &party{
		name: name, instance: crypto.NewInstanceID(), tree: commands.NewTree(),
		schedule: testSchedule(),
	}
	cfg.Tree, cfg.Network = p.tree, "test"
	p.server = NewServer(cfg)
	p.handle(t, "echo", func(_ context.Context, c *commands.Call) (any, error) {
		return commands.Raw(c.RawArgs), nil
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := p.server.Close(ctx); err != nil {
			t.Errorf("server of %s: %v", name, err)
		}
	})
	return p
}

func (p *party) handle(t testing.TB, path string, h commands.Handler) {
	t.Helper()
	if err := p.tree.Handle(path, h); err != nil {
		t.Fatal(err)
	}
}

func (p *party) config() link.Config {
	return link.Config{
		Keys: []*crypto.Schedule{p.schedule}, Name: p.name, Instance: p.instance,
		Identity: p.identity, Replay: crypto.NewReplaySet(16), Counters: &p.counters, BulkCipher: p.bulk,
	}
}

// joined is a secure link between two parties, raw at both ends.
func joined(t testing.TB, a, b *party, ca, cb net.Conn) (la, lb *link.Link) {
	t.Helper()
	accepted := make(chan error, 1)
	go func() {
		var err error
		lb, err = link.Accept(context.Background(), link.Stream(cb), b.config())
		accepted <- err
	}()
	la, err := link.Dial(context.Background(), link.Stream(ca), a.config(), b.name)
	if err := errors.Join(err, <-accepted); err != nil {
		t.Fatal(err)
	}
	return la, lb
}

// ends are the two Conns of a link, and the connection beneath them.
type ends struct {
	a, b       *Conn
	netA, netB net.Conn
}

// connect makes Conns that run until the test ends.
func connect(t testing.TB, a, b *party, cfg Config) ends {
	t.Helper()
	ma, mb := newMemory()
	return connectOver(t, a, b, cfg, ma, mb)
}

func connectOver(t testing.TB, a, b *party, cfg Config, ca, cb net.Conn) ends {
	t.Helper()
	la, lb := joined(t, a, b, ca, cb)
	return ends{start(t, New(la, a.server, cfg)), start(t, New(lb, b.server, cfg)), ca, cb}
}

// start runs a Conn until the test ends.
func start(t testing.TB, c *Conn) *Conn {
	go func() { _ = c.Run() }() // its error is Conn.Err
	t.Cleanup(func() { c.Close(nil) })
	return c
}

// connectTCP is connect over loopback TCP.
func connectTCP(t testing.TB, a, b *party, cfg Config) ends {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ca, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cb, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return connectOver(t, a, b, cfg, ca, cb)
}

var callCounter atomic.Uint64

// request is a call under an id of its own.
func request(path string, args ...any) Request {
	raw, err := commands.EncodeArgs(args)
	if err != nil {
		panic(err)
	}
	return Request{ID: wire.CallID{Caller: [8]byte{1}, Counter: callCounter.Add(1)}, Path: path, Args: raw}
}

// mustCall calls and fails the test on an error.
func mustCall(t testing.TB, c *Conn, req Request) []byte {
	t.Helper()
	value, err := c.Call(context.Background(), req)
	if err != nil {
		t.Fatalf("%s: %v", req.Path, err)
	}
	return value
}

// wantFail checks a callee's error.
func wantFail(t testing.TB, err error, code commands.Code, executed commands.Executed) *commands.Error {
	t.Helper()
	var e *commands.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v (%T), want %v", err, err, code)
	}
	if e.Code != code || e.Executed != executed {
		t.Fatalf("got %v, executed %v; want %v, executed %v", e, e.Executed, code, executed)
	}
	return e
}

// wantBroken checks the error of a call whose link ended.
func wantBroken(t testing.TB, err error, sent bool) {
	t.Helper()
	var e *BrokenError
	if !errors.As(err, &e) {
		t.Fatalf("got %v (%T), want a broken link", err, err)
	}
	if e.Sent != sent {
		t.Fatalf("%v: sent %v, want %v", e, e.Sent, sent)
	}
}
