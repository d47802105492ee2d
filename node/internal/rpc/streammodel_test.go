package rpc

import (
	"context"
	"errors"
	"io"
	"math/rand/v2" // seeded: a failing schedule can be run again
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// TestRandomStreamsAreReadAsTheyWereWritten drives streams with writers,
// readers and ends at random times on both sides, cancels, cut, silent and
// parted links, in virtual time. What is read is always a prefix of what was
// written, io.EOF comes only after all of it, every stream ends once, and
// nothing is held at the end.
func TestRandomStreamsAreReadAsTheyWereWritten(t *testing.T) {
	schedules := uint64(100)
	switch {
	case *long:
		schedules = 50_000
	case testing.Short():
		schedules = 60
	}
	first := uint64(1)
	if *seed != 0 {
		first, schedules = *seed, 1
	}
	for s := first; s < first+schedules; s++ {
		synctest.Test(t, func(t *testing.T) { newStreaming(t, s).run() })
		if t.Failed() {
			t.Fatalf("in schedule -fernmesh.seed=%d", s)
		}
	}
}

// streaming is one run of the model of streams.
type streaming struct {
	t     *testing.T
	rng   *rand.Rand
	a, b  *party
	links []ends

	mu    sync.Mutex
	sides map[[2]int]*side // by number of the stream, and 0 for the caller or 1 for the handler
	wait  sync.WaitGroup
}

// side is what one side of a stream plans, and what came of it.
type side struct {
	seed  uint64
	total int           // bytes to write
	close bool          // then end the direction
	leave time.Duration // cancel, or return, then; 0: after all else
	fail  bool          // return an error

	wrote  int
	closed bool // the direction was ended, or the handler returned a value
	read   int
	eof    bool
}

func newStreaming(t *testing.T, seed uint64) *streaming {
	s := &streaming{t: t, rng: rand.New(rand.NewPCG(seed, 51)), sides: make(map[[2]int]*side)}
	limits := ServerConfig{}
	if s.rng.IntN(4) == 0 { // tight limits, so that refusals mix in
		limits = ServerConfig{MaxPerPeer: 4, AssemblyBytes: 1 << 20, StreamBytes: 1 << 20}
	}
	s.a, s.b = newParty(t, "alice", ServerConfig{}), newParty(t, "bob", limits)
	s.a.bulk, s.b.bulk = seed%2 == 0, seed%2 == 0
	s.b.handle(t, "play", s.handle)
	for range 1 + s.rng.IntN(2) {
		cfg := Config{}
		if s.rng.IntN(2) == 0 {
			cfg.LinkCredit = wire.LinkCreditRelay
		}
		s.links = append(s.links, connect(t, s.a, s.b, cfg))
	}
	return s
}

func (s *streaming) plan() *side {
	sizes := []int{0, 1, 1000, 20 << 10, 100 << 10, 400 << 10}
	p := &side{seed: s.rng.Uint64(), total: sizes[s.rng.IntN(len(sizes))], close: s.rng.IntN(3) > 0, fail: s.rng.IntN(3) == 0}
	if s.rng.IntN(3) == 0 {
		p.leave = 1 + time.Duration(s.rng.Int64N(int64(3*time.Second)))
	}
	return p
}

func (s *streaming) side(n, from int) *side {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sides[[2]int{n, from}]
}

func (s *streaming) run() {
	for n := range 2 + s.rng.IntN(6) {
		s.mu.Lock()
		s.sides[[2]int{n, 0}], s.sides[[2]int{n, 1}] = s.plan(), s.plan()
		s.mu.Unlock()
		link, large := s.links[s.rng.IntN(len(s.links))], s.rng.IntN(5) == 0
		s.wait.Go(func() { s.call(n, link.a, large) })
		if s.rng.IntN(2) == 0 {
			time.Sleep(time.Duration(s.rng.Int64N(int64(time.Second))))
		}
		if s.rng.IntN(4) == 0 {
			s.disturb()
		}
	}
	s.wait.Wait()
	for _, e := range s.links {
		e.netA.(*memory).stall(false)
		e.netB.(*memory).stall(false)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	s.check()
}

// disturb does something to a link.
func (s *streaming) disturb() {
	e := s.links[s.rng.IntN(len(s.links))]
	end := []*memory{e.netA.(*memory), e.netB.(*memory)}[s.rng.IntN(2)]
	switch s.rng.IntN(4) {
	case 0:
		end.Close()
	case 1: // what is under way is lost
		end.in.set(func() { end.in.buf = nil })
		end.Close()
	case 2:
		end.stall(true)
		time.AfterFunc(time.Duration(s.rng.Int64N(int64(6*time.Second))), func() { end.stall(false) })
	case 3:
		side := []*Conn{e.a, e.b}[s.rng.IntN(2)]
		s.wait.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			_ = side.Bye(ctx, wire.Bye{Code: wire.ByeRebooting}) // a cut link may spoil it
		})
	}
}

