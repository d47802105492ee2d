package node

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

func trusting(mode Trust, dir string) func(*Config) {
	return func(c *Config) { c.Trust, c.StateDir = mode, dir }
}

func withIdentity(id *crypto.Identity) func(*Config) { return func(c *Config) { c.Identity = id } }

// wantRefused makes a call that must end as a refusal because of a key.
func wantRefused(t *testing.T, n *Node, target string) *commands.Error {
	t.Helper()
	_, err := n.Call(t.Context(), target, "__echo__")
	e := failure(t, err)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Code != uint16(wire.ByeNotAllowed) || e.Executed != commands.ExecutedNo || e.Code != commands.PermissionDenied {
		t.Fatalf("%q calls %q: %v, want a refusal that did not run", n.Name(), target, err)
	}
	return e
}

func TestTrustTheFirstKeyOfANameIsRememberedOverRestarts(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		dir := t.TempDir()
		id := crypto.NewIdentity()
		a := m.start("a", trusting(TrustTOFU, dir))
		b := m.start("b", withIdentity(id))
		wantOK(t, a, "b")
		shutdown(t, a)
		shutdown(t, b)
		text, err := os.ReadFile(filepath.Join(dir, "test", "a", "known-peers"))
		if err != nil || !strings.Contains(string(text), "b "+id.Public().String()+" first 2") {
			t.Fatalf("known peers: %q %v", text, err)
		}

		a = m.start("a", trusting(TrustTOFU, dir))
		seen := record(t, a)
		impostor := m.start("b")
		e := wantRefused(t, a, "b")
		if !strings.Contains(e.Hint, "fernmesh trust forget b") || !strings.Contains(e.Hint, filepath.Join("a", "known-peers")) || !strings.Contains(e.Hint, id.Public().String()) {
			t.Errorf("the hint %q does not say what to do", e.Hint)
		}
		if e := seen.want(IdentityRefused, "b", "another identity key"); e.Key != impostor.Identity() {
			t.Errorf("%+v, want the key of the impostor", e)
		}
		if e := wantRefused(t, impostor, "a"); strings.Contains(e.Message, dir) || !strings.Contains(e.Message, "forget the old one") {
			t.Errorf("the impostor is told %q", e.Message)
		}
		if got := a.Stats().IdentitiesRefused; got < 2 {
			t.Errorf("%d refusals are counted", got)
		}

		// The operator forgets the name while the node runs.
		if known, err := OpenKnownPeers(dir, "test", "a").Forget("b"); !known || err != nil {
			t.Fatalf("forget: %v %v", known, err)
		}
		wantOK(t, a, "b")
		if p, known := a.known.Find("b"); !known || p.Key != impostor.Identity() || p.Pinned {
			t.Errorf("after that it knows %+v", p)
		}
	})
}

func TestTrustPinsRefuseUnknownNamesAndOtherKeys(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		dir := t.TempDir()
		good := m.start("good")
		m.start("unknown")
		m.start("other")
		a := m.start("a", trusting(TrustPinned, dir), func(c *Config) {
			c.Pins = map[string]crypto.NodeKey{"good": good.Identity(), "other": good.Identity()}
		})
		wantOK(t, a, "good")
		wantOK(t, good, "a")
		began := time.Now()
		wantRefused(t, a, "other")
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("the refusal took %v: the other node did not hang up", took)
		}
		e := wantRefused(t, a, "unknown")
		command := "fernmesh trust pin unknown "
		at := strings.Index(e.Hint, command)
		if at < 0 {
			t.Fatalf("the hint %q does not say how to pin", e.Hint)
		}
		key, err := crypto.ParseNodeKey(strings.TrimSuffix(strings.Fields(e.Hint[at+len(command):])[0], ","))
		if err != nil {
			t.Fatal(err)
		}
		if err := OpenKnownPeers(dir, "test", "a").Pin("unknown", key); err != nil {
			t.Fatal(err)
		}
		wantOK(t, a, "unknown")
	})
}

