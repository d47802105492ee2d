package relay_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/relay"
)

// attended is a client of a station, with all that a test of sessions needs.
type attended struct {
	*seat
	c     *relay.Client
	e     *events
	ended <-chan error
}

func attend(t testing.TB, adapt func(*relay.Config)) attended {
	t.Helper()
	s := newStation(t)
	e := newEvents()
	cfg := s.config(e)
	if adapt != nil {
		adapt(&cfg)
	}
	c, k, ended := joined(t, s, cfg)
	return attended{k, c, e, ended}
}

// recv sends a record to the client.
func (a attended) recv(peer relay.Addr, s relay.SessionID, body []byte) {
	a.t.Helper()
	a.must(relay.AppendRecv(nil, relay.Record{Peer: peer, Session: s, Body: body}))
}

// gone reads the GONE that the client is to send.
func (a attended) gone(want relay.Gone) {
	a.t.Helper()
	if got, _ := relay.ParseGone(a.next(relay.FrameGone)); got != want {
		a.t.Fatalf("GONE %+v, want %+v", got, want)
	}
}

// sent reads the record that the client is to send.
func (a attended) sent() relay.Record {
	a.t.Helper()
	r, _ := relay.ParseRecord(a.next(relay.FrameSend))
	r.Body = bytes.Clone(r.Body)
	return r
}

// fails waits for the end of Run.
func (a attended) fails(want error) {
	a.t.Helper()
	if err := <-a.ended; !errors.Is(err, want) {
		a.t.Fatalf("Run returned %v, want %v", err, want)
	}
	<-a.c.Done()
	if err := a.c.Err(); !errors.Is(err, want) {
		a.t.Fatalf("Err is %v, want %v", err, want)
	}
}

// open makes a session to a member, and one record to learn its id.
func (a attended) open(peer relay.Addr) (*relay.Channel, relay.SessionID) {
	a.t.Helper()
	a.must(relay.AppendUp(nil, peer))
	a.sync()
	ch, err := a.c.Open(peer)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := ch.WriteRecord([]byte("first")); err != nil {
		a.t.Fatal(err)
	}
	r := a.sent()
	if r.Peer != peer || string(r.Body) != "first" {
		a.t.Fatalf("SEND %+v", r)
	}
	return ch, r.Session
}

func wantRead(t testing.TB, ch *relay.Channel, want string) {
	t.Helper()
	if got, err := ch.ReadRecord(1000); err != nil || string(got) != want {
		t.Fatalf("read %.40q, %v; want %.40q", got, err, want)
	}
}

func wantEnd(t testing.TB, ch *relay.Channel, code relay.GoneCode, local bool) {
	t.Helper()
	_, err := ch.ReadRecord(1000)
	var gone *relay.GoneError
	if !errors.As(err, &gone) || gone.Code != code || gone.Local != local {
		t.Fatalf("read ends with %v, want %v", err, code)
	}
	if err := ch.WriteRecord([]byte("x")); !errors.As(err, &gone) || gone.Code != code {
		t.Fatalf("write ends with %v, want %v", err, code)
	}
}

func TestMembersComeAndGo(t *testing.T) {
	a := attend(t, nil)
	a.must(relay.AppendCasted(nil, addr(1), []byte("early"))) // not up: ignored
	a.must(relay.AppendUp(nil, addr(1)))
	a.must(relay.AppendUp(nil, addr(1))) // twice: told once
	a.must(relay.AppendUp(nil, a.self))  // ourselves: not told
	a.must(relay.AppendUp(nil, addr(2)))
	a.must(relay.AppendCasted(nil, addr(1), []byte("token")))
	a.must(relay.AppendDown(nil, addr(1)))
	a.must(relay.AppendDown(nil, addr(1)))
	a.must(relay.AppendCasted(nil, addr(1), []byte("late")))
	a.must(relay.AppendDrain(nil, 7*time.Second))
	a.sync()
	if got := []relay.Addr{<-a.e.up, <-a.e.up, <-a.e.down}; got[0] != addr(1) || got[1] != addr(2) || got[2] != addr(1) {
		t.Errorf("got %v", got)
	}
	if got := <-a.e.casted; got != addr(1).String()+" token" {
		t.Errorf("casted %q", got)
	}
	if got := <-a.e.draining; got != 7*time.Second {
		t.Errorf("draining %v", got)
	}
	if n := len(a.e.up) + len(a.e.down) + len(a.e.casted); n != 0 {
		t.Errorf("%d events too many", n)
	}
	if m := a.c.Members(); len(m) != 1 || m[0] != addr(2) {
		t.Errorf("members %v", m)
	}
}

