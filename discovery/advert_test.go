package discovery

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "write testdata/adverts.json anew")

// golden is one advert byte for byte. Key, network, identity, instance, IV and
// time are those of the known answers of the protocol.
type golden struct {
	Comment string
	Plain   string // hex
	Token   string
}

const (
	goldenKey     = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
	goldenNetwork = "example"
	goldenTime    = 1767225600
)

func goldenAdverts() []advert {
	a := advert{
		kind: kindHere, counter: 42, millis: goldenTime*1000 + 5, name: "küche", port: 7000,
		ips:      []netip.Addr{addr("192.168.1.7"), addr("fe80::7"), addr("fd00::7")},
		features: 1 << 40,
	}
	copy(a.instance[:], bytes.Repeat([]byte{0x88}, 16))
	goodbye, question, observer := a, a, a
	goodbye.kind, question.kind, observer.kind = kindGoodbye, kindQuestion, kindQuestion
	observer.name, observer.port, observer.ips = "", 0, nil
	return []advert{a, goodbye, question, observer}
}

func goldenIdentity(i int) *crypto.Identity {
	if i%2 == 1 { // goodbye and observer unsigned
		return nil
	}
	return crypto.IdentityFromSeed([32]byte(bytes.Repeat([]byte{0x77}, 32)))
}

