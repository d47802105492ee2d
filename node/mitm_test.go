package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
)

// between is a member of the network that stands between a and b, which are on
// LANs of their own: towards a it is "b", towards b it is "a". It ends both
// handshakes with an identity of its own and passes calls on.
type between struct {
	asB, asA *Node
	passed   int
}

// intrude starts the two faces of a member in the middle.
func (m *mesh) intrude(atA, atB *meshtest.Host) *between {
	m.t.Helper()
	id := crypto.NewIdentity()
	face := func(h *meshtest.Host, name string) *Node {
		cfg := m.config(name, h)
		cfg.Identity = id
		n, err := New(cfg)
		if err != nil {
			m.t.Fatal(err)
		}
		if err := n.Start(m.t.Context()); err != nil {
			m.t.Fatal(err)
		}
		return n
	}
	x := &between{asB: face(atA, "b"), asA: face(atB, "a")}
	handle(m.t, x.asB, "note", func(ctx context.Context, c *commands.Call) (any, error) {
		x.passed++
		v, err := commands.Arg[int64](c, 0)
		if err != nil {
			return nil, err
		}
		reply, err := x.asA.Call(ctx, "b", "note", Args(v))
		if err != nil {
			return nil, err
		}
		return reply.Value()
	})
	return x
}

func (x *between) leave(t *testing.T) {
	shutdown(t, x.asB)
	shutdown(t, x.asA)
}

// victims is a and b on LANs of their own, with a host of the intruder on each.
type victims struct {
	a, b     *Node
	ran      func(int64) int
	atA, atB *meshtest.Host
	east     *meshtest.LAN // that of a
}

// apart starts a and b out of each other's sight; set changes both configurations.
func (m *mesh) apart(a, b *crypto.Identity, set func(name string, c *Config)) *victims {
	m.t.Helper()
	east, west := m.world.LAN("east", "10.2.0.0/24"), m.world.LAN("west", "10.3.0.0/24")
	is := func(name string, id *crypto.Identity) func(*Config) {
		return func(c *Config) { c.Identity = id; set(name, c) }
	}
	p := &victims{
		a:    m.startOn(m.world.Host("a", east), "a", is("a", a)),
		b:    m.startOn(m.world.Host("b", west), "b", is("b", b)),
		east: east,
		atA:  m.world.Host("middle-east", east), atB: m.world.Host("middle-west", west),
	}
	p.ran = ledgerOf(m.t, p.b)
	return p
}

// tries is how often a member in the middle tries.
func tries() int {
	if *long {
		return 1000
	}
	return 50
}

// withstand has members in the middle try to pass a call of a on to b, and to
// call a and b under the name of the other.
func withstand(t *testing.T, m *mesh, p *victims) {
	t.Helper()
	handle(t, p.a, "note", answer("a ran it"))
	passed := 0
	for i := range int64(tries()) {
		x := m.intrude(p.atA, p.atB)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		reply, err := p.a.Call(ctx, "b", "note", Args(i))
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Code != uint16(byeNotAllowed) || refused.Hint == "" {
			t.Errorf("try %d: a was answered %v, %v; want a refusal with a hint", i, reply, err)
		}
		if e := failure(t, err); e.Executed != commands.ExecutedNo || e.Hint != refused.Hint {
			t.Errorf("try %d: %+v, want one that did not run and says what to do", i, e)
		}
		for _, face := range []struct {
			n      *Node
			victim string
		}{{x.asB, "a"}, {x.asA, "b"}} {
			if _, err := face.n.Call(ctx, face.victim, "note", Args(i)); err == nil {
				passed++
			} else if !errors.As(err, &refused) || refused.Code != uint16(byeNotAllowed) {
				t.Errorf("try %d: %s refused its double with %v", i, face.victim, err)
			}
		}
		cancel()
		if passed += x.passed + p.ran(i); passed > 0 {
			t.Fatalf("try %d passed", i)
		}
		x.leave(t)
	}
	t.Logf("%d tries, %d passed", tries(), passed)
}

func TestR17_AMemberInTheMiddleDoesNotPassByFirstUse(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		dir := t.TempDir()
		a, b := crypto.NewIdentity(), crypto.NewIdentity()
		set := func(_ string, c *Config) { c.Trust, c.StateDir = TrustTOFU, dir }
		m.firstMeeting(a, b, set)
		withstand(t, m, m.apart(a, b, set))
	})
}

// firstMeeting has a and b meet, and end.
func (m *mesh) firstMeeting(a, b *crypto.Identity, set func(string, *Config)) {
	m.t.Helper()
	na := m.start("a", func(c *Config) { c.Identity = a; set("a", c) })
	nb := m.start("b", func(c *Config) { c.Identity = b; set("b", c) })
	wantOK(m.t, na, "b")
	shutdown(m.t, na)
	shutdown(m.t, nb)
}

func TestR17_AMemberInTheMiddleDoesNotPassPins(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := crypto.NewIdentity(), crypto.NewIdentity()
		withstand(t, m, m.apart(a, b, func(_ string, c *Config) {
			c.Trust, c.Pins = TrustPinned, map[string]crypto.NodeKey{"a": a.Public(), "b": b.Public()}
		}))
	})
}

// What the network's key alone cannot stop, as docs/security.md says: without
// this the tests above would prove nothing.
func TestR17_AMemberInTheMiddlePassesWhereTheNetworkIsTrusted(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		p := m.apart(crypto.NewIdentity(), crypto.NewIdentity(), func(string, *Config) {})
		x := m.intrude(p.atA, p.atB)
		defer x.leave(t)
		wantValue(t, p.a, "b", "note", int64(7), Args(7))
		if x.passed != 1 || p.ran(7) != 1 {
			t.Errorf("the call went around: %d passed, %d ran", x.passed, p.ran(7))
		}
	})
}

// An impostor on the same LAN takes no call from the right node.
func TestR17_TheRightNodeIsReachedBesideAnImpostor(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := crypto.NewIdentity(), crypto.NewIdentity()
		p := m.apart(a, b, func(_ string, c *Config) {
			c.Trust, c.Pins = TrustPinned, map[string]crypto.NodeKey{"a": a.Public(), "b": b.Public()}
		})
		x := m.intrude(p.atA, p.atB)
		defer x.leave(t)
		_, err := p.a.Call(t.Context(), "b", "note", Args(1))
		failure(t, err)
		right := m.startOn(m.world.Host("b-east", p.east), "b", func(c *Config) {
			c.Identity, c.Trust, c.Pins = b, TrustPinned, map[string]crypto.NodeKey{"a": a.Public(), "b": b.Public()}
		})
		ran := ledgerOf(t, right)
		synctest.Wait() // a hears of it
		for id := range int64(20) {
			wantValue(t, p.a, "b", "note", id, Args(id))
			if ran(id) != 1 || x.passed != 0 {
				t.Fatalf("call %d: the right node ran it %d times, the impostor %d", id, ran(id), x.passed)
			}
		}
	})
}

// Whoever reads what fernmesh protects learns what the default does not.
func TestR17_TheDocsWarnOfAMemberInTheMiddle(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(string(text)), " ")
	for _, want := range []string{
		"with `Config.Trust` = `network`, the default, a member that can redirect packets, or that answers to a name first, can stand between two others unnoticed",
		"one shared secret cannot stop that",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("docs/security.md does not say %q", want)
		}
	}
}