func TestTooManyMembersEndTheConnection(t *testing.T) {
	a := attend(t, func(c *relay.Config) { c.Limits.Members = 10 })
	for n := range uint32(11) {
		a.must(relay.AppendUp(nil, addr(n+1)))
	}
	a.fails(relay.ErrProtocol)
}

func TestCast(t *testing.T) {
	a := attend(t, nil)
	token := bytes.Repeat([]byte("t"), relay.MaxToken)
	if err := a.c.Cast(token); err != nil {
		t.Fatal(err)
	}
	if got := a.next(relay.FrameCast); !bytes.Equal(got, token) {
		t.Errorf("CAST of %d bytes", len(got))
	}
	if err := a.c.Cast(append(token, 'x')); !errors.Is(err, relay.ErrTokenLength) {
		t.Errorf("a long one: %v", err)
	}
	if err := a.c.Cast(nil); !errors.Is(err, relay.ErrTokenLength) {
		t.Errorf("none: %v", err)
	}
	a.c.Close(nil)
	if err := a.c.Cast(token); !errors.Is(err, relay.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestSessionCarriesRecords(t *testing.T) {
	a := attend(t, nil)
	ch, id := a.open(addr(1))
	other, otherID := a.open(addr(1))
	if id == otherID {
		t.Fatal("two sessions have one id")
	}
	a.recv(addr(1), otherID, []byte("for the other"))
	a.recv(addr(1), id, []byte("one"))
	a.recv(addr(1), id, []byte("two"))
	wantRead(t, ch, "one")
	wantRead(t, ch, "two")
	wantRead(t, other, "for the other")

	large := bytes.Repeat([]byte("x"), wire.MaxRecord)
	if err := ch.WriteRecord(large); err != nil {
		t.Fatal(err)
	}
	if r := a.sent(); r.Session != id || !bytes.Equal(r.Body, large) {
		t.Errorf("sent %d bytes in %v", len(r.Body), r.Session)
	}
	for _, n := range []int{0, wire.MaxRecord + 1} {
		if err := ch.WriteRecord(make([]byte, n)); !errors.Is(err, relay.ErrRecordLength) {
			t.Errorf("record of %d bytes: %v", n, err)
		}
	}
	a.recv(addr(1), id, large)
	if _, err := ch.ReadRecord(wire.HandshakeLen); !errors.Is(err, wire.ErrRecordLength) {
		t.Errorf("a record above the reader's limit: %v", err)
	}
}

// SECURITY row 6: what the handshake binds to.
func TestR15_PathNamesRelayAndBothAddresses(t *testing.T) {
	a := attend(t, nil)
	out, _ := a.open(addr(1))
	a.recv(addr(1), session(9), msg1(1))
	in := <-a.e.accepted
	id, self, peer := a.c.RelayID(), a.c.Self(), addr(1)
	if want := append(append(id[:], self[:]...), peer[:]...); !bytes.Equal(out.Path(), want) || !out.Initiator() {
		t.Errorf("initiator's path %x, want %x", out.Path(), want)
	}
	if want := append(append(id[:], peer[:]...), self[:]...); !bytes.Equal(in.Path(), want) || in.Initiator() {
		t.Errorf("responder's path %x, want %x", in.Path(), want)
	}
	if in.Transport() != crypto.TransportRelay || in.Remote() != "relay relay:3376" || in.Peer() != peer {
		t.Errorf("transport %v, remote %q, peer %v", in.Transport(), in.Remote(), in.Peer())
	}
}

// Section 8: a 112-byte record for an unknown session is msg1; any other gets
// one GONE.
func TestUnknownSessions(t *testing.T) {
	a := attend(t, nil)
	a.recv(addr(1), session(1), []byte("what"))
	a.gone(relay.Gone{Peer: addr(1), Session: session(1), Code: relay.GoneUnknown})
	for range 100 {
		a.recv(addr(1), session(1), []byte("what"))
	}
	a.recv(addr(1), session(2), make([]byte, 111))
	a.gone(relay.Gone{Peer: addr(1), Session: session(2), Code: relay.GoneUnknown})
	a.recv(addr(1), session(3), make([]byte, 113))
	a.gone(relay.Gone{Peer: addr(1), Session: session(3), Code: relay.GoneUnknown})

	a.recv(addr(1), session(1), msg1(7)) // also after a GONE
	a.recv(addr(2), session(1), msg1(8)) // the id of another peer's
	a.recv(addr(1), session(1), []byte("more"))
	first, second := <-a.e.accepted, <-a.e.accepted
	wantRead(t, first, string(msg1(7)))
	wantRead(t, first, "more")
	wantRead(t, second, string(msg1(8)))
	if first.Peer() != addr(1) || second.Peer() != addr(2) {
		t.Errorf("peers %v, %v", first.Peer(), second.Peer())
	}
	// GONE of an unknown session is not answered.
	a.must(relay.AppendGone(nil, relay.Gone{Peer: addr(5), Session: session(5), Code: relay.GoneClosed}))
	a.sync()
}

// A second msg1 for a session is a record of it, not a session more: its
// handshake will not take it.
func TestDuplicateSession(t *testing.T) {
	a := attend(t, nil)
	a.recv(addr(1), session(1), msg1(1))
	a.recv(addr(1), session(1), msg1(2))
	ch := <-a.e.accepted
	wantRead(t, ch, string(msg1(1)))
	wantRead(t, ch, string(msg1(2)))
	a.sync()
	if len(a.e.accepted) != 0 {
		t.Error("it was accepted twice")
	}
	// Nor is msg1 in a session that we opened.
	out, id := a.open(addr(1))
	a.recv(addr(1), id, msg1(3))
	wantRead(t, out, string(msg1(3)))
	a.sync()
	if len(a.e.accepted) != 0 {
		t.Error("our own session was accepted")
	}
}

func TestGoneEndsTheSession(t *testing.T) {
	for code := relay.GoneCode(0); code < 7; code++ {
		a := attend(t, nil)
		ch, id := a.open(addr(1))
		other, otherID := a.open(addr(1))
		a.recv(addr(1), id, []byte("last words"))
		a.must(relay.AppendGone(nil, relay.Gone{Peer: addr(1), Session: id, Code: code}))
		a.sync()
		wantRead(t, ch, "last words") // what came before is not lost
		wantEnd(t, ch, code, false)
		if _, err := ch.ReadRecord(9); errors.Is(err, io.EOF) != (code == relay.GoneClosed) {
			t.Errorf("code %v: is EOF: %v", code, err)
		}
		_ = ch.Close() // sends nothing: the peer knows
		a.recv(addr(1), otherID, []byte("alive"))
		wantRead(t, other, "alive")
		a.sync()
		if _, err := ch.ReadRecord(9); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func TestDownEndsAllSessionsOfTheAddress(t *testing.T) {
	a := attend(t, nil)
	one, oneID := a.open(addr(1))
	a.recv(addr(1), session(9), msg1(1))
	two := <-a.e.accepted
	three, threeID := a.open(addr(2))
	a.must(relay.AppendDown(nil, addr(1)))
	a.sync()
	wantRead(t, two, string(msg1(1)))
	wantEnd(t, one, relay.GoneAbsent, true)
	wantEnd(t, two, relay.GoneAbsent, true)
	a.recv(addr(2), threeID, []byte("alive"))
	wantRead(t, three, "alive")
	if _, err := a.c.Open(addr(1)); err == nil {
		t.Error("a session to an absent member")
	}
	// The session is unknown now.
	a.recv(addr(1), oneID, []byte("late"))
	a.gone(relay.Gone{Peer: addr(1), Session: oneID, Code: relay.GoneUnknown})
}

func TestCloseTellsThePeerOnce(t *testing.T) {
	a := attend(t, nil)
	ch, id := a.open(addr(1))
	for n := range 5 {
		if err := ch.WriteRecord(fmt.Append(nil, "record ", n)); err != nil {
			t.Fatal(err)
		}
	}
	_ = ch.Close()
	_ = ch.Close()
	if err := ch.WriteRecord([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
	for n := range 5 { // the records leave first
		if r := a.sent(); string(r.Body) != fmt.Sprint("record ", n) {
			t.Errorf("sent %q", r.Body)
		}
	}
	a.gone(relay.Gone{Peer: addr(1), Session: id, Code: relay.GoneClosed})
	a.recv(addr(1), id, []byte("under way")) // no second GONE
	a.sync()
}

func TestCloseWakesReaderAndWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attend(t, nil)
		ch, _ := a.open(addr(1))
		read, written := make(chan error), make(chan error)
		go func() { _, err := ch.ReadRecord(9); read <- err }()
		go func() { written <- flood(ch) }() // nobody reads at the relay
		synctest.Wait()
		_ = ch.Close()
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read: %v", err)
		}
		if err := <-written; !errors.Is(err, net.ErrClosed) {
			t.Errorf("write: %v", err)
		}
		a.c.Close(errors.New("done"))
	})
}

// R32's client side: what a reader does not take is bounded, and overflow ends
// the one session, with a GONE to the peer.
func TestR32_OverflowEndsTheSession(t *testing.T) {
	a := attend(t, func(c *relay.Config) { c.Limits.ChannelQueue = 10_000 })
	ch, id := a.open(addr(1))
	other, otherID := a.open(addr(1))
	for range 11 {
		a.recv(addr(1), id, bytes.Repeat([]byte("x"), 960))
	}
	a.gone(relay.Gone{Peer: addr(1), Session: id, Code: relay.GoneOverflow})
	for range 10 {
		wantRead(t, ch, strings.Repeat("x", 960))
	}
	wantEnd(t, ch, relay.GoneOverflow, true)
	a.recv(addr(1), otherID, []byte("alive"))
	wantRead(t, other, "alive")
}

// What an overflown channel had to say is dropped: the GONE does not wait for it.
func TestR32_OverflowDropsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attend(t, func(c *relay.Config) { c.Limits.ChannelQueue = 500 })
		ch, id := a.open(addr(1))
		_ = ch.SetWriteDeadline(time.Now().Add(time.Millisecond))
		for ch.WriteRecord(make([]byte, 3000)) == nil {
		}
		a.recv(addr(1), id, make([]byte, 600))
		synctest.Wait()
		total := 0
		for {
			typ, body, err := a.frames.Next(relay.ToRelay)
			if err != nil {
				t.Fatal(err)
			}
			if typ == relay.FrameGone {
				break
			}
			total += len(body)
		}
		if total > 120_000 { // a window and a batch
			t.Errorf("%d bytes went before GONE", total)
		}
	})
}

