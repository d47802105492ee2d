package link_test

import (
	"errors"
	"testing"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// FuzzMemberFrames has a bad member, who holds the network key, seal any
// plaintext as its first frame after HELLO.
func FuzzMemberFrames(f *testing.F) {
	f.Add(wire.AppendMessage(wire.BeginFrame(nil, 1), wire.TypePing, make([]byte, 8)))
	f.Add(wire.AppendMessage(wire.BeginFrame(nil, 1), wire.TypeKeyUpdate))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x14, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, plain []byte) {
		if len(plain) > wire.MaxPlain {
			return
		}
		l, p, _ := rawSession(t, config("bob"))
		p.sendPlain(plain)
		must(t, p.carrier.Close())
		err := l.Run(func(m wire.Message) error {
			if len(m.Body) > wire.MaxMessage {
				t.Errorf("delivered %d bytes", len(m.Body))
			}
			return nil
		})
		l.Close(nil)
		var e *link.Error
		if !errors.As(err, &e) || e.Cause == link.CausePanic {
			t.Errorf("ended by %v", err)
		}
	})
}

// FuzzMemberBulkFrames is FuzzMemberFrames for bulk frames, which deliver CHUNKs
// and nothing else, and for what else is no good bulk frame.
func FuzzMemberBulkFrames(f *testing.F) {
	f.Add(append(wire.BeginFrame(nil, 1), chunk(1100)...), []byte(nil))
	f.Add(append(wire.BeginFrame(nil, 1), chunk(5000)...), wire.AppendMessage(nil, wire.TypePing, make([]byte, 8)))
	f.Add(append(wire.BeginFrame(nil, 2), chunk(1100)...), []byte{0x7f, 0})
	f.Add([]byte{0x01}, []byte{0x02, 0})
	f.Fuzz(func(t *testing.T, plain, more []byte) {
		l, p := rawBulkSession(t, bulkConfig("bob"))
		if plain = append(plain, more...); len(plain) >= crypto.MinBulkPlain && len(plain) <= wire.MaxPlain {
			p.sendBulk(plain)
		} else if len(plain) > 0 && len(plain) < wire.MaxRecord { // as it is
			must(t, p.carrier.WriteRecord(append([]byte{0x01}, plain...)))
		}
		must(t, p.carrier.Close())
		err := l.Run(func(m wire.Message) error {
			if m.Type != wire.TypeChunk || len(m.Body) > wire.MaxMessage || !wire.OnlyChunks(plain[wire.FrameHeader:]) {
				t.Errorf("delivered %v of %d bytes", m.Type, len(m.Body))
			}
			return nil
		})
		l.Close(nil)
		var e *link.Error
		if !errors.As(err, &e) || e.Cause == link.CausePanic {
			t.Errorf("ended by %v", err)
		}
	})
}

// FuzzAcceptHello has a bad member send any plaintext as its HELLO frame. The
// responder opens a session or says nothing.
func FuzzAcceptHello(f *testing.F) {
	f.Add(wire.AppendMessage(wire.BeginFrame(nil, 0), wire.TypeHello, make([]byte, 40)))
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x1e\x01aaaaaaaaaaaaaaaa\x01b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"))
	f.Fuzz(func(t *testing.T, plain []byte) {
		if len(plain) > wire.MaxPlain {
			return
		}
		cfg := config("bob")
		near, far, wait := accepting(cfg)
		p := rawDial(t, link.Stream(near), cfg.Keys[0])
		before := far.sent()
		p.sendPlain(plain)
		near.closeWrite()
		r := wait()
		var refused *link.RefusedError
		switch {
		case r.l != nil:
			r.l.Close(nil)
		case far.sent() != before && !errors.As(r.err, &refused):
			t.Errorf("answered %d bytes to %v", far.sent()-before, r.err)
		}
		must(t, near.Close())
	})
}
