package link_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// bulkConfig is config with the bulk cipher.
func bulkConfig(name string) link.Config {
	cfg := config(name)
	cfg.BulkCipher = true
	return cfg
}

// rawBulkSession is rawSession with the bulk cipher agreed on.
func rawBulkSession(t testing.TB, cfg link.Config) (*link.Link, *rawPeer) {
	t.Helper()
	offer := rawOffer
	offer.Features = crypto.FeatureBulk
	return rawSessionOffering(t, cfg, offer)
}

func rawSessionOffering(t testing.TB, cfg link.Config, offer crypto.Offer) (*link.Link, *rawPeer) {
	t.Helper()
	near, _, wait := accepting(cfg)
	p := rawDialOffering(t, link.Stream(near), cfg.Keys[0], offer)
	p.sendHello(p.hello(), nil)
	r := wait()
	must(t, r.err)
	return r.l, p
}

// sendBulk seals any plaintext as a bulk frame.
func (p *rawPeer) sendBulk(plain []byte) {
	p.t.Helper()
	must(p.t, p.carrier.WriteRecord(p.send.SealBulk(nil, plain, p.sent, time.Now())))
	p.sent++
}

// frameKinds reads the next frame and tells its kind and its messages.
func (p *rawPeer) frameKinds() (bulk bool, types []wire.Type) {
	p.t.Helper()
	sealed, err := p.carrier.ReadRecord(wire.MaxRecord)
	must(p.t, err)
	if !crypto.IsBulk(sealed) {
		for _, m := range p.open(sealed) {
			types = append(types, m.Type)
		}
		return false, types
	}
	plain, _, err := p.recv.OpenBulk(sealed, p.got)
	must(p.t, err)
	frame, err := wire.ParseFrame(plain, p.got)
	must(p.t, err)
	p.got++
	for m := range frame.All() {
		types = append(types, m.Type)
	}
	return true, types
}

// chunk is a CHUNK of a frame, with a body of n bytes.
func chunk(n int) []byte { return wire.AppendMessage(nil, wire.TypeChunk, make([]byte, n)) }

func TestBulkFramesNeedBothSides(t *testing.T) {
	for _, c := range []struct{ dialler, acceptor bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		dialler, acceptor := config("alice"), config("bob")
		dialler.BulkCipher, acceptor.BulkCipher = c.dialler, c.acceptor
		dialler.Features, acceptor.Features = ^uint64(0), ^uint64(0) // no other way to switch it on
		i, r := pair(t, dialler, acceptor)
		atI, atR := collect(i), collect(r)
		for n := range 8 {
			for _, way := range []struct {
				from *link.Link
				to   <-chan string
			}{{i, atR}, {r, atI}} {
				body := bytes.Repeat([]byte{byte('a' + n)}, wire.MaxMessage)
				must(t, way.from.Post(wire.TypeChunk, body))
				way.from.Flush()
				if got := <-way.to; got != "CHUNK "+string(body) {
					t.Errorf("delivered %.20q of %d bytes", got, len(got))
				}
			}
		}
		i.Close(nil)
		r.Close(nil)
		want := uint64(0)
		if c.dialler && c.acceptor {
			want = 8
		}
		for _, cfg := range []link.Config{dialler, acceptor} {
			if in, out := cfg.Counters.Bulk(); in != want || out != want {
				t.Errorf("%+v: %d bulk frames in and %d out, want %d", c, in, out, want)
			}
		}
		if i.Agreement().Bulk() != (want > 0) || i.Peer().Hello.Features&crypto.FeatureBulk != 0 != c.acceptor {
			t.Errorf("%+v: agreed on %v, the acceptor offers %b", c, i.Agreement(), i.Peer().Hello.Features)
		}
	}
}

