package link_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// accepting runs Accept on the far end of a memory connection whose near end it
// returns, with a function that waits for the result.
func accepting(cfg link.Config) (near, far *memConn, wait func() result) {
	near, far = memPipe()
	done := make(chan result, 1)
	go func() {
		l, err := link.Accept(context.Background(), link.Stream(far), cfg)
		done <- result{l, err}
	}()
	return near, far, func() result { return <-done }
}

// dialling is accepting for Dial.
func dialling(cfg link.Config, target string) (near, far *memConn, wait func() result) {
	near, far = memPipe()
	done := make(chan result, 1)
	go func() {
		l, err := link.Dial(context.Background(), link.Stream(far), cfg, target)
		done <- result{l, err}
	}()
	return near, far, func() result { return <-done }
}

// refusedFor checks that a handshake failed for a cause, which was counted.
func refusedFor(t *testing.T, r result, cfg link.Config, want link.Cause) {
	t.Helper()
	if r.l != nil {
		r.l.Close(nil)
		t.Fatal("the session is open")
	}
	causeIs(t, r.err, want)
	if got := cfg.Counters.Ended(want); got != 1 {
		t.Errorf("counted %d times for %v: %v", got, want, cfg.Counters.Snapshot())
	}
}

func TestMsg1ThatIsRefusedGetsNoByte(t *testing.T) {
	good := crypto.Derive(testKey, "test")
	path := make([]byte, 64)
	for name, c := range map[string]struct {
		send func() []byte // the stream
		want link.Cause
	}{
		"nothing": {func() []byte { return nil }, link.CauseClosed},
		"half":    {func() []byte { return msg1(t, good, 1, nil)[:60] }, link.CauseClosed},
		"garbage": {func() []byte { return wire.AppendRecord(nil, make([]byte, 112)) }, link.CauseHandshake},
		"short":   {func() []byte { return wire.AppendRecord(nil, msg1(t, good, 1, nil)[4:115]) }, link.CauseHandshake},
		"long":    {func() []byte { return wire.AppendRecord(nil, make([]byte, 113)) }, link.CauseHandshake},
		"4 GiB":   {func() []byte { return []byte{0xff, 0xff, 0xff, 0xff} }, link.CauseHandshake},
		"HTTP":    {func() []byte { return []byte("GET / HTTP/1.1\r\n\r\n") }, link.CauseHandshake},
		"other key": {func() []byte {
			return msg1(t, crypto.Derive(crypto.GenerateKey(), "test"), 1, nil)
		}, link.CauseHandshake},
		"other network": {func() []byte { return msg1(t, crypto.Derive(testKey, "other"), 1, nil) }, link.CauseHandshake},
		"R15 other transport": {func() []byte {
			return msg1(t, good, crypto.TransportRelay, path)
		}, link.CauseHandshake},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config("bob")
			near, far, wait := accepting(cfg)
			if _, err := near.Write(c.send()); err != nil {
				t.Fatal(err)
			}
			near.closeWrite()
			refusedFor(t, wait(), cfg, c.want)
			if far.sent() != 0 {
				t.Errorf("answered %d bytes", far.sent())
			}
		})
	}
}

// msg1 returns a first message as a record of a stream.
func msg1(t testing.TB, key *crypto.Schedule, transport crypto.Transport, path []byte) []byte {
	t.Helper()
	_, msg, err := crypto.NewInitiator(key, transport, path, rawOffer)
	must(t, err)
	return wire.AppendRecord(nil, msg)
}

func TestMsg1SentTwiceIsRefused(t *testing.T) {
	cfg := config("bob")
	first := msg1(t, cfg.Keys[0], crypto.TransportLAN, nil)
	near, _, wait := accepting(cfg)
	must2(near.Write(first))
	near.closeWrite()
	refusedFor(t, wait(), cfg, link.CauseClosed) // it was good; no HELLO followed

	near, far, wait := accepting(cfg)
	must2(near.Write(first))
	refusedFor(t, wait(), cfg, link.CauseReplay)
	if far.sent() != 0 {
		t.Errorf("answered %d bytes", far.sent())
	}
}

