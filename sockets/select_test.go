package sockets_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/sockets"
	"github.com/google/go-cmp/cmp"
)

// machine is a machine with many interfaces.
func machine() []sockets.Interface {
	ifc := func(index int, name string, up bool, addrs ...string) sockets.Interface {
		i := sockets.Interface{Index: index, Name: name, Up: up, Loopback: name == "lo0"}
		for _, a := range addrs {
			i.Prefixes = append(i.Prefixes, netip.MustParsePrefix(a))
		}
		return i
	}
	return []sockets.Interface{
		ifc(1, "lo0", true, "127.0.0.1/8", "::1/128"),
		ifc(2, "eth0", true, "192.168.1.7/24", "fe80::7/64"),
		ifc(3, "eth1", true, "10.1.2.3/8", "192.168.9.3/24"),
		ifc(4, "wlan0", false, "192.168.2.7/24"),
		ifc(5, "Local Area Connection", true, "172.16.0.1/12"),
		ifc(6, "bare0", true),
	}
}

func TestRulesChooseAddresses(t *testing.T) {
	for _, c := range []struct{ rules, want string }{
		{"", "lo0 127.0.0.1 ::1; eth0 192.168.1.7 fe80::7; eth1 10.1.2.3 192.168.9.3; Local Area Connection 172.16.0.1"},
		{"eth0", "eth0 192.168.1.7 fe80::7"},
		{"eth*", "eth0 192.168.1.7 fe80::7; eth1 10.1.2.3 192.168.9.3"},
		{"eth[1-9]", "eth1 10.1.2.3 192.168.9.3"},
		{"lo", "lo0 127.0.0.1 ::1"},
		{"lo,eth0", "lo0 127.0.0.1 ::1; eth0 192.168.1.7 fe80::7"},
		{"!lo", "eth0 192.168.1.7 fe80::7; eth1 10.1.2.3 192.168.9.3; Local Area Connection 172.16.0.1"},
		{"!lo,!Local*", "eth0 192.168.1.7 fe80::7; eth1 10.1.2.3 192.168.9.3"},
		{"Local Area Connection", "Local Area Connection 172.16.0.1"},
		{"192.168.0.0/16", "eth0 192.168.1.7; eth1 192.168.9.3"},
		{"192.168.5.5/16", "eth0 192.168.1.7; eth1 192.168.9.3"},
		{"eth*,!10.0.0.0/8", "eth0 192.168.1.7 fe80::7; eth1 192.168.9.3"},
		{"!10.0.0.0/8,eth*", "eth0 192.168.1.7 fe80::7; eth1 192.168.9.3"},
		{"192.168.0.0/16,!eth1", "eth0 192.168.1.7"},
		{"192.168.0.0/16,fe80::/10", "eth0 192.168.1.7 fe80::7; eth1 192.168.9.3"},
		{"10.1.2.3", "eth1 10.1.2.3"},
		{"wlan0", ""},
		{"nosuch0", ""},
	} {
		t.Run(c.rules, func(t *testing.T) {
			got, err := sockets.Select(machine(), split(c.rules))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, show(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMalformedRulesAreNamed(t *testing.T) {
	for rule, want := range map[string]string{
		"":                    "empty",
		"!":                   "empty",
		"!!eth0":              "one !",
		" eth0":               "spaces",
		"eth0\n":              "control characters",
		"192.168.0.0/33":      "no network",
		"eth0/24":             "no network",
		"::ffff:10.0.0.0/104": "no network",
		"eth[":                "no glob",
	} {
		_, err := sockets.ParseRules([]string{"lo", rule})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), fmt.Sprintf("%q", rule)) {
			t.Errorf("rule %q: %v, want an error that says %q", rule, err, want)
		}
	}
}

func TestRulesThatMatchNothingAreReported(t *testing.T) {
	r, err := sockets.ParseRules([]string{"eth0", "wlan0", "!tun*", "10.0.0.0/8", "172.20.0.0/16"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"wlan0", "!tun*", "172.20.0.0/16"}
	if diff := cmp.Diff(want, r.Unmatched(machine())); diff != "" {
		t.Error(diff)
	}
}

func TestSelectLeavesItsArgumentAlone(t *testing.T) {
	all := machine()
	if _, err := sockets.Select(all, []string{"192.168.0.0/16"}); err != nil {
		t.Fatal(err)
	}
	if show(all) != show(machine()) {
		t.Error("the list of interfaces was changed")
	}
}

func TestBroadcastAddr(t *testing.T) {
	for prefix, want := range map[string]string{
		"192.168.1.7/24": "192.168.1.255",
		"10.1.2.3/8":     "10.255.255.255",
		"127.0.0.1/8":    "127.255.255.255",
		"10.0.0.1/30":    "10.0.0.3",
		"10.0.0.1/31":    "",
		"10.0.0.1/32":    "",
		"fd00::1/64":     "",
	} {
		got := ""
		if a, ok := sockets.BroadcastAddr(netip.MustParsePrefix(prefix)); ok {
			got = a.String()
		}
		if got != want {
			t.Errorf("BroadcastAddr(%s) = %q, want %q", prefix, got, want)
		}
	}
}

func TestHasIgnoresZones(t *testing.T) {
	eth0 := machine()[1]
	if !eth0.Has(netip.MustParseAddr("fe80::7%eth0")) || !eth0.Has(netip.MustParseAddr("::ffff:192.168.1.7")) {
		t.Error("own addresses are not recognised")
	}
	if eth0.Has(netip.MustParseAddr("192.168.1.8")) {
		t.Error("a neighbour's address is taken for one's own")
	}
}

func FuzzParseRules(f *testing.F) {
	for _, s := range []string{"eth0", "!eth*", "10.0.0.0/8", "fe80::1%eth0", "!::/0", "[", "\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rule string) {
		r, err := sockets.ParseRules([]string{rule})
		if err != nil {
			return
		}
		chosen := r.Select(machine())
		if len(r.Unmatched(machine())) == 1 && !strings.HasPrefix(rule, "!") && len(chosen) > 0 {
			t.Errorf("rule %q matches nothing and chooses %s", rule, show(chosen))
		}
	})
}

func split(rules string) []string {
	if rules == "" {
		return nil
	}
	return strings.Split(rules, ",")
}

func show(all []sockets.Interface) string {
	var parts []string
	for _, i := range all {
		s := i.Name
		for _, p := range i.Prefixes {
			s += " " + p.Addr().String()
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ")
}