// TestOnlyChunksLeaveInBulkFrames posts all at once and looks how it was cut.
func TestOnlyChunksLeaveInBulkFrames(t *testing.T) {
	const large, small = wire.MaxMessage, 100
	type message struct {
		t wire.Type
		n int
	}
	for name, c := range map[string]struct {
		posted []message
		want   string // of each frame its kind and number of messages
	}{
		"small chunks":         {[]message{{wire.TypeChunk, small}, {wire.TypeChunk, small}}, "token 2"},
		"one of 2 KiB":         {[]message{{wire.TypeChunk, 2 << 10}}, "token 1"},
		"one large":            {[]message{{wire.TypeChunk, large}}, "bulk 1"},
		"large ones":           {[]message{{wire.TypeChunk, large}, {wire.TypeChunk, large}, {wire.TypeChunk, large}, {wire.TypeChunk, large}}, "bulk 3, bulk 1"},
		"a large answer":       {[]message{{wire.TypeReply, large}}, "token 1"},
		"an answer among them": {[]message{{wire.TypeChunk, large}, {wire.TypeReply, small}, {wire.TypeCredit, 12}, {wire.TypeChunk, large}}, "bulk 1, token 2, bulk 1"},
		"small ones go with what is there": {[]message{
			{wire.TypePing, 8}, {wire.TypeChunk, small}, {wire.TypeChunk, large}, {wire.TypeChunk, small}, {wire.TypeCall, small}, {wire.TypeChunk, small},
		}, "token 2, bulk 2, token 2"},
		"calls with streams":     {[]message{{wire.TypeCall, large}, {wire.TypeChunk, small}, {wire.TypeCall, large}, {wire.TypeChunk, small}}, "token 4"},
		"the answer comes first": {[]message{{wire.TypeReply, small}, {wire.TypeChunk, large}}, "token 1, bulk 1"},
	} {
		l, p := rawBulkSession(t, bulkConfig("bob"))
		for _, m := range c.posted {
			must(t, l.Post(m.t, make([]byte, m.n)))
		}
		l.FlushLater()
		var got bytes.Buffer
		for n, next := 0, 0; n < len(c.posted); {
			bulk, types := p.frameKinds()
			fmt.Fprintf(&got, ", %s %d", map[bool]string{true: "bulk", false: "token"}[bulk], len(types))
			n += len(types)
			for _, typ := range types {
				if typ != c.posted[next].t {
					t.Errorf("%s: message %d is %v", name, next, typ)
				}
				next++
			}
		}
		if got.String() != ", "+c.want {
			t.Errorf("%s: %s, want %s", name, got.String()[2:], c.want)
		}
		l.Close(nil)
	}
}

func TestBulkFramesThatEndTheSession(t *testing.T) {
	frame := func(seq uint64, messages ...[]byte) []byte {
		return append(wire.BeginFrame(nil, seq), bytes.Join(messages, nil)...)
	}
	message := func(typ wire.Type, n int) []byte { return wire.AppendMessage(nil, typ, make([]byte, n)) }
	long := chunk(wire.MinMaxPlain - 1000) // with another, a record that a token could have
	for name, c := range map[string]struct {
		plain []byte
		want  link.Cause
	}{
		"a call":                {frame(1, message(wire.TypeCall, 2000)), link.CauseFrame},
		"an answer beside":      {frame(1, chunk(2000), message(wire.TypeReply, 20)), link.CauseFrame},
		"a small one first":     {frame(1, message(wire.TypePing, 8), chunk(2000)), link.CauseFrame},
		"PAD":                   {frame(1, chunk(2000), message(wire.TypePad, 20)), link.CauseFrame},
		"of a later version":    {frame(1, chunk(2000), message(0x93, 20)), link.CauseFrame},
		"KEYUPDATE":             {frame(1, chunk(2000), message(wire.TypeKeyUpdate, 0)), link.CauseFrame},
		"HELLO":                 {frame(1, message(wire.TypeHello, 2000)), link.CauseFrame},
		"unknown type":          {frame(1, message(0x30, 2000)), link.CauseFrame},
		"message cut short":     {frame(1, chunk(2000)[:1500]), link.CauseFrame},
		"another place inside":  {frame(2, chunk(2000)), link.CauseSequence},
		"longer than agreed on": {frame(1, long, chunk(2000)), link.CauseFrame},
	} {
		cfg := bulkConfig("bob")
		offer := rawOffer
		offer.Features, offer.MaxPlain = crypto.FeatureBulk, wire.MinMaxPlain
		l, p := rawSessionOffering(t, cfg, offer)
		p.sendBulk(c.plain)
		err := l.Run(func(m wire.Message) error {
			return fmt.Errorf("%s: delivered %v", name, m.Type)
		})
		if causeIs(t, err, c.want); t.Failed() {
			t.Fatal(name)
		}
		l.Close(nil)
		if in, _ := cfg.Counters.Bulk(); in != 0 || cfg.Counters.Ended(c.want) != 1 {
			t.Errorf("%s: %d bulk frames, counters %v", name, in, cfg.Counters.Snapshot())
		}
	}
}