// must2 is for writes to memory, which only fail after Close.
func must2(_ int, err error) {
	if err != nil {
		panic(err)
	}
}

func TestR16_EveryFlippedBitIsRefused(t *testing.T) {
	cfg := config("bob")
	cfg.Replay = crypto.NewReplaySet(crypto.ReplayEntries)
	refused := 0
	for bit := range wire.HandshakeLen * 8 {
		stream := msg1(t, cfg.Keys[0], crypto.TransportLAN, nil)
		stream[4+bit/8] ^= 1 << (bit % 8)
		near, far, wait := accepting(cfg)
		must2(near.Write(stream))
		near.closeWrite()
		if r := wait(); r.err != nil && far.sent() == 0 {
			refused++
		}
	}
	for bit := range wire.HandshakeLen * 8 {
		near, _, wait := dialling(config("alice"), "")
		c := &flipping{Carrier: link.Stream(near), bit: bit}
		rawAccept(t, c, cfg.Keys[0])
		if r := wait(); r.err != nil {
			refused++
		}
		must(t, near.Close())
	}
	if refused != 1792 {
		t.Errorf("%d of 1792 refused", refused)
	}
}

// flipping flips a bit of the first record it writes.
type flipping struct {
	link.Carrier
	bit int
}

func (f *flipping) WriteRecord(body []byte) error {
	body = append([]byte(nil), body...)
	body[f.bit/8] ^= 1 << (f.bit % 8)
	return f.Carrier.WriteRecord(body)
}

