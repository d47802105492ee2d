package relayserver_test

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/relayserver"
)

// FuzzServerFrames sends anything after the upgrade, and anything after JOINED.
// Whatever it is, the relay ends or keeps that one connection, a member of another
// room notices nothing, and nothing stays behind.
func FuzzServerFrames(f *testing.F) {
	someone := relay.Addr{1}
	for _, frames := range [][]byte{
		relay.AppendSend(nil, relay.Record{Peer: someone, Body: msg1()}),
		relay.AppendGone(relay.AppendCast(nil, []byte("token")), relay.Gone{Peer: someone, Code: relay.GoneClosed}),
		relay.AppendPong(relay.AppendPing(nil, relay.Echo{1}), relay.Echo{2}),
		relay.AppendJoin(nil, relay.Join{Host: "relay:3376"}),
		{byte(relay.FrameSend), 0xff, 0xff, 0xff, 0xff, 0},
	} {
		f.Add(frames, true)
		f.Add(frames, false)
	}
	limits := relayserver.Limits{Connections: 1 << 20, ConnectionsPerIP: 1 << 20, HalfOpenPerIP: 1 << 20, JoinsPerIP: 1 << 20}
	s, n := newSite(f, relayserver.Config{Limits: limits}), network()
	witness := s.rawMember(network())
	f.Fuzz(func(t *testing.T, frames []byte, joined bool) {
		here := *s
		here.t = t
		k := here.dialRaw()
		if err := k.upgrade(); err != nil {
			t.Fatal(err)
		}
		if joined {
			if err := k.enter(n, s.authority); err != nil {
				t.Fatal(err)
			}
		}
		go func() {
			k.send(frames)
			k.send(relay.AppendPing(nil, relay.Echo{0xff}))
			_ = k.conn.(interface{ CloseWrite() error }).CloseWrite()
		}()
		_ = k.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		for {
			_, _, err := k.frames.Next(relay.ToClient)
			if err == io.EOF || errors.Is(err, syscall.ECONNRESET) { // a reset if the relay left some unread
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		_ = k.conn.Close()
		witness.t = t
		witness.send(relay.AppendPing(nil, relay.Echo{}))
		witness.want("PONG 0000000000000000")
		if q := s.server.Stats().QueueBytes; q > 1<<20 {
			t.Fatalf("%d bytes are queued", q)
		}
	})
}
