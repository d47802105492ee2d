package rpc

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2" // seeded: a failing schedule can be run again
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

var (
	long = flag.Bool("fernmesh.long", false, "run the long forms of tests")
	seed = flag.Uint64("fernmesh.seed", 0, "run one schedule of the model test")
)

// TestR50_RandomSchedules drives calls, cancels, large messages, cut, silent
// and parted links and repeats over other links, in virtual time. Of every
// call it checks that it ends exactly once, runs at most once, ran if it has a
// value, did not run if it says so; and that nothing is held at the end.
func TestR50_RandomSchedules(t *testing.T) {
	schedules := uint64(600)
	switch {
	case *long:
		schedules = 100_000
	case testing.Short():
		schedules = 300
	}
	first := uint64(1)
	if *seed != 0 {
		first, schedules = *seed, 1
	}
	for s := first; s < first+schedules; s++ {
		synctest.Test(t, func(t *testing.T) { newSchedule(t, s).run() })
		if t.Failed() {
			t.Fatalf("in schedule -fernmesh.seed=%d", s)
		}
	}
}

// schedule is one run of the model.
type schedule struct {
	t     *testing.T
	rng   *rand.Rand
	a, b  *party
	links []ends
	calls sync.WaitGroup

	mu      sync.Mutex
	ran     map[uint64]int // by counter of the call id
	results map[uint64]*outcome
}

// outcome is what the model's caller saw of one call.
type outcome struct {
	ends   int
	value  bool
	denied bool // it says that it did not run, and no attempt was sent before
}

func newSchedule(t *testing.T, seed uint64) *schedule {
	s := &schedule{
		t: t, rng: rand.New(rand.NewPCG(seed, 50)),
		ran: make(map[uint64]int), results: make(map[uint64]*outcome),
	}
	limits := ServerConfig{}
	if s.rng.IntN(4) == 0 { // tight limits, so that refusals mix in
		limits = ServerConfig{MaxPerPeer: 4, AssemblyBytes: 1 << 20, Ledger: ledger.Limits{Outcomes: 12}}
	}
	s.a, s.b = newParty(t, "alice", ServerConfig{}), newParty(t, "bob", limits)
	s.a.bulk, s.b.bulk = seed%2 == 0, seed%2 == 0
	s.b.handle(t, "run", s.handle)
	s.connect()
	return s
}

func (s *schedule) connect() {
	cfg := Config{}
	if s.rng.IntN(2) == 0 {
		cfg.LinkCredit = wire.LinkCreditRelay
	}
	s.links = append(s.links, connect(s.t, s.a, s.b, cfg))
}

// handle notes that the call ran, takes its time, and returns its counter and
// as many bytes as wanted.
func (s *schedule) handle(ctx context.Context, c *commands.Call) (any, error) {
	args, err := c.Args()
	if err != nil {
		return nil, err
	}
	counter := args[0].(int64)
	s.mu.Lock()
	s.ran[uint64(counter)]++
	s.mu.Unlock()
	select {
	case <-time.After(time.Duration(args[1].(int64))):
		return []any{counter, make([]byte, args[2].(int64))}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *schedule) run() {
	for counter := range uint64(5 + s.rng.IntN(20)) {
		s.begin(counter + 1)
		s.disturb()
		if s.rng.IntN(2) == 0 {
			time.Sleep(time.Duration(s.rng.Int64N(int64(time.Second))))
		}
	}
	s.calls.Wait()
	for _, e := range s.links { // let what is silent go on, and settle
		e.netA.(*memory).stall(false)
		e.netB.(*memory).stall(false)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	s.check()
}

func (s *schedule) live() (live []ends) {
	for _, e := range s.links {
		if !e.a.Parting() {
			live = append(live, e)
		}
	}
	return live
}

// disturb does something to a link.
func (s *schedule) disturb() {
	e := s.links[s.rng.IntN(len(s.links))]
	end := []*memory{e.netA.(*memory), e.netB.(*memory)}[s.rng.IntN(2)]
	switch s.rng.IntN(12) {
	case 0:
		end.Close()
	case 1: // a reset: what is under way is lost
		end.in.set(func() { end.in.buf = nil })
		end.Close()
	case 2, 3:
		end.stall(true)
		until := time.Duration(s.rng.Int64N(int64(6 * time.Second)))
		time.AfterFunc(until, func() { end.stall(false) })
	case 4:
		side := []*Conn{e.a, e.b}[s.rng.IntN(2)]
		s.calls.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			_ = side.Bye(ctx, wire.Bye{Code: wire.ByeRebooting}) // a cut link may spoil it
		})
	}
	if len(s.live()) == 0 || len(s.links) < 4 && s.rng.IntN(4) == 0 {
		s.connect()
	}
}