func TestR32_SmallRecordsAreBoundedToo(t *testing.T) {
	a := attend(t, func(c *relay.Config) { c.Limits.ChannelQueue = 10_000 })
	_, id := a.open(addr(1))
	for range 400 {
		a.recv(addr(1), id, []byte("x"))
	}
	a.gone(relay.Gone{Peer: addr(1), Session: id, Code: relay.GoneOverflow})
}

func TestR32_AllQueuesTogetherAreBounded(t *testing.T) {
	a := attend(t, func(c *relay.Config) { c.Limits.Queue = 10_000 })
	one, oneID := a.open(addr(1))
	_, twoID := a.open(addr(1))
	for range 5 {
		a.recv(addr(1), oneID, make([]byte, 960))
		a.recv(addr(1), twoID, make([]byte, 960))
	}
	a.recv(addr(1), twoID, make([]byte, 960)) // the eleventh
	a.gone(relay.Gone{Peer: addr(1), Session: twoID, Code: relay.GoneOverflow})
	_ = one.Close() // what it held is free again
	a.gone(relay.Gone{Peer: addr(1), Session: oneID, Code: relay.GoneClosed})
	three, threeID := a.open(addr(1))
	for range 4 {
		a.recv(addr(1), threeID, make([]byte, 960))
	}
	for range 4 {
		wantRead(t, three, string(make([]byte, 960)))
	}
}