// A name that is pinned to its own key is not given up to a member that was
// there first.
func TestR18_APinnedNameIsBoundToItsKey(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		id := crypto.NewIdentity()
		ida := crypto.NewIdentity()
		pinned := func(c *Config) {
			c.Trust, c.Pins = TrustPinned, map[string]crypto.NodeKey{"b": id.Public(), "a": ida.Public()}
		}
		squatter := m.start("b")
		b := m.start("b", pinned, withIdentity(id))
		a := m.start("a", pinned, withIdentity(ida))
		ran, stolen := ledgerOf(t, b), ledgerOf(t, squatter)
		synctest.Wait()
		wantValue(t, a, "b", "note", int64(1), Args(1))
		if b.Name() != "b" || ran(1) != 1 || stolen(1) != 0 {
			t.Errorf("the right node is called %q; %d ran there, %d at the squatter", b.Name(), ran(1), stolen(1))
		}
	})
}

func TestTrustAllowAndDenyHoldInBothDirections(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b, c := m.start("b"), m.start("c")
		cli := m.start("", func(c *Config) { c.Observer = true })
		denying := m.start("denying", func(cfg *Config) { cfg.Deny = []crypto.NodeKey{b.Identity()} })
		wantRefused(t, denying, "b")
		wantRefused(t, b, "denying")
		wantOK(t, denying, "c")
		wantOK(t, cli, "denying")

		both := m.start("both", func(cfg *Config) {
			cfg.Allow = []crypto.NodeKey{b.Identity(), cli.Identity()}
			cfg.Deny = []crypto.NodeKey{b.Identity()}
		})
		wantRefused(t, b, "both") // deny wins
		wantRefused(t, c, "both")
		wantRefused(t, both, "c")
		wantOK(t, cli, "both")
	})
}

func TestTrustObserversAreAllowedByKeyAlone(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		observer := func(c *Config) { c.Observer = true }
		known, stranger := m.start("", observer), m.start("", observer)
		tofu := m.start("tofu", trusting(TrustTOFU, ""))
		wantOK(t, stranger, tofu.Name())
		b := m.start("b", func(c *Config) {
			c.Trust, c.Pins = TrustPinned, map[string]crypto.NodeKey{"x": known.Identity()}
			c.Allow = []crypto.NodeKey{known.Identity()}
		})
		wantOK(t, known, "b")
		wantRefused(t, stranger, "b")
		m.start("c", func(c *Config) { c.Trust, c.Pins = TrustPinned, map[string]crypto.NodeKey{"x": known.Identity()} })
		if e := wantRefused(t, known, "c"); !strings.Contains(e.Message, "observers") {
			t.Errorf("the observer is told %q", e.Message)
		}
		if b.Stats().IdentitiesRefused == 0 {
			t.Error("the refusal is not counted")
		}
	})
}

// Observers remember names too, in a file that all of one machine share.
func TestTrustAnObserverRefusesAnImpostor(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		dir := t.TempDir()
		observer := func(c *Config) { c.Observer = true }
		b := m.start("b")
		one := m.start("", observer, trusting(TrustTOFU, dir))
		wantOK(t, one, "b")
		shutdown(t, one)
		shutdown(t, b)
		m.start("b")
		two := m.start("", observer, trusting(TrustTOFU, dir))
		if e := wantRefused(t, two, "b"); !strings.Contains(e.Hint, filepath.Join("cli", "known-peers")) {
			t.Errorf("the hint is %q", e.Hint)
		}
	})
}

// Of several that claim a name at its first use none is picked by chance.
func TestTrustTheFirstUseOfAContestedNameIsRefused(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		h1, h2 := m.host("h1"), m.host("h2")
		m.world.Partition(h1, h2)
		m.startOn(h1, "b")
		m.startOn(h2, "b")
		a := m.start("a", trusting(TrustTOFU, ""))
		synctest.Wait()
		_, err := a.Call(t.Context(), "b", "__echo__")
		var ambiguous *AmbiguousNameError
		if !errors.As(err, &ambiguous) || len(ambiguous.Claims) != 2 {
			t.Errorf("%v, want an AmbiguousNameError of both", err)
		}
		if _, known := a.known.Find("b"); known {
			t.Error("one of the two was remembered")
		}
	})
}