// begin makes one call, with the repeats that a node would make.
func (s *schedule) begin(counter uint64) {
	sizes := []int64{0, 10, 100, 1000, 10 << 10, 17 << 10, 20 << 10, 300 << 10}
	raw, err := commands.EncodeArgs([]any{
		counter, s.rng.Int64N(int64(3 * time.Second)), sizes[s.rng.IntN(len(sizes))],
		make([]byte, sizes[s.rng.IntN(len(sizes))]),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	req := Request{ID: wire.CallID{Caller: [8]byte{5}, Counter: counter}, Path: "run", Args: raw}
	timeout := []time.Duration{500 * time.Millisecond, 5 * time.Second, time.Minute}[s.rng.IntN(3)]
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	if s.rng.IntN(6) == 0 {
		time.AfterFunc(time.Duration(s.rng.Int64N(int64(timeout))), cancel)
	}
	pick := s.rng.IntN(100)
	links := s.live()
	s.calls.Go(func() {
		defer cancel()
		s.attempt(ctx, req, links, pick)
	})
}

// attempt calls over one link after the other, until one gives an outcome.
func (s *schedule) attempt(ctx context.Context, req Request, links []ends, pick int) {
	o := &outcome{}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		o.ends++
		s.results[req.ID.Counter] = o
	}()
	for range 2 * len(links) {
		value, err := links[pick%len(links)].a.Call(ctx, req)
		var broken *BrokenError
		var abandoned *AbandonedError
		var failed *commands.Error
		switch {
		case err == nil:
			var got []any
			if err := commands.DecodeValue(value, &got); err != nil || got[0] != int64(req.ID.Counter) {
				s.t.Errorf("call %d got the value of %v, %v", req.ID.Counter, got[0], err)
			}
			o.value, o.denied = true, false
			return
		case errors.As(err, &failed):
			o.denied = failed.Executed == commands.ExecutedNo && !req.Repeat
			return
		case errors.As(err, &abandoned):
			o.denied = !abandoned.Sent && !req.Repeat
			return
		case errors.As(err, &broken):
			o.denied = !broken.Sent && !req.Repeat
			req.Repeat = req.Repeat || broken.Sent
			pick++
		default:
			s.t.Errorf("call %d: %T %v", req.ID.Counter, err, err)
			return
		}
	}
}

func (s *schedule) check() {
	for counter, o := range s.results {
		ran := s.ran[counter]
		if o.ends != 1 || ran > 1 || o.value && ran != 1 || o.denied && ran != 0 {
			s.t.Errorf("call %d: %+v, and ran %d times", counter, *o, ran)
		}
	}
	for i, e := range s.links {
		if e.a.Err() != nil {
			<-e.a.Done()
			<-e.b.Done()
		} else {
			checkIdle(s.t, fmt.Sprintf("link %d, caller", i), e.a)
			checkIdle(s.t, fmt.Sprintf("link %d, callee", i), e.b)
		}
	}
	stats := s.b.server.Stats()
	if stats.Running != 0 || stats.Assembly != 0 || stats.Ledger.Running != 0 {
		s.t.Errorf("left over: %+v", stats)
	}
}