func TestTooManySessions(t *testing.T) {
	a := attend(t, func(c *relay.Config) { c.Limits.Sessions, c.Limits.Accepted = 4, 2 })
	for n := range uint32(3) {
		a.recv(addr(1), session(n), msg1(byte(n)))
	}
	a.gone(relay.Gone{Peer: addr(1), Session: session(2), Code: relay.GoneOverflow})
	one, id := a.open(addr(1)) // others' sessions leave room for our own
	_, _ = a.open(addr(1))
	if _, err := a.c.Open(addr(1)); !errors.Is(err, relay.ErrTooManySessions) {
		t.Errorf("the fifth: %v", err)
	}
	_ = one.Close()
	a.gone(relay.Gone{Peer: addr(1), Session: id, Code: relay.GoneClosed})
	_, _ = a.open(addr(1))
	_ = (<-a.e.accepted).Close()
	a.gone(relay.Gone{Peer: addr(1), Session: session(0), Code: relay.GoneClosed})
	a.recv(addr(1), session(7), msg1(7))
	a.sync()
	if len(a.e.accepted) != 2 {
		t.Errorf("%d sessions were accepted", len(a.e.accepted))
	}
}

func TestOwnRecordComingBackEndsTheConnection(t *testing.T) {
	a := attend(t, nil)
	a.recv(a.self, session(1), msg1(1))
	a.fails(relay.ErrProtocol)
}

