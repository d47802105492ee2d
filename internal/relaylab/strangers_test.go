package relaylab_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest/netlab"
	protocol "github.com/fernmesh/fernmesh/relay"
)

// TestR22_StrangersAtTheRelayPort has strangers with no key, with another
// network's key and with what they overheard at the port of a real relay. Each
// is refused, and members notice nothing.
func TestR22_StrangersAtTheRelayPort(t *testing.T) {
	t.Parallel() // it waits most of its time
	s := newSite(t, "lab")
	r := s.relay("relay", "--public-host", "198.51.100.3")
	if s.relays[0] != r.address() || !strings.HasPrefix(r.address(), r.authority()) {
		t.Fatalf("the relay's address is %q", r.address())
	}
	s.serve(s.office, "desk")
	v := &visitors{site: s, relay: r}
	v.host = s.lab.Host("stranger", s.outside)
	s.lab.WaitUsable()
	call := s.slowCall("desk", 5*time.Second, 20*time.Second)
	s.awaitRuns("desk", 1)
	v.open()
	s.want("42", s.home, "call", "desk", "math.add", "a=40", "b=2")
	t.Run("joins", v.joins)
	t.Run("talk", v.talk)
	s.want("cba", s.home, "call", "desk", "text.reverse", "text=abc")
	if got := <-call; got.err != nil || got.text != "1" {
		t.Errorf("a call beside the strangers gave %q, %v", got.text, got.err)
	}
	v.closed()
	t.Run("crowd", v.crowd)
	s.want("cba", s.home, "call", "desk", "text.reverse", "text=abc")
	if got := r.errs.String(); got != "" {
		t.Errorf("the relay complains of strangers: %s", got)
	}
}

// visitors are strangers on a host outside.
type visitors struct {
	*site
	relay *relay
	host  *netlab.Host

	slow    map[string]*raw
	began   time.Time
	dripped chan struct{}
}

// Limits of the relay for who has not joined (section 8), with room for a busy
// machine.
const (
	joinWithin = 10 * time.Second
	late       = 3 * time.Second
	halfOpen   = 256 // connections of one address that have not joined
)

// open makes connections that never get anywhere and stay open: more of them
// than one address may have.
func (v *visitors) open() {
	v.t.Helper()
	v.began = time.Now()
	v.slow = map[string]*raw{}
	for what, says := range map[string]string{
		"silent":                "",
		"half a request":        upgradeRequest[:40],
		"silent after HELLO":    upgradeRequest,
		"half a JOIN":           upgradeRequest + "\x02\x00\x00\x00\xd3abc",
		"a TLS hello, unended":  "\x16\x03\x01\x02\x00\x01",
		"a header without end":  upgradeRequest[:len(upgradeRequest)-2] + "X: ",
		"one byte now and then": "G",
	} {
		k := dialRaw(v.t, v.host, v.relay.authority())
		if _, err := io.WriteString(k.conn, says); err != nil {
			v.t.Fatal(err)
		}
		v.slow[what] = k
	}
	v.dripped = make(chan struct{})
	go drip(v.slow["one byte now and then"], v.dripped)
	// With what joins and talk need, this host stays below its share.
	for range halfOpen / 2 {
		dialRaw(v.t, v.host, v.relay.authority())
	}
}

// drip sends a request byte by byte, faster than any limit of silence, until
// the relay has had enough.
func drip(k *raw, done chan<- struct{}) {
	defer close(done)
	for _, b := range []byte(upgradeRequest[1:]) {
		if _, err := k.conn.Write([]byte{b}); err != nil {
			return
		}
		time.Sleep(200 * time.Millisecond) // this is the stranger's pace
	}
}

// closed checks that the slow ones were sent away in time, without a word of
// what they did not ask for.
func (v *visitors) closed() {
	v.t.Helper()
	for what, k := range v.slow {
		if said, err := k.ended(); err != nil || said != "" && !strings.HasPrefix(said, "HTTP/1.1 ") {
			v.t.Errorf("%s: %q, %v", what, said, err)
		}
	}
	<-v.dripped
	if took := time.Since(v.began); took > joinWithin+late {
		v.t.Errorf("the last of the slow ones was there for %v, want at most %v", took, joinWithin)
	}
}