// A link without an identity, and one under a fresh key each time, is refused
// where names are bound to keys.
func TestTrustJudgesEveryKindOfPeer(t *testing.T) {
	good, other := crypto.NodeKey{1}, crypto.NodeKey{2}
	none := crypto.NodeKey{}
	known := map[string]crypto.NodeKey{"b": good}
	for _, c := range []struct {
		what     string
		set      Config
		name     string
		key      crypto.NodeKey
		welcome  bool
		observer bool
	}{
		{what: "network, any key", name: "b", key: other, welcome: true},
		{what: "network, no key", name: "b", welcome: true},
		{what: "network, no key where one is required", set: Config{RequireIdentity: true}, name: "b"},
		{what: "network, no key where keys are allowed", set: Config{Allow: []crypto.NodeKey{good}}, name: "b"},
		{what: "tofu, right key", set: Config{Trust: TrustTOFU, Pins: known}, name: "b", key: good, welcome: true},
		{what: "tofu, other key", set: Config{Trust: TrustTOFU, Pins: known}, name: "b", key: other},
		{what: "tofu, no key", set: Config{Trust: TrustTOFU, Pins: known}, name: "b"},
		{what: "tofu, no key for a new name", set: Config{Trust: TrustTOFU}, name: "c", key: none},
		{what: "tofu, new name", set: Config{Trust: TrustTOFU}, name: "c", key: other, welcome: true},
		{what: "tofu, new name under a denied key", set: Config{Trust: TrustTOFU, Deny: []crypto.NodeKey{other}}, name: "c", key: other},
		{what: "tofu, no room", set: Config{Trust: TrustTOFU, Pins: known, Limits: Limits{KnownPeers: -1}}, name: "c", key: other},
		{what: "pinned, right key", set: Config{Trust: TrustPinned, Pins: known}, name: "b", key: good, welcome: true},
		{what: "pinned, right key besides the allowed ones", set: Config{Trust: TrustPinned, Pins: known, Allow: []crypto.NodeKey{other}}, name: "b", key: good, welcome: true},
		{what: "pinned, other key", set: Config{Trust: TrustPinned, Pins: known}, name: "b", key: other},
		{what: "pinned, other key that is allowed", set: Config{Trust: TrustPinned, Pins: known, Allow: []crypto.NodeKey{other}}, name: "b", key: other},
		{what: "pinned, unknown name", set: Config{Trust: TrustPinned, Pins: known}, name: "c", key: good},
		{what: "pinned, right key that is denied", set: Config{Trust: TrustPinned, Pins: known, Deny: []crypto.NodeKey{good}}, name: "b", key: good},
		{what: "pinned, observer", set: Config{Trust: TrustPinned, Pins: known}, observer: true, key: good},
		{what: "pinned, observer without a key", set: Config{Trust: TrustPinned, Pins: known}, observer: true},
		{what: "pinned, observer that is allowed", set: Config{Trust: TrustPinned, Pins: known, Allow: []crypto.NodeKey{other}}, observer: true, key: other, welcome: true},
		{what: "tofu, observer without a key", set: Config{Trust: TrustTOFU}, observer: true, welcome: true},
		{what: "network, observer that is not allowed", set: Config{Allow: []crypto.NodeKey{good}}, observer: true, key: other},
	} {
		cfg := c.set
		cfg.Name, cfg.Network, cfg.Keys = "a", "n", crypto.Ring(crypto.GenerateKey())
		full := cfg.Limits.KnownPeers < 0
		cfg.Limits.KnownPeers = 0
		n, err := New(cfg)
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if full {
			n.known.max = 0
		}
		p := link.Peer{KeyID: n.keyring().usable[0].KeyID()}
		p.Hello.Name, p.Hello.NodeKey, p.Hello.HasID, p.Capabilities.Observer = c.name, c.key, !c.key.IsZero(), c.observer
		refusal := n.judge(p)
		if (refusal == nil) != c.welcome {
			t.Errorf("%s: %+v, welcome wanted: %v", c.what, refusal, c.welcome)
		}
		if refusal != nil && (refusal.Code != byeNotAllowed || refusal.Text == "" || refusal.Hint == "") {
			t.Errorf("%s: %+v, want BYE 4 with a text and a hint", c.what, refusal)
		}
	}
}

