package presence

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

var (
	testKey = [32]byte{1, 2, 3}
	sample  = Presence{
		Instance: crypto.InstanceID{1}, Counter: 7, Time: time.UnixMilli(1767225600123), Name: "küche",
		Address: Address{9, 9}, Key: crypto.NodeKey{5}, HasKey: true, Features: 3, Relays: []string{"relay.example:3376"},
	}
)

func TestPresenceRoundTrip(t *testing.T) {
	anonymous := sample
	anonymous.HasKey, anonymous.Key, anonymous.Relays = false, crypto.NodeKey{}, nil
	offering := sample
	offering.Status = wire.Status{Revision: 4, Services: []wire.Service{{Name: "heat", Ready: true}}, Tags: []string{"up"}, Draining: true}
	for _, p := range []Presence{sample, anonymous, offering} {
		token, err := p.Seal(testKey, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		got, err := Open(testKey, token, p.Address)
		if diff := cmp.Diff(p, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
}

func TestPresenceGolden(t *testing.T) {
	const want = "9901c4100100000000000000000000000000000007cf0000019b76daa87ba66bc3bc636865c41009090000000000000000000000000000" +
		"c420050000000000000000000000000000000000000000000000000000000000000003" + "91b272656c61792e6578616d706c653a33333736"
	if got := hex.EncodeToString(sample.append(sample.Relays)); got != want {
		t.Errorf("encoding\n got %s\nwant %s", got, want)
	}
}

func TestPresenceOfAnotherAddressKeyOrFormIsRefused(t *testing.T) {
	token, err := sample.Seal(testKey, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(testKey, token, Address{8}); err == nil {
		t.Error("R15: the presence of one member was accepted from another")
	}
	if _, err := Open([32]byte{4}, token, sample.Address); err == nil {
		t.Error("a token under another key was opened")
	}
	malformed := append(sample.append(nil), 0xc0) // an element more, and no status
	malformed[0]++
	if _, err := Open(testKey, crypto.SealToken(testKey, malformed, time.Now()), sample.Address); err == nil {
		t.Error("a status that is none was accepted")
	}
	unnamed := sample
	unnamed.Name = "a.b"
	if token, err = unnamed.Seal(testKey, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(testKey, token, sample.Address); err == nil {
		t.Error("an impossible name was accepted")
	}
}

func TestPresenceLeavesOutRelaysThatDoNotFit(t *testing.T) {
	big := sample
	big.Relays = nil
	for range maxRelays {
		big.Relays = append(big.Relays, strings.Repeat("r", 300))
	}
	token, err := big.Seal(testKey, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open(testKey, token, big.Address)
	if err != nil || len(got.Relays) == 0 || len(got.Relays) >= maxRelays {
		t.Errorf("%d relays, %v; want some of %d", len(got.Relays), err, maxRelays)
	}
	for i := range 7 { // what the node offers goes before relays it knows
		big.Status.Services = append(big.Status.Services, wire.Service{Name: strings.Repeat("s", 63) + string(rune('a'+i)), Ready: true})
	}
	big.Status.Revision = 1
	if token, err = big.Seal(testKey, time.Now()); err != nil {
		t.Fatal(err)
	}
	if got, err = Open(testKey, token, big.Address); err != nil || len(got.Status.Services) != 7 || len(got.Relays) != 1 {
		t.Errorf("%d services, %d relays, %v; want 7 and 1", len(got.Status.Services), len(got.Relays), err)
	}
	big.Relays = []string{strings.Repeat("r", 2000)}
	if token, err = big.Seal(testKey, time.Now()); err != nil || len(token) > MaxToken {
		t.Errorf("%d bytes, %v", len(token), err)
	}
}

func FuzzOpenPresence(f *testing.F) {
	f.Add(sample.append(sample.Relays))
	offering := sample
	offering.Status = wire.Status{Revision: 4, Services: []wire.Service{{Name: "heat", Ready: true}}, Tags: []string{"up"}}
	f.Add(offering.append(nil))
	f.Add([]byte{0x99, 1})
	f.Fuzz(func(t *testing.T, plain []byte) {
		token := crypto.SealToken(testKey, plain, time.Now())
		p, err := Open(testKey, token, sample.Address)
		if err == nil && p.Address != sample.Address {
			t.Error("accepted under another address")
		}
	})
}