// letter is the byte at a place of one direction of a stream.
func letter(n, from, at int) byte { return byte(at*31 + at>>8 + 7*n + from) }

// play writes and reads one end as planned, until both are done.
func (s *streaming) play(n, from int, p commands.Pipe, end *side) {
	rng := rand.New(rand.NewPCG(end.seed, 1))
	pause := func() {
		if rng.IntN(8) == 0 {
			time.Sleep(time.Duration(rng.Int64N(int64(300 * time.Millisecond))))
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		rng := rand.New(rand.NewPCG(end.seed, 2))
		for {
			buf := make([]byte, 1+rng.IntN(100<<10))
			got, err := p.Read(nil, buf)
			s.mu.Lock()
			for i, b := range buf[:got] {
				if b != letter(n, 1-from, end.read+i) {
					s.t.Errorf("stream %d, side %d: another byte at %d", n, from, end.read+i)
					break
				}
			}
			end.read += got
			end.eof = end.eof || err == io.EOF
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	for end.wrote < end.total {
		pause()
		piece := make([]byte, min(1+rng.IntN(80<<10), end.total-end.wrote))
		for i := range piece {
			piece[i] = letter(n, from, end.wrote+i)
		}
		sent, err := p.Write(nil, piece)
		s.mu.Lock()
		end.wrote += sent
		s.mu.Unlock()
		if err != nil {
			break
		}
	}
	if end.close && p.CloseWrite() == nil {
		s.mu.Lock()
		end.closed = true
		s.mu.Unlock()
	}
	wg.Wait()
}

// handle plays the callee's side.
func (s *streaming) handle(ctx context.Context, c *commands.Call) (any, error) {
	n, err := commands.Arg[int](c, 0)
	if err != nil {
		return nil, err
	}
	end := s.side(n, 1)
	played := make(chan struct{})
	s.wait.Go(func() { s.play(n, 1, c.Pipe, end); close(played) })
	if end.leave > 0 {
		select {
		case <-time.After(end.leave):
		case <-played:
		}
	} else {
		<-played
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if end.fail {
		return nil, errors.New("as planned")
	}
	end.closed = end.closed || ctx.Err() == nil
	return n, nil
}

// stage makes a Stream look like a Pipe.
type stage struct{ *Stream }

func (stage) Open() error { return nil }

// call plays the caller's side.
func (s *streaming) call(n int, c *Conn, large bool) {
	end := s.side(n, 0)
	args := []any{n}
	if large {
		args = append(args, make([]byte, 400<<10))
	}
	st, err := c.Open(context.Background(), request("play", args...))
	if err != nil {
		return // refused: the link has ended, or parts
	}
	if end.leave > 0 {
		time.AfterFunc(end.leave, st.Cancel)
	}
	time.AfterFunc(20*time.Second, st.Cancel) // at the latest
	s.play(n, 0, stage{st}, end)
	<-st.Done()
	value, err := st.Result()
	if again, same := st.Result(); same != err || len(again) != len(value) || !closed(st.Begun()) {
		s.t.Errorf("stream %d ended by %v, then by %v", n, err, same)
	}
}

func (s *streaming) check() {
	for key, end := range s.sides {
		far := s.sides[[2]int{key[0], 1 - key[1]}]
		if end.read > far.wrote || end.eof && (end.read != far.wrote || !far.closed) {
			s.t.Errorf("stream %d, side %d: %+v; the far side: %+v", key[0], key[1], *end, *far)
		}
	}
	for _, e := range s.links {
		if e.a.Err() != nil {
			<-e.a.Done()
			<-e.b.Done()
		} else {
			checkStreams(s.t, e)
		}
	}
	for _, p := range []*party{s.a, s.b} {
		if stats := p.server.Stats(); stats.Running != 0 || stats.Assembly != 0 || stats.Streams != 0 || stats.Ledger.Running != 0 {
			s.t.Errorf("%s: left over: %+v", p.name, stats)
		}
	}
}