// talk says what is no request of a member.
func (v *visitors) talk(t *testing.T) {
	for what, c := range map[string]struct{ says, answer string }{
		"garbage":       {strings.Repeat("\x00\xff\x07garbage", 2000), "HTTP/1.1 431 "},
		"a record":      {"\x00\x00\x00\x70" + strings.Repeat("x", 112) + "\r\n\r\n", "HTTP/1.1 400 "},
		"other path":    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
		"other method":  {strings.Replace(upgradeRequest, "GET", "POST", 1), "HTTP/1.1 405 "},
		"no upgrade":    {"GET " + protocol.Path + " HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426 "},
		"old HTTP":      {strings.Replace(upgradeRequest, "1.1", "1.0", 1), "HTTP/1.1 505 "},
		"open proxy":    {"CONNECT 10.2.0.2:22 HTTP/1.1\r\nHost: 10.2.0.2:22\r\n\r\n", "HTTP/1.1 404 "},
		"two hosts":     {strings.Replace(upgradeRequest, "Host: relay\r\n", "Host: relay\r\nHost: b\r\n", 1), "HTTP/1.1 400 "},
		"SEND unjoined": {upgradeRequest + string(protocol.AppendSend(nil, protocol.Record{Body: []byte("x")})), "HTTP/1.1 101 "},
		"huge frame":    {upgradeRequest + "\x02\xff\xff\xff\xff", "HTTP/1.1 101 "},
	} {
		k := dialRaw(t, v.host, v.relay.authority())
		_, _ = io.WriteString(k.conn, c.says) // the relay may hang up before it has read all
		began := time.Now()
		said, err := k.ended()
		if err != nil || !strings.HasPrefix(said, c.answer) && said != "" || said == "" && what != "garbage" {
			t.Errorf("%s: got %.80q, %v; want %q and the end", what, said, err, c.answer)
		}
		if took := time.Since(began); took > late {
			t.Errorf("%s: hung up after %v, want at once", what, took)
		}
	}
}

// crowd opens more connections than one address may have before it joins: those
// beyond are closed at once. The host must have none left from before.
func (v *visitors) crowd(t *testing.T) {
	const beyond = 16
	closed := make(chan bool)
	for range halfOpen + beyond {
		k := dialRaw(t, v.host, v.relay.authority())
		_ = k.conn.SetDeadline(time.Now().Add(late))
		go func() {
			_, err := k.ended()
			closed <- err == nil
		}()
	}
	count := 0
	for range halfOpen + beyond {
		if <-closed {
			count++
		}
	}
	if count != beyond {
		t.Errorf("of %d silent connections %d were closed at once, want %d", halfOpen+beyond, count, beyond)
	}
}

// joins tries to get into the network's room, and from another room to its
// members.
func (v *visitors) joins(t *testing.T) {
	ring, err := crypto.LoadRing(v.key)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := crypto.Derive(ring.Active(), v.network), crypto.Derive(crypto.GenerateKey(), v.network)
	dial := func() (*raw, crypto.RoomProof) {
		k := dialRaw(t, v.host, v.relay.authority())
		k.upgrade()
		return k, k.proof(v.relay.authority())
	}
	// What a member said, which a stranger may have overheard.
	member, proof := dial()
	room := ours.Room(proof.RelayID)
	good := signed(proof, room, room.ID())
	if err := member.enter(good); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		code protocol.ErrorCode
		join func(p crypto.RoomProof) protocol.Join
	}{
		"wrong room key": {protocol.RefusedProof, func(p crypto.RoomProof) protocol.Join {
			return signed(p, theirs.Room(p.RelayID), room.ID())
		}},
		"replayed join": {protocol.RefusedProof, func(crypto.RoomProof) protocol.Join { return good }},
		"replayed signature": {protocol.RefusedProof, func(p crypto.RoomProof) protocol.Join {
			j := signed(p, room, room.ID())
			j.Signature = good.Signature
			return j
		}},
		"forwarded by another host": {protocol.RefusedHost, func(p crypto.RoomProof) protocol.Join {
			p.Host = "evil.example:3376"
			return signed(p, room, room.ID())
		}},
		"a member's address": {protocol.RefusedTaken, func(p crypto.RoomProof) protocol.Join {
			p.Address = good.Address
			return signed(p, room, room.ID())
		}},
	} {
		k, p := dial()
		if err := k.enter(c.join(p)); refusal(err) != c.code {
			t.Errorf("%s: %v, want the refusal: %v", what, err, c.code)
		}
	}
	v.fromOtherRoom(t, theirs, good.Address)
	member.unheard()
}

// fromOtherRoom joins a room that is the stranger's own, and sends from there to
// a member of the network's room.
func (v *visitors) fromOtherRoom(t *testing.T, theirs *crypto.Schedule, to protocol.Addr) {
	k := dialRaw(t, v.host, v.relay.authority())
	k.upgrade()
	room := theirs.Room(k.hello.Relay)
	if err := k.enter(signed(k.proof(v.relay.authority()), room, room.ID())); err != nil {
		t.Fatal(err)
	}
	_, err := k.conn.Write(protocol.AppendSend(nil, protocol.Record{Peer: to, Session: protocol.SessionID{1}, Body: make([]byte, 112)}))
	if err != nil {
		t.Fatal(err)
	}
	frame, body, err := k.frames.Next(protocol.ToClient)
	if err != nil || frame != protocol.FrameGone {
		t.Fatalf("from another room: %v, %v; want GONE, and no UP of a member before it", frame, err)
	}
	if gone, err := protocol.ParseGone(body); err != nil || gone.Peer != to || gone.Code != protocol.GoneAbsent {
		t.Errorf("from another room: %+v, %v; want %v", gone, err, protocol.GoneAbsent)
	}
}