func TestHelloThatIsRefusedGetsNoAnswer(t *testing.T) {
	id := crypto.NewIdentity()
	for name, c := range map[string]struct {
		change func(cfg link.Config, p *rawPeer)
		want   link.Cause
	}{
		"own role": {func(_ link.Config, p *rawPeer) {
			h := p.hello()
			h.Role = 3 - h.Role
			p.sendHello(h, nil)
		}, link.CauseRole},
		"own instance": {func(cfg link.Config, p *rawPeer) {
			h := p.hello()
			h.Instance = cfg.Instance
			p.sendHello(h, nil)
		}, link.CauseSelf},
		"no name": {func(_ link.Config, p *rawPeer) {
			h := p.hello()
			h.Name = ""
			p.sendHello(h, nil)
		}, link.CauseHelloForm},
		"observer with a name": {func(_ link.Config, p *rawPeer) {
			h := p.hello()
			h.Capabilities = link.Capabilities{Observer: true}.Encode()
			p.sendHello(h, nil)
		}, link.CauseHelloForm},
		"name with a dot": {func(_ link.Config, p *rawPeer) {
			h := p.hello()
			h.Name = "a.b"
			p.sendHello(h, nil)
		}, link.CauseHelloForm},
		"capabilities not msgpack": {func(_ link.Config, p *rawPeer) {
			h := p.hello()
			h.Capabilities = []byte{0xc1}
			p.sendHello(h, nil)
		}, link.CauseHelloForm},
		"R31 capabilities a bomb": {func(_ link.Config, p *rawPeer) {
			h := p.hello()
			h.Capabilities = []byte{0xdd, 0xff, 0xff, 0xff, 0xff}
			p.sendHello(h, nil)
		}, link.CauseHelloForm},
		"capability of another type": {func(_ link.Config, p *rawPeer) {
			h := p.hello()
			h.Capabilities = []byte("\x81\xa7product\x01")
			p.sendHello(h, nil)
		}, link.CauseHelloForm},
		"wrong signature": {func(_ link.Config, p *rawPeer) {
			body := crypto.AppendHello(nil, p.hello(), p.secrets.Hash, id)
			body[len(body)-2] ^= 1 // in the signature, which the capabilities follow
			p.sendMessages(wire.AppendMessage(nil, wire.TypeHello, body))
		}, link.CauseSignature},
		"R17 signature of another session": {func(_ link.Config, p *rawPeer) {
			p.secrets.Hash[0] ^= 1
			p.sendHello(p.hello(), id)
		}, link.CauseSignature},
		"cut": {func(_ link.Config, p *rawPeer) {
			body := crypto.AppendHello(nil, p.hello(), p.secrets.Hash, nil)
			p.sendMessages(wire.AppendMessage(nil, wire.TypeHello, body[:20]))
		}, link.CauseHelloForm},
		"another message first": {func(_ link.Config, p *rawPeer) {
			p.sendMessages(wire.AppendMessage(nil, wire.TypePing, make([]byte, 8)))
		}, link.CauseFrame},
		"a call in the same frame": {func(_ link.Config, p *rawPeer) {
			body := crypto.AppendHello(nil, p.hello(), p.secrets.Hash, nil)
			p.sendMessages(wire.AppendMessage(wire.AppendMessage(nil, wire.TypeHello, body), wire.TypePing, make([]byte, 8)))
		}, link.CauseFrame},
		"sequence 1": {func(_ link.Config, p *rawPeer) {
			p.sent = 1
			p.sendHello(p.hello(), nil)
		}, link.CauseSequence},
		"another token": {func(_ link.Config, p *rawPeer) {
			p.send.Advance()
			p.sendHello(p.hello(), nil)
		}, link.CauseToken},
		"a token too long": {func(_ link.Config, p *rawPeer) {
			must(p.t, p.carrier.WriteRecord(make([]byte, wire.MaxRecord)))
		}, link.CauseHandshake},
		"hangs up": {func(_ link.Config, p *rawPeer) {
			must(p.t, p.carrier.Close())
		}, link.CauseClosed},
	} {
		t.Run("initiator/"+name, func(t *testing.T) {
			cfg := config("bob")
			near, far, wait := accepting(cfg)
			p := rawDial(t, link.Stream(near), cfg.Keys[0])
			before := far.sent()
			c.change(cfg, p)
			refusedFor(t, wait(), cfg, c.want)
			if far.sent() != before {
				t.Errorf("answered %d bytes after its HELLO", far.sent()-before)
			}
		})
		t.Run("responder/"+name, func(t *testing.T) {
			cfg := config("alice")
			near, far, wait := dialling(cfg, "")
			c.change(cfg, rawAccept(t, link.Stream(near), cfg.Keys[0]))
			refusedFor(t, wait(), cfg, c.want)
			if want := 4 + wire.HandshakeLen; far.sent() != want {
				t.Errorf("sent %d bytes, want msg1 of %d only", far.sent(), want)
			}
		})
	}
}

func TestR27_HandshakeDeadlineIsAbsolute(t *testing.T) {
	for name, trickle := range map[string]func(near *memConn){
		"silence": func(*memConn) {},
		"a byte per second": func(near *memConn) {
			for _, b := range msg1(t, crypto.Derive(testKey, "test"), 1, nil) {
				time.Sleep(time.Second)
				if _, err := near.Write([]byte{b}); err != nil {
					return
				}
			}
		},
		"no HELLO": func(near *memConn) {
			must2(near.Write(msg1(t, crypto.Derive(testKey, "test"), 1, nil)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config("bob")
				began := time.Now()
				near, _, wait := accepting(cfg)
				var sender sync.WaitGroup
				sender.Go(func() { trickle(near) })
				refusedFor(t, wait(), cfg, link.CauseTimeout)
				if took := time.Since(began); took != 5*time.Second {
					t.Errorf("gave up after %v, want 5s", took)
				}
				must(t, near.Close())
				sender.Wait()
			})
		})
	}
}

func TestHandshakeEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("gone")
		for _, open := range []func(context.Context, link.Carrier, link.Config) (*link.Link, error){
			link.Accept,
			func(ctx context.Context, c link.Carrier, cfg link.Config) (*link.Link, error) {
				return link.Dial(ctx, c, cfg, "bob")
			},
		} {
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(time.Second, func() { cancel(gone) })
			_, far := memPipe()
			began := time.Now()
			_, err := open(ctx, link.Stream(far), config("alice"))
			if !errors.Is(err, gone) || time.Since(began) != time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
			if _, err := far.Write([]byte{1}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the carrier is open: %v", err)
			}
		}
	})
}

func TestR14_SelfDialOpensNothing(t *testing.T) {
	cfg := config("alice")
	a, b := memPipe()
	dial, accept := handshake(context.Background(), link.Stream(a), link.Stream(b), cfg, cfg, "alice")
	causeIs(t, dial.err, link.CauseSelf)
	causeIs(t, accept.err, link.CauseClosed)
	if cfg.Counters.Opened() != 0 {
		t.Error("a session opened")
	}
}

func TestR14_ReflectionOpensNothing(t *testing.T) {
	t.Run("every byte sent back", func(t *testing.T) {
		cfg := config("alice")
		near, _, wait := dialling(cfg, "")
		go func() { _, _ = io.Copy(near, near) }()      // ends when the link closes
		refusedFor(t, wait(), cfg, link.CauseHandshake) // msg1 is no msg2
		must(t, near.Close())
	})
	t.Run("to one's own listener", func(t *testing.T) {
		cfg := config("alice")
		dialled, _, dialResult := dialling(cfg, "")
		accepted, _, acceptResult := accepting(cfg)
		go splice(dialled, accepted)
		go splice(accepted, dialled)
		refusedFor(t, dialResult(), cfg, link.CauseSelf)
		refusedFor(t, acceptResult(), cfg, link.CauseClosed)
		if cfg.Counters.Opened() != 0 {
			t.Error("a session opened")
		}
	})
}

// splice copies what comes from one connection to another, and its end.
func splice(from, to *memConn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	_ = from.Close()
}

func TestKeyRingOpensAnyOfItsKeys(t *testing.T) {
	old, next := crypto.Derive(crypto.GenerateKey(), "test"), crypto.Derive(crypto.GenerateKey(), "test")
	dialler, acceptor := config("alice"), config("bob")
	dialler.Keys = []*crypto.Schedule{next, old}
	acceptor.Keys = []*crypto.Schedule{old, next}
	i, r := pair(t, dialler, acceptor)
	defer i.Close(nil)
	defer r.Close(nil)
	if i.Peer().KeyID != r.Peer().KeyID || i.Peer().KeyID == [8]byte{} {
		t.Errorf("keys %x and %x, want the same", i.Peer().KeyID, r.Peer().KeyID)
	}
}

func TestHelloCarriesIdentityFeaturesAndCapabilities(t *testing.T) {
	caps := link.Capabilities{
		Product: "fernmesh", Version: "1.2.3", Services: map[string]string{"rpc": "1"},
		Limits: map[string]uint64{"calls": 256}, Held: 90 * time.Minute, Up: 400 * 24 * time.Hour,
	}
	dialler, acceptor := config("alice"), config("bob")
	dialler.Identity = crypto.NewIdentity()
	dialler.Capabilities = caps.Encode
	dialler.Features, acceptor.Features = 6, 3
	i, r := pair(t, dialler, acceptor)
	defer i.Close(nil)
	defer r.Close(nil)
	p := r.Peer()
	if !p.Hello.HasID || p.Hello.NodeKey != dialler.Identity.Public() || p.Hello.Instance != dialler.Instance {
		t.Errorf("HELLO: %+v", p.Hello)
	}
	if r.Agreement().Features != 2 || i.Agreement() != r.Agreement() || p.Hello.Features != 6 {
		t.Errorf("agreement %+v, HELLO's features %d", r.Agreement(), p.Hello.Features)
	}
	got := p.Capabilities
	if got.Product != caps.Product || got.Version != caps.Version || got.Services["rpc"] != "1" ||
		got.Limits["calls"] != 256 || got.Held != caps.Held || got.Up != caps.Up || got.Observer {
		t.Errorf("capabilities: %+v", got)
	}
	if i.Peer().Hello.HasID || p.Transport != crypto.TransportLAN || p.Remote != "mem" {
		t.Errorf("peer: %+v", p)
	}
}