// TestBulkFrameOnALinkWithoutEndsIt has a member seal one under the right key,
// which it can derive, although the other end agreed to none.
func TestBulkFrameOnALinkWithoutEndsIt(t *testing.T) {
	cfg := config("bob")
	l, p, _ := rawSession(t, cfg)
	must(t, p.carrier.WriteRecord(append([]byte{0x01}, make([]byte, 2000)...)))
	err := l.Run(func(wire.Message) error { return nil })
	causeIs(t, err, link.CauseToken)
	var refused *crypto.TokenError
	if !errors.As(err, &refused) || refused.Reason != crypto.ReasonBulk {
		t.Errorf("ended by %v", err)
	}
	l.Close(nil)
}

func TestHelloInABulkFrameOpensNoSession(t *testing.T) {
	cfg := bulkConfig("bob")
	offer := rawOffer
	offer.Features = crypto.FeatureBulk
	near, far, wait := accepting(cfg)
	p := rawDialOffering(t, link.Stream(near), cfg.Keys[0], offer)
	before := far.sent()
	h := p.hello()
	h.Capabilities = link.Capabilities{Version: "1"}.Encode()
	body := crypto.AppendHello(nil, h, p.secrets.Hash, nil)
	p.sendBulk(append(wire.BeginFrame(nil, 0), wire.AppendMessage(nil, wire.TypeHello, append(body, make([]byte, 2000)...))...))
	refusedFor(t, wait(), cfg, link.CauseFrame)
	if far.sent() != before {
		t.Errorf("answered %d bytes", far.sent()-before)
	}
}

// TestBulkFramesUseUpTheKey: they count as frames and bytes of the epoch, and
// the frame that ends it is a token, since it holds KEYUPDATE.
func TestBulkFramesUseUpTheKey(t *testing.T) {
	for name, c := range map[string]struct {
		rekey link.Rekey
		every int
	}{
		"frames": {link.Rekey{Frames: 4}, 4},
		"bytes":  {link.Rekey{Bytes: 50 << 10}, 5},
	} {
		cfg := bulkConfig("bob")
		cfg.Rekey = c.rekey
		l, p := rawBulkSession(t, cfg)
		last := 0
		if name == "frames" {
			last = -1 // HELLO was a frame of the first epoch
		}
		for n := range 40 {
			must(t, l.Post(wire.TypeChunk, make([]byte, 10<<10)))
			l.Flush()
			bulk, types := p.frameKinds()
			update := types[len(types)-1] == wire.TypeKeyUpdate
			if bulk == update || update != (n-last == c.every-1) {
				t.Fatalf("%s: frame %d: bulk %t, %v", name, n, bulk, types)
			}
			if update {
				last = n + 1
				p.recv.Advance()
			}
		}
		l.Close(nil)
		if _, out := cfg.Counters.Bulk(); out != uint64(40-cfg.Counters.Rekeyed()) || cfg.Counters.Rekeyed() < 8 {
			t.Errorf("%s: %d bulk frames and %d new keys of 40 frames", name, out, cfg.Counters.Rekeyed())
		}
	}
}

func TestR12_AfterRekeyTheOldBulkKeyOpensNothing(t *testing.T) {
	s := newSession(t, 3, true)
	s.send(t, true) // HELLO came before; this is a bulk frame
	old := s.iTap.captured[len(s.iTap.captured)-1]
	s.send(t, true) // with KEYUPDATE
	s.send(t, true)
	if !crypto.IsBulk(old) || !crypto.IsBulk(s.iTap.captured[len(s.iTap.captured)-1]) {
		t.Fatal("no bulk frames")
	}
	must(t, s.iTap.inject(old))
	<-s.r.Done()
	causeIs(t, s.r.Err(), link.CauseToken)
	s.close()
}

