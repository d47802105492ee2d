package node

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/meshtest"
)

// ledgerOf registers a command that notes which calls ran, by their argument.
func ledgerOf(t *testing.T, n *Node) func(id int64) int {
	t.Helper()
	var mu sync.Mutex
	ran := map[int64]int{}
	handle(t, n, "note", func(_ context.Context, c *commands.Call) (any, error) {
		id, err := commands.Arg[int64](c, 0)
		mu.Lock()
		defer mu.Unlock()
		ran[id]++
		return id, err
	})
	return func(id int64) int {
		mu.Lock()
		defer mu.Unlock()
		return ran[id]
	}
}

func TestR12_FramesReplayedDroppedSwappedOrChangedNeverRunTwice(t *testing.T) {
	attacks := map[string]func(now, before []byte) []byte{
		"duplicated":     func(now, _ []byte) []byte { return append(bytes.Clone(now), now...) },
		"dropped":        func(_, _ []byte) []byte { return nil },
		"replayed":       func(now, before []byte) []byte { return append(bytes.Clone(before), now...) },
		"swapped":        func(now, before []byte) []byte { return append(bytes.Clone(now), before...) },
		"cut short":      func(now, _ []byte) []byte { return now[:len(now)-1] },
		"replaced":       func(_, before []byte) []byte { return bytes.Clone(before) },
		"one bit turned": func(now, _ []byte) []byte { now = bytes.Clone(now); now[len(now)/2] ^= 1; return now },
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) { tampered(t, m, attack, nil) })
		})
		t.Run(name+", large, bulk cipher", func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				a := tampered(t, m, attack, make([]byte, 100<<10), withBulk)
				if s := a.Stats(); s.BulkFramesOut < 30 {
					t.Errorf("only %d bulk frames for 30 calls", s.BulkFramesOut)
				}
			})
		})
	}
}

// tampered makes calls one after the other, which carry ballast, and attacks a
// piece of the stream, each time another one, in either direction.
func tampered(t *testing.T, m *mesh, attack func(now, before []byte) []byte, ballast []byte, set ...func(*Config)) *Node {
	hb := m.host("b")
	a, b := m.start("a", set...), m.startOn(hb, "b", set...)
	ran := ledgerOf(t, b)
	wantOK(t, a, "b")
	var armed atomic.Bool
	var before []byte
	m.lan.Tamper(func(p *meshtest.Packet) bool {
		if !p.TCP {
			return true
		}
		if before != nil && armed.Swap(false) {
			p.Data = attack(p.Data, before)
			return p.Data != nil
		}
		before = bytes.Clone(p.Data)
		return true
	})
	for id := range int64(30) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		armed.Store(id%3 == 1)
		reply, err := a.Call(ctx, "b", "note", Args(id, ballast))
		cancel()
		if err != nil {
			t.Errorf("call %d: %v", id, err)
			continue
		}
		var got int64
		if err := reply.Decode(&got); err != nil || got != id {
			t.Errorf("call %d was answered %d, %v", id, got, err)
		}
		if ran(id) != 1 {
			t.Errorf("call %d ran %d times", id, ran(id))
		}
	}
	if a.Stats().Retries == 0 {
		t.Error("no session ended: the attack met nothing")
	}
	return a
}

func TestR23_NothingReadableOnTheWire(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		canaries := []string{"kitchen-canary", "attic-canary", "network-canary", "command.canary", "argument-canary", "answer-canary", m.key.Reveal()}
		var mu sync.Mutex
		var wire bytes.Buffer
		m.world.Tap(func(p meshtest.Packet) {
			mu.Lock()
			defer mu.Unlock()
			wire.Write(p.Data)
		})
		named := func(c *Config) { c.Network, c.BulkCipher = "network-canary", true }
		a, b := m.start("attic-canary", named), m.start("kitchen-canary", named)
		handle(t, b, "command.canary", answer("answer-canary"))
		for i := range 20 {
			wantValue(t, a, "kitchen-canary", "command.canary", "answer-canary", Args("argument-canary", i))
		}
		large := strings.Repeat("argument-canary", 10_000)
		wantValue(t, a, "kitchen-canary", "command.canary", "answer-canary", Args(large))
		if a.Stats().BulkFramesOut == 0 {
			t.Error("the large argument went in no bulk frame")
		}
		_, _ = a.Call(t.Context(), "kitchen-canary", "command.canary.missing")
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		for _, canary := range canaries {
			if bytes.Contains(wire.Bytes(), []byte(canary)) {
				t.Errorf("%q is readable on the wire", canary)
			}
		}
		if wire.Len() < 10_000 {
			t.Errorf("only %d bytes were captured: the tap is blind", wire.Len())
		}
	})
}

func TestR35_PanicsTellTheCallerAnIdOnly(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		var nothing map[string]int
		handlers := map[string]commands.Handler{
			"secret":  func(context.Context, *commands.Call) (any, error) { panic("password-canary /etc/shadow") },
			"wrapped": func(context.Context, *commands.Call) (any, error) { panic(fmt.Errorf("deep: %w", context.Canceled)) },
			"nilmap":  func(context.Context, *commands.Call) (any, error) { nothing["x"] = 1; return nil, nil },
		}
		for path, h := range handlers {
			handle(t, b, path, h)
			_, err := a.Call(t.Context(), "b", path)
			e := failure(t, err)
			if e.Code != commands.Internal || e.Executed != commands.ExecutedYes {
				t.Errorf("%s: %v", path, e)
			}
			for _, leak := range []string{"canary", "shadow", "deep", "nil map", ".go", "goroutine"} {
				if bytes.Contains([]byte(e.Message), []byte(leak)) {
					t.Errorf("%s: the message %q leaks %q", path, e.Message, leak)
				}
			}
		}
		wantOK(t, a, "b")
	})
}
