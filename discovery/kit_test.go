package discovery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/sockets"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Keys of the tests: fixed, and none that a configuration would take.
var (
	homeKey  = mustKey("aG9tZWhvbWVob21laG9tZWhvbWVob21laG9tZWhvbWU=")
	otherKey = mustKey("b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q=")
)

func mustKey(text string) crypto.Key {
	k, err := crypto.ParseKey(text)
	if err != nil {
		panic(err)
	}
	return k
}

func schedule(k crypto.Key, network string) *crypto.Schedule { return crypto.Derive(k, network) }

// station is a Service under test with what it told.
type station struct {
	*Service
	mu      sync.Mutex
	changes []Change
	reports []Report
}

func (st *station) took() []Change {
	st.mu.Lock()
	defer st.mu.Unlock()
	c := st.changes
	st.changes = nil
	return c
}

func (st *station) told() []Report {
	st.mu.Lock()
	defer st.mu.Unlock()
	r := st.reports
	st.reports = nil
	return r
}

// names lists the names of the entries.
func (st *station) names() []string {
	var names []string
	for _, e := range st.Entries() {
		names = append(names, e.Name)
	}
	return names
}

// named returns the entry with a name.
func (st *station) named(name string) (Entry, bool) {
	for _, e := range st.Entries() {
		if e.Name == name {
			return e, true
		}
	}
	return Entry{}, false
}

// newStation makes a service called name; "" makes an observer.
func newStation(t testing.TB, n sockets.Net, name string, change ...func(*Config)) *station {
	t.Helper()
	st := new(station)
	cfg := Config{
		Net: n, Keys: []*crypto.Schedule{schedule(homeKey, "home")},
		Self: Self{Name: name, Instance: crypto.NewInstanceID()},
		OnChange: func(c Change) {
			st.mu.Lock()
			defer st.mu.Unlock()
			st.changes = append(st.changes, c)
		},
		OnReport: func(r Report) {
			st.mu.Lock()
			defer st.mu.Unlock()
			st.reports = append(st.reports, r)
		},
	}
	if name != "" {
		cfg.Self.Port = 7000
	}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if st.Service, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	return st
}

// start is newStation, started. Close it before the bubble ends.
func start(t testing.TB, n sockets.Net, name string, change ...func(*Config)) *station {
	t.Helper()
	st := newStation(t, n, name, change...)
	if err := st.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return st
}

// inHome runs a test in a bubble with one world and one LAN.
func inHome(t *testing.T, test func(t *testing.T, w *meshtest.World, lan *meshtest.LAN)) {
	inLAN(t, []string{"10.1.0.0/24"}, test)
}

func inLAN(t *testing.T, prefixes []string, test func(t *testing.T, w *meshtest.World, lan *meshtest.LAN)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := meshtest.NewWorld(1)
		defer w.Close()
		test(t, w, w.LAN("home", prefixes...))
	})
}

// pass lets virtual time pass and then waits until all is quiet.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// forge returns the token of an advert under a network's key.
func forge(s *crypto.Schedule, a advert, id *crypto.Identity) []byte {
	if a.millis == 0 {
		a.millis = time.Now().UnixMilli()
	}
	if id != nil {
		a.hasKey, a.nodeKey = true, id.Public()
	}
	return crypto.NewSealer(s.AdvertKey()).Seal(nil, a.append(nil, id), time.Now())
}

// here is a valid advert of a made-up node.
func here(name string, counter uint64, ips ...netip.Addr) advert {
	a := advert{kind: kindHere, counter: counter, name: name, port: 7000, ips: ips}
	sum := sha256.Sum256([]byte(name))
	copy(a.instance[:], sum[:])
	return a
}

func addr(s string) netip.Addr         { return netip.MustParseAddr(s) }
func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// summary prints entries for comparison.
func summary(entries []Entry) string {
	var s string
	for _, e := range entries {
		s += fmt.Sprintf("%s/%s/%v/%v;", e.Name, e.Instance, e.Addrs, e.KeyIndex)
	}
	return s
}

func contains(b []byte, word string) bool { return bytes.Contains(b, []byte(word)) }
