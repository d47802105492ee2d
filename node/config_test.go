package node

import (
	"errors"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/crypto"
)

func TestS4_1_DefaultsFillACopy(t *testing.T) {
	given := Config{Name: "a", Network: "n", Keys: crypto.Ring(crypto.GenerateKey())}
	full, err := given.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if full.AdvertPort != 3376 || full.DefaultTimeout != DefaultTimeout || full.Limits.HalfOpen != 64 || full.NoLAN {
		t.Errorf("defaults: %+v", full)
	}
	if given.AdvertPort != 0 || given.Net != nil {
		t.Error("the caller's configuration was changed")
	}
}

func TestS4_2_S4_3_BadConfigurationsAreRefused(t *testing.T) {
	good := func() Config { return Config{Name: "a", Network: "n", Keys: crypto.Ring(crypto.GenerateKey())} }
	spec, err := crypto.ParseKey("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why   string
		set   func(*Config)
		field string
		says  string
	}{
		{"dot in name", func(c *Config) { c.Name = "a.b" }, "Name", "'.'"},
		{"bar in network", func(c *Config) { c.Network = "a|b" }, "Network", "'|'"},
		{"colon in name", func(c *Config) { c.Name = "a:b" }, "Name", "':'"},
		{"empty name", func(c *Config) { c.Name = "" }, "Name", ""},
		{"long name", func(c *Config) { c.Name = strings.Repeat("x", 65) }, "Name", "64"},
		{"no key", func(c *Config) { c.Keys = crypto.KeyRing{} }, "Keys", "no network key"},
		{"published key", func(c *Config) { c.Keys = crypto.Ring(spec) }, "Keys", ""},
		{"published key that only opens", func(c *Config) { c.Keys = crypto.Ring(crypto.GenerateKey(), spec) }, "Keys", ""},
		{"no LAN and no peer", func(c *Config) { c.NoLAN = true }, "NoLAN", "no way to anyone"},
		{"advert port", func(c *Config) { c.AdvertPort = 70000 }, "AdvertPort", "70000"},
		{"listen", func(c *Config) { c.Listen = "here" }, "Listen", "here"},
		{"peer without port", func(c *Config) { c.Peers = []string{"attic"} }, "Peers", "attic"},
		{"peer with a bad port", func(c *Config) { c.Peers = []string{"attic:0"} }, "Peers", "attic:0"},
		{"relay address", func(c *Config) { c.Relays = []string{"ftp://x"} }, "Relays", "ftp"},
		{"fewer relays than given", func(c *Config) { c.Relays, c.MaxRelays = []string{"a:1", "b:1"}, 1 }, "MaxRelays", "2 relays"},
		{"name that means any", func(c *Config) { c.Name = "any(heat)" }, "Name", "any node"},
		{"dot in service", func(c *Config) { c.Services = []string{"a.b"} }, "Services", "'.'"},
		{"parenthesis in service", func(c *Config) { c.Services = []string{"a)"} }, "Services", "')'"},
		{"comma in tag", func(c *Config) { c.Tags = []string{"a,b"} }, "Tags", "','"},
		{"empty tag", func(c *Config) { c.Tags = []string{""} }, "Tags", "empty"},
		{"33 tags", func(c *Config) { c.Tags = strings.Split("abcdefghijklmnopqrstuvwxyz1234567", "") }, "Tags", "more than 32"},
		{"services too long together", func(c *Config) {
			for i := range 9 {
				c.Services = append(c.Services, strings.Repeat(string(rune('a'+i)), 60))
			}
		}, "Services", "take 558 bytes"},
		{"observer with services", func(c *Config) { c.Observer, c.Services = true, []string{"heat"} }, "Services", "observer"},
		{"interface rule", func(c *Config) { c.Interfaces = []string{"!"} }, "Interfaces", ""},
	} {
		cfg := good()
		c.set(&cfg)
		_, err := New(cfg)
		var bad *ConfigError
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v, want a ConfigError", c.why, err)
			continue
		}
		if bad.Field != c.field || !strings.Contains(bad.Reason, c.says) || bad.Hint == "" {
			t.Errorf("%s: field %q, reason %q, hint %q", c.why, bad.Field, bad.Reason, bad.Hint)
		}
		if strings.Contains(err.Error(), "cw_0x") {
			t.Errorf("%s: the error shows the key", c.why)
		}
	}
	slash := good()
	slash.Name = "kitchen/lamp"
	if _, err := New(slash); err != nil {
		t.Errorf("a name with '/' is allowed: %v", err)
	}
}

func TestIdentityIsKeptInTheStateDirectory(t *testing.T) {
	dir := t.TempDir()
	open := func(name string) *Node {
		n, err := New(Config{Name: name, Network: "n/1", Keys: crypto.Ring(crypto.GenerateKey()), StateDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first, again, other, upper := open("a/b"), open("a/b"), open("a_b"), open("A/b")
	if first.Identity() != again.Identity() {
		t.Error("the identity did not survive a restart")
	}
	if first.Identity() == other.Identity() || first.Identity() == upper.Identity() {
		t.Error("two names share one identity file")
	}
}
