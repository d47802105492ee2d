package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// withBulk configures a node for the bulk cipher.
func withBulk(c *Config) { c.BulkCipher = true }

// TestBulkCipherNeedsBothNodes sends a large value there and back, over the LAN
// and through a relay, between nodes that both, of which one and neither of
// which ask for the bulk cipher.
func TestBulkCipherNeedsBothNodes(t *testing.T) {
	large := bytes.Repeat([]byte("fern"), 1<<18)
	without := func(*Config) {}
	for name, c := range map[string]struct {
		caller, callee func(*Config)
		cipher         string
	}{
		"both":   {withBulk, withBulk, CipherBulk},
		"caller": {withBulk, without, CipherFernet},
		"callee": {without, withBulk, CipherFernet},
		"none":   {without, without, CipherFernet},
	} {
		for _, relayed := range []bool{false, true} {
			t.Run(name+map[bool]string{false: " on a LAN", true: " behind a relay"}[relayed], func(t *testing.T) {
				inMesh(t, func(t *testing.T, m *mesh) {
					way, kind := func(*Config) {}, "lan"
					if relayed {
						kind = "relay"
						r := m.relay("relay", m.lan)
						way = func(c *Config) { c.NoLAN, c.Relays = true, []string{r.address()} }
					}
					a, b := m.start("a", way, c.caller), m.start("b", way, c.callee)
					handle(t, b, "mirror", func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[[]byte](c, 0) })
					reply, err := a.Call(t.Context(), "b", "mirror", Args(large))
					if err != nil {
						t.Fatal(err)
					}
					var got []byte
					if err := reply.Decode(&got); err != nil || !bytes.Equal(got, large) {
						t.Errorf("%d bytes came back: %v", len(got), err)
					}
					if reply.Path.Cipher != c.cipher || reply.Path.Kind != kind {
						t.Errorf("the answer came over %+v, want %s", reply.Path, c.cipher)
					}
					least := uint64(0)
					if c.cipher == CipherBulk {
						least = 1 << 20 / (64 << 10) // frames of at most 64 KiB
					}
					for _, n := range []*Node{a, b} {
						s := n.Stats()
						if kind == "lan" && s.BulkFramesOut > 1<<20/(32<<10) {
							t.Errorf("%s: %d bulk frames out: its chunks went one by one", n.Name(), s.BulkFramesOut)
						}
						if s.BulkFramesIn < least || s.BulkFramesOut < least || least == 0 && s.BulkFramesIn+s.BulkFramesOut > 0 {
							t.Errorf("%s: %d bulk frames in and %d out", n.Name(), s.BulkFramesIn, s.BulkFramesOut)
						}
					}
				})
			})
		}
	}
}

// TestSmallCallsStayTokens also tells the path of a peer and its figures.
func TestSmallCallsStayTokens(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a", withBulk), m.start("b", withBulk)
		handle(t, b, "mirror", func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[[]byte](c, 0) })
		for _, size := range []int{1, 1000, 16000} {
			if _, err := a.Call(t.Context(), "b", "mirror", Args(make([]byte, size))); err != nil {
				t.Fatal(err)
			}
		}
		if s := a.Stats(); s.BulkFramesIn+s.BulkFramesOut > 0 {
			t.Errorf("%d bulk frames in and %d out", s.BulkFramesIn, s.BulkFramesOut)
		}
		reply, err := a.Call(t.Context(), "b", "__peers__")
		if err != nil {
			t.Fatal(err)
		}
		var peers []struct {
			Paths []struct {
				Cipher string `json:"cipher"`
			} `json:"paths"`
		}
		if err := reply.Decode(&peers); err != nil || len(peers) != 1 || len(peers[0].Paths) != 1 || peers[0].Paths[0].Cipher != CipherBulk {
			t.Errorf("__peers__: %+v, %v", peers, err)
		}
	})
}

// TestR21_RekeyStormOfLargeCalls makes large calls over links whose keys last for
// 8 frames and whose sessions are renewed every 2 s: each runs once.
func TestR21_RekeyStormOfLargeCalls(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		stormy := func(c *Config) { c.Limits.RekeyFrames, c.Timers.Renew = 8, 2*time.Second }
		a, b := m.start("a", withBulk, stormy), m.start("b", withBulk, stormy)
		m.lan.SetLatency(5 * time.Millisecond)
		ran := ledgerOf(t, b)
		const calls, callers = 600, 6
		ballast := make([]byte, 90<<10)
		var next atomic.Int64
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for id := next.Add(1); id <= calls; id = next.Add(1) {
					reply, err := a.Call(t.Context(), "b", "note", Args(id, ballast))
					var got int64
					if err == nil {
						err = reply.Decode(&got)
					}
					if err != nil || got != id || ran(id) != 1 {
						t.Errorf("call %d: answered %d, ran %d times, %v", id, got, ran(id), err)
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		s := a.Stats()
		t.Logf("%d bulk frames, %d key updates, %d renewals", s.BulkFramesOut, s.KeyUpdates, s.Renewals+b.Stats().Renewals)
		if s.BulkFramesOut < calls || s.KeyUpdates < 100 || s.Renewals+b.Stats().Renewals < 2 {
			t.Error("that was no storm of bulk frames")
		}
	})
}

func TestByteStreamsUseTheBulkCipher(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a", withBulk), m.start("b", withBulk)
		l, err := b.Listen("mirror")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}()
		conn, err := a.Dial(t.Context(), "b", "mirror")
		if err != nil {
			t.Fatal(err)
		}
		sent := bytes.Repeat([]byte("stream"), 100_000)
		written := make(chan error, 1)
		go func() {
			_, err := conn.Write(sent)
			written <- err
		}()
		got := make([]byte, len(sent))
		if n, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes came back: %v", n, err)
		}
		if err := errors.Join(<-written, conn.Close()); err != nil {
			t.Error(err)
		}
		if s := a.Stats(); s.BulkFramesIn < 10 || s.BulkFramesOut < 10 {
			t.Errorf("%d bulk frames in and %d out", s.BulkFramesIn, s.BulkFramesOut)
		}
	})
}