func TestObserversHaveNoName(t *testing.T) {
	observer := config("")
	observer.Capabilities = link.Capabilities{Observer: true}.Encode
	i, r := pair(t, observer, config("bob"))
	defer i.Close(nil)
	defer r.Close(nil)
	if p := r.Peer(); p.Hello.Name != "" || !p.Capabilities.Observer {
		t.Errorf("the responder sees %+v", p)
	}
}

func TestConfigurationThatCannotWorkIsAnError(t *testing.T) {
	for name, change := range map[string]func(*link.Config){
		"no key":               func(c *link.Config) { c.Keys = nil },
		"no name":              func(c *link.Config) { c.Name = "" },
		"bad name":             func(c *link.Config) { c.Name = "a.b" },
		"observer with a name": func(c *link.Config) { c.Capabilities = link.Capabilities{Observer: true}.Encode },
		"bad capabilities":     func(c *link.Config) { c.Capabilities = func() []byte { return []byte{0x90} } },
		"too many services": func(c *link.Config) {
			c.Capabilities = link.Capabilities{Product: strings.Repeat("x", wire.MaxMessage)}.Encode
		},
	} {
		cfg := config("alice")
		change(&cfg)
		near, far := memPipe()
		must2(near.Write(msg1(t, crypto.Derive(testKey, "test"), 1, nil)))
		l, err := link.Accept(context.Background(), link.Stream(far), cfg)
		refusedFor(t, result{l, err}, cfg, link.CauseConfig)
		if far.sent() != 0 {
			t.Errorf("%s: answered %d bytes", name, far.sent())
		}
		_, far = memPipe()
		_, err = link.Dial(context.Background(), link.Stream(far), cfg, "")
		if causeIs(t, err, link.CauseConfig); far.sent() != 0 {
			t.Errorf("%s: sent %d bytes", name, far.sent())
		}
	}
}

func TestTargetThatIsNoNameIsAnError(t *testing.T) {
	for _, target := range []string{"a.b", strings.Repeat("x", 300)} {
		_, far := memPipe()
		_, err := link.Dial(context.Background(), link.Stream(far), config("alice"), target)
		causeIs(t, err, link.CauseConfig)
	}
}

func TestWrongTargetGetsHelloAndBye(t *testing.T) {
	t.Run("seen by the responder", func(t *testing.T) {
		cfg := config("bob")
		near, _, wait := accepting(cfg)
		p := rawDial(t, link.Stream(near), cfg.Keys[0])
		h := p.hello()
		h.Target = "carol"
		p.sendHello(h, nil)
		p.sendMessages(wire.AppendMessage(nil, wire.TypeCall, []byte("pipelined, not to run")))
		wantBye(t, p.frame(), wire.ByeWrongTarget)
		must(t, near.Close())
		refusedWith(t, wait(), cfg, wire.ByeWrongTarget, link.CauseTarget)
	})
	t.Run("seen by the initiator", func(t *testing.T) {
		cfg := config("alice")
		near, _, wait := dialling(cfg, "bob")
		p := rawAccept(t, link.Stream(near), cfg.Keys[0])
		p.sendHello(p.hello(), nil) // named "raw"
		if got := p.frame(); len(got) != 1 || got[0].Type != wire.TypeHello {
			t.Errorf("first frame: %v, want HELLO", got)
		}
		wantBye(t, p.frame(), wire.ByeWrongTarget)
		must(t, near.Close())
		refusedWith(t, wait(), cfg, wire.ByeWrongTarget, link.CauseTarget)
	})
}