func TestFramesOfTheOtherDirectionEndTheConnection(t *testing.T) {
	for name, frame := range map[string][]byte{
		"SEND":       relay.AppendSend(nil, relay.Record{Body: []byte("x")}),
		"CAST":       relay.AppendCast(nil, []byte("x")),
		"HELLO":      relay.AppendHello(nil, relay.Hello{}),
		"unknown":    {0x6f, 0, 0, 0, 0},
		"a bomb":     {7, 0xff, 0xff, 0xff, 0xff},
		"short DOWN": {5, 0, 0, 0, 15},
		"empty RECV": {7, 0, 0, 0, 24},
		"long ERROR": {14, 0, 0, 0xff, 0xff},
	} {
		a := attend(t, nil)
		ch, _ := a.open(addr(1))
		a.must(frame)
		a.fails(relay.ErrProtocol)
		var lost *relay.LostError
		if _, err := ch.ReadRecord(9); !errors.As(err, &lost) || !errors.Is(err, relay.ErrProtocol) {
			t.Errorf("%s: the channel ends with %v", name, err)
		}
	}
}

func TestRelaysEndOfTheConnection(t *testing.T) {
	a := attend(t, nil)
	ch, id := a.open(addr(1))
	a.recv(addr(1), id, []byte("last words"))
	a.must(relay.AppendError(nil, &relay.RefusedError{Code: relay.RefusedDraining, RetryAfter: time.Second, Text: "bye"}))
	err := <-a.ended
	var refused *relay.RefusedError
	if !errors.As(err, &refused) || refused.Code != relay.RefusedDraining || refused.RetryAfter != time.Second {
		t.Errorf("Run returned %v", err)
	}
	wantRead(t, ch, "last words")
	var lost *relay.LostError
	if _, err := ch.ReadRecord(9); !errors.As(err, &lost) || lost.Relay != "relay:3376" || errors.Is(err, io.EOF) {
		t.Errorf("the channel ends with %v", err)
	}
	if _, err := a.c.Open(addr(1)); !errors.As(err, &refused) {
		t.Errorf("Open: %v", err)
	}

	b := attend(t, nil)
	ch, _ = b.open(addr(1))
	_ = b.conn.Close()
	b.fails(relay.ErrHungUp)
	if err := ch.WriteRecord([]byte("x")); !errors.Is(err, relay.ErrHungUp) {
		t.Errorf("write: %v", err)
	}
}

