//go:build !nomdns

package discovery

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/sockets"
	"github.com/hashicorp/mdns"
	"github.com/miekg/dns"
)

// eth0 is the interface of tests without a network.
var eth0 = sockets.Interface{Name: "eth0", Index: 2, Up: true, Multicast: true, Prefixes: []netip.Prefix{
	netip.MustParsePrefix("10.1.0.2/24"), netip.MustParsePrefix("fe80::2/64"), netip.MustParsePrefix("fd00:1::2/64"),
}}

func quiet(c *Config) { c.OnChange, c.OnReport = nil, nil }

// text returns the strings of the TXT record of an answer.
func text(t *testing.T, rrs []dns.RR) []string {
	t.Helper()
	for _, rr := range rrs {
		if txt, ok := rr.(*dns.TXT); ok {
			return txt.Txt
		}
	}
	t.Fatal("no TXT record")
	return nil
}

// What one node answers, another understands, and nobody else.
func TestMDNSAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := meshtest.NewWorld(1).Host("h")
		node := newStation(t, host, "kitchen", quiet, func(c *Config) { c.Self.Identity = crypto.NewIdentity() })
		z := &zone{s: node.Service, ifc: eth0, air: &air{}}
		first, second := z.answer(time.Now(), false), z.answer(time.Now(), false)
		if slices.Equal(text(t, first), text(t, second)) {
			t.Error("two answers carry the same token")
		}
		for _, p := range text(t, first) {
			if len(p) > 255 {
				t.Errorf("a string of %d bytes", len(p))
			}
		}
		ask := newStation(t, host, "", quiet)
		l := &mdnsLink{m: &multicastDNS{s: ask.Service}, ifc: eth0}
		l.take(&mdns.ServiceEntry{Name: "x._other._tcp.local.", InfoFields: text(t, first)})
		if len(ask.Entries()) != 0 {
			t.Error("an answer for another service was taken")
		}
		l.take(&mdns.ServiceEntry{Name: "x._FernMesh._tcp.local.", InfoFields: text(t, first), Port: 666, AddrV4: []byte{6, 6, 6, 6}})
		want := []netip.AddrPort{addrPort("10.1.0.2:7000"), addrPort("[fd00:1::2]:7000"), addrPort("[fe80::2%eth0]:7000")}
		if e, ok := ask.named("kitchen"); !ok || !e.HasKey || !slices.Equal(dials(e), want) || e.Addrs[0].Source != SourceMDNS {
			t.Errorf("taken as %+v", e)
		}
		stranger := newStation(t, host, "", quiet, func(c *Config) { c.Keys = []*crypto.Schedule{schedule(otherKey, "home")} })
		l = &mdnsLink{m: &multicastDNS{s: stranger.Service}, ifc: eth0}
		l.take(&mdns.ServiceEntry{Name: "x." + mdnsService + ".local.", InfoFields: text(t, second)})
		if len(stranger.Entries()) != 0 {
			t.Error("a stranger could read it")
		}
	})
}

// S4-23, R23: nothing in an answer stays the same over two windows, and no
// name is in it.
func TestR23_MDNSLabelsRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newStation(t, meshtest.NewWorld(1).Host("h"), "kitchen", quiet)
		z := &zone{s: node.Service, ifc: eth0, air: &air{}}
		labels := make(map[string]bool)
		for range 6 {
			rrs := z.answer(time.Now(), false)
			label := node.mdnsLabel(time.Now())
			labels[label] = true
			for _, rr := range rrs {
				s := rr.String()
				if strings.Contains(s, "kitchen") || strings.Contains(s, "home") || strings.Contains(s, node.cfg.Self.Instance.String()) {
					t.Errorf("a name can be read in %s", s)
				}
				if !strings.Contains(s, label) {
					t.Errorf("not under the label: %s", s)
				}
			}
			time.Sleep(crypto.MDNSWindow)
		}
		if len(labels) != 6 {
			t.Errorf("%d labels in 6 windows", len(labels))
		}
	})
}

// R24: the library gets nothing to send, whatever is asked, and the answer on
// the link is due once a second.
func TestR24_ZoneKeepsTheLibrarySilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newStation(t, meshtest.NewWorld(1).Host("h"), "kitchen", quiet)
		z := &zone{s: node.Service, ifc: eth0, air: &air{}}
		label := node.mdnsLabel(time.Now())
		ours := []string{
			"_fernmesh._tcp.local.", "_FERNMESH._TCP.local.", "_services._dns-sd._udp.local.",
			label + "._fernmesh._tcp.local.", label + ".local.",
		}
		for _, name := range append(ours, "_ipp._tcp.local.", "other._fernmesh._tcp.local.", "") {
			before := node.nextCounter()
			for range 100 {
				if rrs := z.Records(dns.Question{Name: name, Qtype: dns.TypeANY}); rrs != nil {
					t.Fatalf("the library was given %v", rrs)
				}
			}
			answered := node.nextCounter() - before - 1
			if want := uint64(1); slices.Contains(ours, name) != (answered == want) || answered > want {
				t.Errorf("%q: %d answers", name, answered)
			}
			time.Sleep(answerEvery)
		}
	})
}

// Addresses that the receiving interface cannot reach are a last resort.
func TestMDNSAddresses(t *testing.T) {
	for _, c := range []struct{ own, want []string }{
		{[]string{"10.1.0.9", "192.168.7.7"}, []string{"10.1.0.9:7000"}},
		{[]string{"192.168.7.7", "127.0.0.1"}, []string{"192.168.7.7:7000"}},
		{[]string{"fe80::9", "2001:db8::9"}, []string{"[fe80::9%eth0]:7000"}},
		{[]string{"127.0.0.1", "::1"}, nil},
	} {
		a := here("attic", 1)
		for _, ip := range c.own {
			a.ips = append(a.ips, addr(ip))
		}
		var got []string
		for _, p := range proven(&a, arrival{source: SourceMDNS, on: eth0}, time.Now()) {
			got = append(got, p.AddrPort.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.own, got, c.want)
		}
	}
}

func FuzzMDNSText(f *testing.F) {
	st := newStation(f, meshtest.NewWorld(1).Host("h"), "kitchen", quiet)
	key := schedule(homeKey, "home")
	for i, a := range goldenAdverts() {
		f.Add(string(forge(key, a, goldenIdentity(i))), uint8(255))
		f.Add(string(forge(key, a, goldenIdentity(i))), uint8(7))
	}
	f.Add(strings.Repeat("gAAAAA", 200), uint8(200))
	f.Fuzz(func(t *testing.T, s string, size uint8) {
		pieces := splitPieces(s, max(int(size), 1))
		token, ok := joinText(pieces)
		if ok && (string(token) != s || len(token) > 1200) {
			t.Errorf("%d bytes joined to %d", len(s), len(token))
		}
		l := &mdnsLink{m: &multicastDNS{s: st.Service}, ifc: eth0}
		l.take(&mdns.ServiceEntry{Name: "x." + mdnsService + ".local.", InfoFields: pieces})
		if n := st.Stats().Entries; n > 4 {
			t.Errorf("%d entries", n)
		}
	})
}

// splitPieces is splitText with pieces of another size.
func splitPieces(s string, size int) (pieces []string) {
	for ; len(s) > size; s = s[size:] {
		pieces = append(pieces, s[:size])
	}
	return append(pieces, s)
}