// fernet seals as the Fernet specification says, apart from package crypto.
func fernet(key [32]byte, iv []byte, unix uint64, plain []byte) string {
	b := append(binary.BigEndian.AppendUint64([]byte{0x80}, unix), iv...)
	pad := 16 - len(plain)%16
	padded := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, err := aes.NewCipher(key[16:])
	if err != nil {
		panic(err)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(padded, padded)
	b = append(b, padded...)
	mac := hmac.New(sha256.New, key[:16])
	mac.Write(b)
	return base64.URLEncoding.EncodeToString(mac.Sum(b))
}

func TestAdvertGolden(t *testing.T) {
	s := crypto.Derive(mustKey(goldenKey), goldenNetwork)
	iv := bytes.Repeat([]byte{0x99}, 16)
	var made []golden
	for i, a := range goldenAdverts() {
		plain := a.append(nil, goldenIdentity(i))
		made = append(made, golden{
			Comment: []string{"here, signed", "goodbye, unsigned", "question of a node, signed", "question of an observer"}[i],
			Plain:   hex.EncodeToString(plain), Token: fernet(s.AdvertKey(), iv, goldenTime, plain),
		})
	}
	if *update {
		text, _ := json.MarshalIndent(made, "", "  ")
		if err := os.WriteFile("testdata/adverts.json", append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("testdata/adverts.json")
	if err != nil {
		t.Fatal(err)
	}
	var want []golden
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("adverts changed (-want +got):\n%s", diff)
	}
	for i, g := range want {
		plain, _, ok := newKeyring([]*crypto.Schedule{s}).open([]byte(g.Token))
		if !ok {
			t.Fatalf("%s: does not open", g.Comment)
		}
		got, err := parseAdvert(plain)
		if err != nil || !got.verify() {
			t.Fatalf("%s: %v, signature %v", g.Comment, err, got.verify())
		}
		expect := goldenAdverts()[i]
		if id := goldenIdentity(i); id != nil {
			expect.hasKey, expect.nodeKey = true, id.Public()
		}
		ignore := cmpopts.IgnoreFields(advert{}, "signature", "plain")
		same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
		if diff := cmp.Diff(expect, got, cmp.AllowUnexported(advert{}), same, ignore); diff != "" {
			t.Errorf("%s (-want +got):\n%s", g.Comment, diff)
		}
	}
}

// Whatever the name and however many addresses, a question is longer than any
// answer, and all fit a datagram.
func TestAdvertSizes(t *testing.T) {
	key := newKeyring([]*crypto.Schedule{schedule(homeKey, "home")})
	id := crypto.NewIdentity()
	for n := range maxOwnIPs + 1 {
		for _, name := range []string{"", "a", strings.Repeat("x", 31), strings.Repeat("x", 32), strings.Repeat("x", 64)} {
			for _, k := range []kind{kindHere, kindGoodbye, kindQuestion} {
				a := advert{kind: k, counter: 1 << 63, name: name, port: 65535, features: 1 << 63}
				a.instance[0] = 1
				a.ips = slices.Repeat([]netip.Addr{addr("fd00::1")}, n)
				for _, by := range []*crypto.Identity{nil, id} {
					size := len(key.seal(&a, by, time.Now()))
					if k == kindQuestion && (size < minQuestion || size > wire.MaxAdvert) || k != kindQuestion && size > maxAnswer {
						t.Errorf("kind %d, name of %d, %d addresses, signed %v: %d bytes", k, len(name), n, by != nil, size)
					}
				}
			}
		}
	}
}

func TestParseAdvertIgnoresMoreElements(t *testing.T) {
	a := here("kitchen", 1, addr("10.1.0.2"))
	id := crypto.NewIdentity()
	plain := a.append(nil, id)
	longer := append(wire.AppendArray(nil, elements+6), plain[1:]...) // a head of three bytes
	longer = wire.AppendStatus(longer, wire.Status{Revision: 1, Tags: []string{"hall"}})
	for i := range 5 {
		longer = wire.AppendUint(longer, uint64(i))
	}
	got, err := parseAdvert(longer)
	if err != nil || got.name != "kitchen" || !got.verify() {
		t.Errorf("%v, %q, signature %v", err, got.name, got.verify())
	}
}

// A status goes whole where there is room, else in brief, and never makes a
// question longer than a datagram or an answer as long as a question.
func TestAdvertStatusWithinItsRoom(t *testing.T) {
	full := wire.Status{Revision: 3, Tags: []string{"up"}}
	for i := range 7 {
		full.Services = append(full.Services, wire.Service{Name: strings.Repeat("s", 63) + fmt.Sprint(i), Ready: true})
	}
	small := wire.Status{Revision: 3, Services: []wire.Service{{Name: "heat", Ready: true}}, Tags: []string{"up"}}
	briefs := map[bool]int{}
	for _, id := range []*crypto.Identity{nil, crypto.NewIdentity()} {
		for n := range maxOwnIPs + 1 {
			for name, status := range map[string]wire.Status{"full": full, "small": small} {
				st := newStation(t, nil, strings.Repeat("x", 64), func(c *Config) {
					c.Self.Status, c.Self.Identity = wire.AppendStatus(nil, status), id
				})
				for _, k := range []kind{kindHere, kindGoodbye, kindQuestion} {
					token := st.seal(k, 1, slices.Repeat([]netip.Addr{addr("fd00::1")}, n))
					plain, _, ok := st.ring.open(token)
					if !ok {
						t.Fatal("does not open")
					}
					a, err := parseAdvert(plain)
					if err != nil || !a.verify() {
						t.Fatalf("%v, signature %v", err, a.verify())
					}
					got, err := wire.ParseStatus(a.status)
					if whole := len(got.Services) > 0; err != nil || got.Revision != 3 || whole == got.Brief || name == "small" && !whole {
						t.Errorf("%s, kind %d, %d addresses: whole %v, brief %v, %v", name, k, n, whole, got.Brief, err)
					}
					briefs[got.Brief]++
					if k == kindQuestion && (len(token) < minQuestion || len(token) > wire.MaxAdvert) || k != kindQuestion && len(token) > maxAnswer {
						t.Errorf("%s, kind %d, %d addresses: %d bytes", name, k, n, len(token))
					}
				}
			}
		}
	}
	if briefs[true] == 0 || briefs[false] == 0 {
		t.Errorf("%d in brief, %d whole; want some of each", briefs[true], briefs[false])
	}
}

func TestTableTellsOfAChangedStatus(t *testing.T) {
	st := newStation(t, nil, "kitchen")
	a := here("attic", 1, addr("10.1.0.9"))
	from := arrival{source: SourceUDP, from: addrPort("10.1.0.9:4000")}
	for i, tag := range []string{"", "up", "down"} {
		a.counter, a.status = uint64(i+1), nil
		if tag != "" {
			a.status = wire.AppendStatus(nil, wire.Status{Revision: uint64(i), Tags: []string{tag}})
		}
		st.hear(forge(schedule(homeKey, "home"), a, nil), from)
		entries := st.Entries()
		if len(entries) != 1 || !bytes.Equal(entries[0].Status, a.status) {
			t.Fatalf("%q: %+v", tag, entries)
		}
	}
	if st.events.order.Len() != 1 {
		t.Errorf("%d entries changed, want one", st.events.order.Len())
	}
}

func TestParseAdvertRefuses(t *testing.T) {
	good := here("kitchen", 1, addr("10.1.0.2"))
	change := func(f func(*advert)) []byte { a := good; f(&a); return a.append(nil, nil) }
	for name, plain := range map[string][]byte{
		"nothing":           nil,
		"not an array":      wire.AppendUint(nil, 1),
		"too few elements":  append(wire.AppendArray(nil, 1), 1),
		"another version":   append([]byte{0x9c, 2}, change(func(*advert) {})[2:]...),
		"kind 0":            change(func(a *advert) { a.kind = 0 }),
		"kind 4":            change(func(a *advert) { a.kind = 4 }),
		"no instance":       change(func(a *advert) { a.instance = crypto.InstanceID{} }),
		"no name":           change(func(a *advert) { a.name = "" }),
		"name with a dot":   change(func(a *advert) { a.name = "a.b" }),
		"name with control": change(func(a *advert) { a.name = "a\x1b[2J" }),
		"name not UTF-8":    change(func(a *advert) { a.name = "a\xff" }),
		"name too long":     change(func(a *advert) { a.name = strings.Repeat("a", 65) }),
		"no port":           change(func(a *advert) { a.port = 0 }),
		"time negative":     change(func(a *advert) { a.millis = -1 }),
		"nine addresses":    change(func(a *advert) { a.ips = slices.Repeat([]netip.Addr{addr("10.0.0.1")}, 9) }),
		"multicast address": change(func(a *advert) { a.ips = []netip.Addr{addr("239.255.33.76")} }),
		"unspecified":       change(func(a *advert) { a.ips = []netip.Addr{addr("::")} }),
		"IPv4-mapped":       change(func(a *advert) { a.ips = []netip.Addr{addr("::ffff:10.0.0.1")} }),
		"status of text":    change(func(a *advert) { a.status = wire.AppendString(nil, "up") }),
		"status of lists":   change(func(a *advert) { a.status = []byte{0x93, 0x90, 0x90, 0x90} }),
		"trailing bytes":    append(change(func(*advert) {}), 0),
	} {
		if a, err := parseAdvert(plain); err == nil {
			t.Errorf("%s: accepted as %+v", name, a)
		}
	}
}

func FuzzOpenAdvert(f *testing.F) {
	for i, a := range goldenAdverts() {
		f.Add(a.append(nil, goldenIdentity(i)))
	}
	offering := here("kitchen", 1, addr("10.1.0.2"))
	offering.status = wire.AppendStatus(nil, wire.Status{Revision: 1, Services: []wire.Service{{Name: "heat"}}, Tags: []string{"up"}})
	f.Add(offering.append(nil, nil))
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	key := schedule(homeKey, "home")
	f.Fuzz(func(t *testing.T, plain []byte) {
		if len(plain) > 1<<16 {
			return
		}
		// The whole way of a datagram that a member sealed.
		st := newStation(t, nil, "kitchen", func(c *Config) { c.OnChange, c.OnReport, c.RelaxSource = nil, nil, true })
		token := crypto.NewSealer(key.AdvertKey()).Seal(nil, plain, time.Now())
		from := arrival{source: SourceUDP, from: addrPort("10.1.0.9:4000")}
		st.hear(token, from)
		if st := st.Stats(); st.Received != 1 || st.Entries > 1 {
			t.Errorf("stats: %+v", st)
		}
		a, err := parseAdvert(plain)
		if err != nil {
			return
		}
		if a.verify() && a.hasKey && !a.nodeKey.Verify(append([]byte(signaturePrefix), a.signed()...), a.signature) {
			t.Error("verified another text")
		}
		if a.hasKey { // cannot be made again without the identity
			return
		}
		b, err := parseAdvert(a.append(nil, nil))
		ignore := cmpopts.IgnoreFields(advert{}, "signature", "plain")
		same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
		if diff := cmp.Diff(a, b, cmp.AllowUnexported(advert{}), same, ignore, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("does not survive: %v\n%s", err, diff)
		}
	})
}

func BenchmarkRefuseGarbage(b *testing.B) {
	st := newStation(b, nil, "kitchen", func(c *Config) { c.OnChange, c.OnReport = nil, nil })
	a := here("evil", 1, addr("127.0.0.1"))
	token := forge(schedule(otherKey, "home"), a, nil)
	b.SetBytes(int64(len(token)))
	b.ReportAllocs()
	for b.Loop() {
		st.hear(token, arrival{source: SourceUDP, from: addrPort("127.0.0.1:4000")})
	}
}

func BenchmarkRefuseFlood(b *testing.B) {
	st := newStation(b, nil, "kitchen", func(c *Config) { c.OnChange, c.OnReport = nil, nil })
	token := forge(schedule(otherKey, "home"), here("evil", 1, addr("10.1.0.9")), nil)
	b.ReportAllocs()
	for b.Loop() { // nearly all refused before the cryptography
		st.hear(token, arrival{source: SourceUDP, from: addrPort("10.1.0.9:4000")})
	}
}

func BenchmarkAccept(b *testing.B) {
	for name, id := range map[string]*crypto.Identity{"unsigned": nil, "signed": crypto.NewIdentity()} {
		b.Run(name, func(b *testing.B) {
			st := newStation(b, nil, "kitchen", func(c *Config) { c.OnChange, c.OnReport = nil, nil })
			key := schedule(homeKey, "home")
			b.ReportAllocs()
			for i := uint64(1); b.Loop(); i++ {
				b.StopTimer()
				token := forge(key, here("attic", i, addr("127.0.0.1")), id)
				b.StartTimer()
				st.hear(token, arrival{source: SourceUDP, from: addrPort("127.0.0.1:4000")})
			}
			if n := st.Stats().Accepted; n == 0 {
				b.Fatal("nothing accepted")
			}
		})
	}
}
