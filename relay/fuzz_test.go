package relay_test

import (
	"bytes"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/relay"
)

// FuzzFrames feeds bytes to the readers of both sides in all their states. What
// a reader gives, the parsers read and the appenders write again as it was.
func FuzzFrames(f *testing.F) {
	var all []byte
	for _, g := range golden {
		f.Add(g.frame)
		all = append(all, g.frame...)
	}
	f.Add(all)
	f.Add([]byte{7, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{6, 0x80, 0, 0, 30})
	again := map[relay.FrameType]func([]byte) ([]byte, error){}
	for _, g := range golden {
		again[relay.FrameType(g.frame[0])] = g.again
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		for _, allowed := range []relay.FrameSet{relay.AwaitHello, relay.AwaitJoin, relay.AwaitJoined, relay.ToClient, relay.ToRelay} {
			r := &counting{r: bytes.NewReader(stream), most: 1000}
			frames := relay.NewFrameReader(r, 512)
			for at := 0; ; {
				typ, body, err := frames.Next(allowed)
				if err != nil {
					break
				}
				if !allowed.Has(typ) {
					t.Fatalf("%v is not allowed", typ)
				}
				whole := stream[at : at+relay.HeaderLen+len(body)]
				at += len(whole)
				b, err := again[typ](body)
				if err != nil {
					if typ != relay.FrameJoin || !errors.Is(err, relay.ErrMalformed) {
						t.Fatalf("%v: %v", typ, err)
					}
					continue
				}
				if !bytes.Equal(b, whole) && !lossy(typ) {
					t.Fatalf("%v %x is written again as %x", typ, whole, b)
				}
			}
			if r.asked > max(512, 2*len(stream)) {
				t.Fatalf("a buffer of %d bytes for %d", r.asked, len(stream))
			}
		}
	})
}

// lossy reports whether a frame has what is ignored (flags) or clamped (times).
func lossy(t relay.FrameType) bool {
	return t == relay.FrameHello || t == relay.FrameDrain || t == relay.FrameError
}

// FuzzClientFrames lets an evil relay send any bytes to a joined client that has
// sessions of both kinds. The client must end with a typed error, or with the
// stream, and hold little memory at any time.
func FuzzClientFrames(f *testing.F) {
	for _, g := range golden {
		f.Add(g.frame)
	}
	var mixed []byte
	for n := range uint32(20) {
		mixed = relay.AppendUp(mixed, addr(n))
		mixed = relay.AppendRecv(mixed, relay.Record{Peer: addr(n), Session: session(n % 3), Body: msg1(1)})
		mixed = relay.AppendRecv(mixed, relay.Record{Peer: addr(n), Session: session(n % 5), Body: make([]byte, n*100+1)})
		mixed = relay.AppendGone(mixed, relay.Gone{Peer: addr(n / 2), Session: session(n % 3), Code: relay.GoneCode(n)})
	}
	f.Add(append(mixed, relay.AppendDown(nil, addr(1))...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		s := newStation(t)
		h := &hoarder{}
		cfg := s.config(h)
		cfg.Limits = relay.Limits{Sessions: 16, Accepted: 8, Members: 16, ChannelQueue: 8 << 10, Queue: 32 << 10}
		cfg.Timers.Write = time.Second
		c, k, ended := joined(t, s, cfg)
		go k.until()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = k.send(relay.AppendUp(nil, addr(1)))
		_ = k.send(stream)
		_ = k.conn.Close()
		if err := <-ended; !expected(err) {
			t.Fatalf("Run returned %v", err)
		}
		runtime.ReadMemStats(&after)
		if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 4<<20+16*int64(len(stream)) {
			t.Fatalf("%d bytes were allocated for %d", grown, len(stream))
		}
		if len(c.Members()) > 16 || h.accepted > len(stream) {
			t.Fatalf("%d members, %d sessions", len(c.Members()), h.accepted)
		}
	})
}

// expected reports whether an error is one that a relay can bring about.
func expected(err error) bool {
	var refused *relay.RefusedError
	for _, want := range []error{relay.ErrHungUp, relay.ErrProtocol, relay.ErrNotReading, relay.ErrMalformed} {
		if errors.Is(err, want) {
			return true
		}
	}
	var reset *net.OpError // the station closes with bytes unread
	return errors.As(err, &refused) || errors.As(err, &reset)
}

// hoarder is a Handler that accepts sessions, answers every other one and closes
// every third.
type hoarder struct{ accepted int }

func (h *hoarder) Up(relay.Addr)             {}
func (h *hoarder) Down(relay.Addr)           {}
func (h *hoarder) Casted(relay.Addr, []byte) {}
func (h *hoarder) Draining(time.Duration)    {}
func (h *hoarder) Accept(ch *relay.Channel) {
	h.accepted++
	if h.accepted%2 == 0 {
		_ = ch.SetWriteDeadline(time.Now())
		_ = ch.WriteRecord([]byte("answer"))
	}
	if h.accepted%3 == 0 {
		_ = ch.Close()
	}
}

// FuzzParseAddress checks that what is accepted has one reading: it is written
// and read back as the same, and holds nothing that would mean something in an
// HTTP header or a URL.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{
		"relay.example", "https://relay.example:8443/#" + strings.Repeat("ab", 32), "[fe80::1%eth0]:1", "http://[::1]", "127.1", "::1", "a@b", "%", "[::ffff:1.2.3.4]:9",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := relay.ParseAddress(s)
		if err != nil {
			if !errors.Is(err, relay.ErrBadAddress) || a != (relay.Address{}) {
				t.Fatalf("%q: %+v, %v", s, a, err)
			}
			return
		}
		b, err := relay.ParseAddress(a.String())
		if err != nil || a != b || b.String() != a.String() {
			t.Fatalf("%q is %+v, and again %+v, %v", s, a, b, err)
		}
		if strings.ContainsAny(a.Authority, " \t\r\n/?#@\\\"") || strings.ToLower(a.Authority) != a.Authority || len(a.Authority) > relay.MaxHost {
			t.Fatalf("%q has the authority %q", s, a.Authority)
		}
	})
}

// FuzzUpgradeAnswer checks the parser of what comes before the frames.
func FuzzUpgradeAnswer(f *testing.F) {
	f.Add([]byte(switching + "\x01rest"))
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"))
	f.Add([]byte("\x15\x03\x01"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		rest, err := relay.ReadUpgrade(bytes.NewReader(answer))
		var refused *relay.UpgradeError
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("%q: %v", answer, err)
		}
		if err == nil && (!bytes.HasSuffix(answer, rest) || !bytes.HasPrefix(answer, []byte("HTTP/1."))) {
			t.Fatalf("%q leaves %q", answer, rest)
		}
	})
}