func TestTrustConfigThatCannotBeMeantIsRefused(t *testing.T) {
	key := crypto.NodeKey{1}
	for field, set := range map[string]func(*Config){
		"Trust": func(c *Config) { c.Trust = 3 },
		"Pins":  func(c *Config) { c.Pins = map[string]crypto.NodeKey{"b": key} },
		"Allow": func(c *Config) { c.Deny = []crypto.NodeKey{{}} },
	} {
		c := Config{Name: "a", Network: "n", Keys: crypto.Ring(crypto.GenerateKey())}
		set(&c)
		wantConfigError(t, c, field)
	}
	for _, pins := range []map[string]crypto.NodeKey{nil, {"a": key}, {"b": {}}, {"b.c": key}} {
		wantConfigError(t, Config{Name: "a", Network: "n", Keys: crypto.Ring(crypto.GenerateKey()), Trust: TrustPinned, Pins: pins}, "Pins")
	}
}

func wantConfigError(t *testing.T, c Config, field string) {
	t.Helper()
	_, err := New(c)
	var bad *ConfigError
	if !errors.As(err, &bad) || bad.Field != field || bad.Hint == "" {
		t.Errorf("%+v: %v, want a ConfigError about %s", c.Pins, err, field)
	}
}

// A damaged file never stops a node: it is told by event, log and counter, with
// its name.
func TestStateDamagedFilesAreKeptAsideAndReported(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		dir := t.TempDir()
		own := filepath.Join(dir, "test", "a")
		if err := os.MkdirAll(own, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"identity.key", "known-peers", "learned-relays"} {
			if err := os.WriteFile(filepath.Join(own, name), []byte("\x00\xff garbage"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var log strings.Builder
		cfg := m.config("a", m.host("a"))
		cfg.StateDir, cfg.Trust, cfg.Logger = dir, TrustTOFU, slog.New(slog.NewTextHandler(&log, nil))
		a, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		seen := record(t, a)
		b := m.start("b")
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer shutdown(t, a)
		wantOK(t, a, "b")
		for _, name := range []string{"identity.key", "learned-relays", "known-peers"} {
			path := filepath.Join(own, name)
			seen.want(StateTrouble, "", path)
			if kept, err := os.ReadFile(path + ".bad"); err != nil || string(kept) != "\x00\xff garbage" {
				t.Errorf("%s was not kept aside: %q %v", name, kept, err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s was not begun anew: %v %v", name, info, err)
			}
			if !strings.Contains(log.String(), path) {
				t.Errorf("the log does not name %s", path)
			}
		}
		if got := a.Stats().StateTroubles; got != 3 {
			t.Errorf("%d troubles are counted, want 3", got)
		}
		if p, known := OpenKnownPeers(dir, "test", "a").Find("b"); !known || p.Key != b.Identity() {
			t.Errorf("the new file has %+v", p)
		}
	})
}

// A state directory that cannot be written does not stop a node, and what is to
// be remembered holds until it ends.
func TestStateAnUnwritableDirectoryDoesNotStopANode(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		dir := filepath.Join(t.TempDir(), "file") // a file where a directory should be: root may write anywhere
		if err := os.WriteFile(dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		id := crypto.NewIdentity()
		b := m.start("b", withIdentity(id))
		a := m.start("a", trusting(TrustTOFU, dir))
		seen := record(t, a)
		wantOK(t, a, "b")
		seen.want(StateTrouble, "", dir)
		shutdown(t, b)
		m.start("b")
		wantRefused(t, a, "b")
		if a.Stats().StateTroubles < 2 { // the identity, and the known peers
			t.Errorf("%d troubles", a.Stats().StateTroubles)
		}
	})
}

func TestKnownPeersLines(t *testing.T) {
	key := crypto.NewIdentity().Public()
	k := OpenKnownPeers(t.TempDir(), "n", "a")
	names := []string{"kitchen", "living room", "#1", `"quoted"`, "日本", "a\\b", "end", "é\u00a0x", " lead", "b/c"}
	for _, name := range names {
		if err := k.Pin(name, key); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	}
	again := newKnownPeers(filepath.Dir(k.File()), 100, func(err error) { t.Error(err) })
	if list, err := again.List(); err != nil || len(list) != len(names) {
		t.Fatalf("%d names were read back, %v", len(list), err)
	}
	for _, name := range names {
		if p, known := again.Find(name); !known || p.Key != key || !p.Pinned {
			t.Errorf("%q came back as %+v", name, p)
		}
	}
	for _, bad := range []string{"", "x", "x y", `"x`, "x " + key.String() + " first", "x " + key.String() + " first now", "a.b " + key.String(), "x " + key.String() + " maybe"} {
		if _, err := parseKnownPeer(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	if p, err := parseKnownPeer("kitchen  " + key.String()); err != nil || !p.Pinned {
		t.Errorf("a line without more is no pin: %+v %v", p, err)
	}
	if err := k.Pin("a.b", key); err == nil {
		t.Error("a name that no node can have was pinned")
	}
}

// What somebody gets wrong while they edit the file does not make the node
// forget: another key would then be the first.
func TestKnownPeersAMistypedFileForgetsNothing(t *testing.T) {
	key := crypto.NewIdentity().Public()
	var troubles []error
	k := newKnownPeers(t.TempDir(), 100, func(err error) { troubles = append(troubles, err) })
	for _, name := range []string{"b", "c"} {
		if _, err := k.meet(name, key); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(k.File(), []byte("fernmesh known-peers 1\nb node:mistyped\nd "+key.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b", "c", "d"} {
		if p, known := k.Find(name); !known || p.Key != key {
			t.Errorf("%q is forgotten", name)
		}
	}
	if len(troubles) != 1 || !strings.Contains(troubles[0].Error(), "line 2") || !strings.Contains(troubles[0].Error(), k.File()+".bad") {
		t.Errorf("told: %v", troubles)
	}
	if list, err := k.List(); err != nil || len(list) != 3 {
		t.Errorf("the new file: %v %v", list, err)
	}
}

// A file that can neither be read nor moved aside is not overwritten.
func TestKnownPeersWhatCannotBeReadIsNotOverwritten(t *testing.T) {
	key := crypto.NodeKey{1}
	troubles := 0
	k := newKnownPeers(t.TempDir(), 100, func(error) { troubles++ })
	if err := os.MkdirAll(filepath.Join(k.File()+".bad", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(k.File(), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if first, err := k.meet("b", key); first != key || err != nil {
		t.Errorf("%v %v", first, err)
	}
	if first, _ := k.meet("b", crypto.NodeKey{2}); first != key {
		t.Error("it was not remembered in memory")
	}
	if err := k.Pin("c", key); err == nil {
		t.Error("a pin that is not on disk was taken")
	}
	if text, err := os.ReadFile(k.File()); err != nil || string(text) != "garbage" || troubles == 0 {
		t.Errorf("%q %v, %d troubles", text, err, troubles)
	}
}

// Two processes that remember at the same time both find all of it afterwards.
func TestKnownPeersOfTwoProcessesAreBothKept(t *testing.T) {
	dir := t.TempDir()
	report := func(err error) { t.Error(err) }
	one, two := newKnownPeers(dir, 1000, report), newKnownPeers(dir, 1000, report)
	key := crypto.NodeKey{1}
	done := make(chan struct{})
	remember := func(k *KnownPeers, prefix string) {
		for i := range 50 {
			if _, err := k.meet(fmt.Sprint(prefix, i), key); err != nil {
				t.Error(err)
			}
		}
	}
	go func() { defer close(done); remember(two, "two") }()
	remember(one, "one")
	<-done
	if list, err := newKnownPeers(dir, 1000, report).List(); err != nil || len(list) != 100 {
		t.Errorf("%d of 100 were kept, %v", len(list), err)
	}
	first, err := one.meet("same", crypto.NodeKey{2})
	second, err2 := two.meet("same", crypto.NodeKey{3})
	if first != second || err != nil || err2 != nil {
		t.Errorf("the first key of one name is %v for one and %v for the other", first, second)
	}
}
