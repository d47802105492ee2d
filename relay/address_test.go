package relay_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/relay"
)

func TestParseAddress(t *testing.T) {
	pin := strings.Repeat("ab", 32)
	for _, c := range []struct {
		text, authority string
		tls             bool
		canonical       string
	}{
		{"relay.example", "relay.example:3376", false, "relay.example:3376"},
		{"relay.example:99", "relay.example:99", false, "relay.example:99"},
		{"Relay.EXAMPLE:99", "relay.example:99", false, "relay.example:99"},
		{"localhost", "localhost:3376", false, "localhost:3376"},
		{"http://relay.example", "relay.example:80", false, "relay.example:80"},
		{"HTTP://relay.example:3376/", "relay.example:3376", false, "relay.example:3376"},
		{"https://relay.example", "relay.example:443", true, "https://relay.example"},
		{"https://relay.example/", "relay.example:443", true, "https://relay.example"},
		{"https://Relay.example:8443", "relay.example:8443", true, "https://relay.example:8443"},
		{"192.0.2.1", "192.0.2.1:3376", false, "192.0.2.1:3376"},
		{"[2001:DB8::0:1]:99", "[2001:db8::1]:99", false, "[2001:db8::1]:99"},
		{"[::1]", "[::1]:3376", false, "[::1]:3376"},
		{"https://[::1]", "[::1]:443", true, "https://[::1]"},
		{"[fe80::1%eth0]:99", "[fe80::1%eth0]:99", false, "[fe80::1%eth0]:99"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example:3376", false, "xn--bcher-kva.example:3376"},
		{"my_relay-1.lan:1", "my_relay-1.lan:1", false, "my_relay-1.lan:1"},
		{"1.example", "1.example:3376", false, "1.example:3376"},
	} {
		for _, withPin := range []bool{false, true} {
			text, canonical := c.text, c.canonical
			if withPin {
				text, canonical = text+"#"+strings.ToUpper(pin), canonical+"#"+pin
			}
			a, err := relay.ParseAddress(text)
			if err != nil {
				t.Errorf("%q: %v", text, err)
				continue
			}
			if a.Authority != c.authority || a.TLS != c.tls || a.Pinned != withPin {
				t.Errorf("%q is %+v", text, a)
			}
			if withPin && a.Pin.String() != pin {
				t.Errorf("%q has pin %v", text, a.Pin)
			}
			if a.String() != canonical {
				t.Errorf("%q is written %q, want %q", text, a, canonical)
			}
			if b, err := relay.ParseAddress(canonical); err != nil || a != b {
				t.Errorf("%q is read back as %+v, %v", canonical, b, err)
			}
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for text, why := range map[string]string{
		"":                              "host is missing",
		":3376":                         "host is missing",
		"https://":                      "host is missing",
		"ftp://relay.example":           "not with http",
		"://relay.example":              "not with http",
		"relay.example:":                "not a number from 1 to 65535",
		"relay.example:0":               "not a number from 1 to 65535",
		"relay.example:65536":           "not a number from 1 to 65535",
		"relay.example:+80":             "not a number from 1 to 65535",
		"relay.example:080":             "not a number from 1 to 65535",
		"relay.example:http":            "not a number from 1 to 65535",
		"relay.example:80:80":           "written in brackets",
		"2001:db8::1":                   "written in brackets",
		"[2001:db8::1":                  "bracket of the IPv6 address is not closed",
		"[2001:db8::1]x:80":             "after ] comes",
		"[192.0.2.1]":                   "not an IPv6 address",
		"[relay.example]":               "not an IPv6 address",
		"[fe80::1%e/0]":                 "has no place",
		"[fe80::1%Eth0]":                "zone",
		"relay.example/path":            "has no place",
		"https://relay.example/a":       "has no place",
		"https://relay.example//":       "has no place",
		"relay.example?x":               "has no place",
		"user@relay.example":            "has no place",
		"http://u:p@relay.example":      "has no place",
		" relay.example":                "letters, digits and -",
		"relay.example\n":               "letters, digits and -",
		"relay\x00.example":             "letters, digits and -",
		"bücher.example":                "xn--",
		"relay..example":                "1 to 63",
		"relay.example.":                "1 to 63",
		strings.Repeat("a", 64) + ".x":  "1 to 63",
		strings.Repeat("a.", 127) + "a": "253",
		"127.1":                         "neither a host name nor",
		"2130706433":                    "neither a host name nor",
		"0x7f.0.0.1":                    "neither a host name nor",
		"0x7f000001":                    "neither a host name nor",
		"0177.0.0.1":                    "neither a host name nor",
		"1.2.3.4.5":                     "neither a host name nor",
		"relay.example#":                "64 hex digits",
		"relay.example#abc":             "64 hex digits",
		"relay.example#" + strings.Repeat("g", 64):       "64 hex digits",
		"relay.example#" + strings.Repeat("a", 66):       "64 hex digits",
		"relay.example#" + strings.Repeat("a", 63) + "#": "64 hex digits",
		strings.Repeat("a", 5000):                        "too many",
	} {
		a, err := relay.ParseAddress(text)
		if !errors.Is(err, relay.ErrBadAddress) || a != (relay.Address{}) || !strings.Contains(err.Error(), why) {
			t.Errorf("%.80q: %+v, %v; want %q", text, a, err, why)
		}
	}
}