func TestClientCloseLetsTheLastWordsLeave(t *testing.T) {
	a := attend(t, nil)
	ch, _ := a.open(addr(1))
	for range 100 {
		if err := ch.WriteRecord(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	a.c.Close(nil)
	for range 100 {
		a.sent()
	}
	if _, _, err := a.frames.Next(relay.ToRelay); err != io.EOF {
		t.Errorf("then %v", err)
	}
	a.fails(relay.ErrClosed)
	if _, err := ch.ReadRecord(9); !errors.Is(err, relay.ErrClosed) {
		t.Errorf("read: %v", err)
	}
}

func TestRunTwice(t *testing.T) {
	a := attend(t, nil)
	a.sync()
	if err := a.c.Run(); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("the second Run returned %v", err)
	}
	a.sync() // the first goes on
}

func TestClientCloseWithACause(t *testing.T) {
	a := attend(t, nil)
	cause := errors.New("moved")
	a.c.Close(cause)
	a.c.Close(nil) // the first cause stays
	a.fails(cause)
}

// A client that is closed by its own Handler does not wait for itself.
func TestCloseInAHandler(t *testing.T) {
	s := newStation(t)
	h := &closing{events: newEvents()}
	c, k, ended := joined(t, s, s.config(h))
	h.c.Store(c)
	k.must(relay.AppendUp(nil, addr(1)))
	if err := <-ended; !errors.Is(err, relay.ErrClosed) {
		t.Errorf("Run returned %v", err)
	}
}

func TestPanicInAHandlerEndsTheConnectionOnly(t *testing.T) {
	s := newStation(t)
	_, k, ended := joined(t, s, s.config(&closing{events: newEvents()})) // no client to close
	k.must(relay.AppendUp(nil, addr(1)))
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "panic") {
		t.Errorf("Run returned %v", err)
	}
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attend(t, nil)
		ch, id := a.open(addr(1))
		start := time.Now()
		_ = ch.SetReadDeadline(start.Add(3 * time.Second))
		if _, err := ch.ReadRecord(9); !isTimeout(err) || time.Since(start) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if _, err := ch.ReadRecord(9); !isTimeout(err) {
			t.Errorf("again: %v", err)
		}
		_ = ch.SetReadDeadline(time.Time{})
		a.recv(addr(1), id, []byte("now"))
		wantRead(t, ch, "now")

		// A deadline set later ends a wait that has begun.
		time.AfterFunc(2*time.Second, func() { _ = ch.SetReadDeadline(time.Now()) })
		if _, err := ch.ReadRecord(9); !isTimeout(err) {
			t.Errorf("set while waiting: %v", err)
		}
	})
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestErrorsAndIDsInWords(t *testing.T) {
	for got, want := range map[string]string{
		(&relay.GoneError{Code: relay.GoneOverflow}).Error():                    "relay: session ended: overflow",
		(&relay.LostError{Relay: "r:1", Cause: relay.ErrSilent}).Error():        "relay: connection to r:1 lost: relay: the relay does not answer",
		(&relay.RefusedError{Code: relay.RefusedFull, Text: "no \a"}).Error():   `relay: refused: full: "no \a"`,
		(&relay.RefusedError{Code: relay.RefusedHost}).Error():                  "relay: refused: host refused",
		(&relay.UpgradeError{Reason: "it is not", Hint: "try another"}).Error(): "relay: no relay here: it is not (try another)",
		a1.String(): a1hex,
		s1.String(): s1hex,
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