// TestR12_EveryChangedByteOfABulkFrameEndsTheSession also cuts it everywhere.
func TestR12_EveryChangedByteOfABulkFrameEndsTheSession(t *testing.T) {
	refused := func(what string, change func(frame []byte) []byte) {
		l, p := rawBulkSession(t, bulkConfig("bob"))
		frame := p.send.SealBulk(nil, append(wire.BeginFrame(nil, 1), chunk(1200)...), 1, time.Now())
		must(t, p.carrier.WriteRecord(change(frame)))
		err := l.Run(func(m wire.Message) error { return errors.New("delivered") })
		if causeIs(t, err, link.CauseToken); t.Failed() {
			t.Fatal(what)
		}
		l.Close(nil)
	}
	step := 7 // each byte in the long form
	if *long {
		step = 1
	}
	for at := 0; at < 1200+10+4+crypto.BulkOverhead-1; at += step {
		refused(fmt.Sprintf("byte %d", at), func(frame []byte) []byte {
			frame[at] ^= 1 << (at % 8)
			return frame
		})
		refused(fmt.Sprintf("cut after %d", at), func(frame []byte) []byte { return frame[:at+1] })
	}
}

// TestNothingIsSealedAfterAFailedWrite: a frame that could not be written is not
// sealed again, so no nonce is used for two messages.
func TestNothingIsSealedAfterAFailedWrite(t *testing.T) {
	a, b := memPipe()
	failing := &failingWriter{Carrier: link.Stream(a)}
	cfg := bulkConfig("alice")
	i, r := pairOver(t, failing, link.Stream(b), cfg, bulkConfig("bob"))
	failing.fails.Store(true)
	for range 10 {
		_ = i.Post(wire.TypeChunk, make([]byte, wire.MaxMessage)) // refused after the first
		i.Flush()
		i.FlushLater()
	}
	<-i.Done()
	causeIs(t, i.Err(), link.CauseBroken)
	i.Close(nil)
	r.Close(nil)
	if _, out := cfg.Counters.Bulk(); out != 1 || failing.tries.Load() != 1 {
		t.Errorf("sealed %d and wrote %d frames, want one", out, failing.tries.Load())
	}
}

// failingWriter is a carrier whose writes fail, if fails is set.
type failingWriter struct {
	link.Carrier
	fails atomic.Bool
	tries atomic.Int32
}

func (w *failingWriter) WriteRecord(body []byte) error {
	if w.fails.Load() {
		w.tries.Add(1)
		return errors.New("no route")
	}
	return w.Carrier.WriteRecord(body)
}

// TestBulkRekeyStormDeliversEverything sends chunks and small messages both ways
// under keys that last for few frames.
func TestBulkRekeyStormDeliversEverything(t *testing.T) {
	dialler, acceptor := bulkConfig("alice"), bulkConfig("bob")
	dialler.Rekey.Frames, acceptor.Rekey.Frames = 3, 4
	i, r := pair(t, dialler, acceptor)
	done := make(chan error, 2)
	const messages = 600
	for _, l := range []*link.Link{i, r} {
		next := 0
		go func() {
			err := l.Run(func(m wire.Message) error {
				if want := fmt.Sprintf("%08d", next); string(m.Body[:8]) != want {
					return fmt.Errorf("message %s, want %s", m.Body[:8], want)
				}
				if next++; next == messages {
					done <- nil
				}
				return nil
			})
			if next < messages {
				done <- err
			}
		}()
	}
	for _, l := range []*link.Link{i, r} {
		go func() {
			for n := range messages {
				typ, size := wire.TypePing, 0
				if n%3 > 0 {
					typ, size = wire.TypeChunk, n*27
				}
				if l.Room(context.Background()) != nil || l.Post(typ, fmt.Appendf(nil, "%08d", n), make([]byte, size)) != nil {
					return
				}
				l.FlushLater()
			}
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	i.Close(nil)
	r.Close(nil)
	if in, out := dialler.Counters.Bulk(); in < 20 || out < 20 {
		t.Errorf("only %d bulk frames in and %d out", in, out)
	}
}