func wantBye(t *testing.T, got []wire.Message, code wire.ByeCode) {
	t.Helper()
	if len(got) != 1 || got[0].Type != wire.TypeBye {
		t.Fatalf("frame: %v, want BYE", got)
	}
	if bye, err := wire.ParseBye(got[0].Body); err != nil || bye.Code != code {
		t.Errorf("%+v, %v; want code %v", bye, err, code)
	}
}

func refusedWith(t *testing.T, r result, cfg link.Config, code wire.ByeCode, cause link.Cause) {
	t.Helper()
	var refused *link.RefusedError
	if !errors.As(r.err, &refused) || refused.Refusal.Code != code {
		t.Errorf("got %v, want it refused for %v", r.err, code)
	}
	if cfg.Counters.Ended(cause) != 1 {
		t.Errorf("counters: %v", cfg.Counters.Snapshot())
	}
}

func TestPolicyJudgesAfterAllOtherChecks(t *testing.T) {
	for _, side := range []string{"responder", "initiator"} {
		t.Run(side, func(t *testing.T) {
			judge := func(p link.Peer) *link.Refusal {
				if p.Hello.Name != "raw" {
					t.Errorf("judged %+v", p)
				}
				return &link.Refusal{Code: wire.ByeNotAllowed, After: time.Minute, Text: "not on the list"}
			}
			cfg := config("alice")
			cfg.Judge = judge
			var wait func() result
			var near *memConn
			var p *rawPeer
			if side == "responder" {
				near, _, wait = accepting(cfg)
				p = rawDial(t, link.Stream(near), cfg.Keys[0])
				p.sendHello(p.hello(), nil)
			} else {
				near, _, wait = dialling(cfg, "raw")
				p = rawAccept(t, link.Stream(near), cfg.Keys[0])
				p.sendHello(p.hello(), nil)
				p.frame() // its HELLO
			}
			got := p.frame()
			wantBye(t, got, wire.ByeNotAllowed)
			if bye, _ := wire.ParseBye(got[0].Body); bye.ComeBackAfter != time.Minute || bye.Text != "not on the list" {
				t.Errorf("BYE: %+v", bye)
			}
			must(t, near.Close())
			r := wait()
			refusedWith(t, r, cfg, wire.ByeNotAllowed, link.CausePolicy)
			if want := `link: refused "raw": not allowed: not on the list`; r.err.Error() != want {
				t.Errorf("error %q, want %q", r.err, want)
			}
		})
	}
}

func TestRefusedPeerThatStaysIsHungUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config("bob")
		cfg.Judge = func(link.Peer) *link.Refusal { return &link.Refusal{Code: wire.ByeBusy} }
		near, _, wait := accepting(cfg)
		p := rawDial(t, link.Stream(near), cfg.Keys[0])
		p.sendHello(p.hello(), nil)
		began := time.Now()
		refusedWith(t, wait(), cfg, wire.ByeBusy, link.CausePolicy)
		if took := time.Since(began); took != time.Second {
			t.Errorf("hung up after %v, want 1s", took)
		}
		must(t, near.Close())
	})
}

func TestFirstCallsTravelWithTheInitiatorsHello(t *testing.T) {
	cfg := config("bob")
	near, _, wait := accepting(cfg)
	p := rawDial(t, link.Stream(near), cfg.Keys[0])
	p.sendHello(p.hello(), nil)
	for range 3 { // before the responder has seen HELLO
		p.sendMessages(wire.AppendMessage(nil, wire.TypePing, []byte("12345678")))
	}
	r := wait()
	must(t, r.err)
	defer r.l.Close(nil)
	got := collect(r.l)
	for range 3 {
		if m := <-got; m != "PING 12345678" {
			t.Errorf("got %q", m)
		}
	}
}

func TestErrorsSayWhatHappened(t *testing.T) {
	cfg := config("bob")
	near, _, wait := accepting(cfg)
	must(t, near.Close())
	if err := wait().err; err == nil || !errors.Is(err, io.EOF) || !strings.HasPrefix(err.Error(), "link: closed") {
		t.Errorf("error %q", err)
	}
}
