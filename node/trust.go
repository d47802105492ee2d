package node

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Trust says which identity key may stand behind a name. It is asked for every
// link, made or accepted, before any call is carried over it.
type Trust int

const (
	// TrustNetwork welcomes whoever holds the network's key, under any name
	// that is not taken. A member can then stand between two others unnoticed.
	TrustNetwork Trust = iota
	// TrustTOFU ("trust on first use") remembers the first key that is seen for
	// a name in the known-peers file, and refuses every other from then on.
	TrustTOFU
	// TrustPinned welcomes only names in Config.Pins or the known-peers file,
	// with the key that stands there, and observers in Config.Allow.
	TrustPinned
)

var trustNames = []string{"network", "tofu", "pinned"}

// String is the mode's name as [ParseTrust] reads it.
func (t Trust) String() string {
	if t < 0 || int(t) >= len(trustNames) {
		return fmt.Sprintf("trust %d", int(t))
	}
	return trustNames[t]
}

// ParseTrust reads "network", "tofu" or "pinned".
func ParseTrust(s string) (Trust, error) {
	if i := slices.Index(trustNames, s); i >= 0 {
		return Trust(i), nil
	}
	return 0, fmt.Errorf("must be network, tofu or pinned")
}

// checkTrust checks the fields about whom the node trusts.
func checkTrust(c *Config) error {
	if c.Trust < TrustNetwork || c.Trust > TrustPinned {
		return &ConfigError{"Trust", fmt.Sprintf("there is no mode %d", c.Trust), "use TrustNetwork, TrustTOFU or TrustPinned"}
	}
	if len(c.Pins) > 0 && c.Trust == TrustNetwork {
		return &ConfigError{"Pins", "pins are not looked at while Trust is TrustNetwork", "set Trust to TrustPinned, or to TrustTOFU for names without a pin"}
	}
	if c.Trust == TrustPinned && len(c.Pins) == 0 && c.StateDir == "" {
		return &ConfigError{"Pins", "no name is pinned and there is no known-peers file, so that everybody would be refused", "pin names, or set StateDir"}
	}
	if len(c.Pins) > c.Limits.KnownPeers {
		return &ConfigError{"Pins", fmt.Sprintf("%d names are more than Limits.KnownPeers", len(c.Pins)), "raise that limit"}
	}
	for name, key := range c.Pins {
		if err := wire.CheckName("name", name); err != nil {
			return &ConfigError{"Pins", err.Error(), "pin names of nodes"}
		}
		if key.IsZero() {
			return &ConfigError{"Pins", fmt.Sprintf("%q is pinned to no key", name), "give it the key that \"fernmesh peers\" shows"}
		}
	}
	if slices.ContainsFunc(slices.Concat(c.Allow, c.Deny), crypto.NodeKey.IsZero) {
		return &ConfigError{"Allow", "Allow or Deny has an empty key", "use keys as \"fernmesh peers\" shows them"}
	}
	c.Pins, c.Allow, c.Deny = maps.Clone(c.Pins), slices.Clone(c.Allow), slices.Clone(c.Deny)
	return nil
}

// checkOwnPin refuses to start under a name that is pinned to another key:
// every node with that pin would refuse this one.
func (c *Config) checkOwnPin(own crypto.NodeKey) error {
	pin, pinned := c.Pins[c.Name]
	if c.Observer || !pinned || pin == own {
		return nil
	}
	return &ConfigError{
		"Pins", fmt.Sprintf("this node's name %q is pinned to another key than its own, %s", c.Name, own),
		"restore the node's identity.key, or correct the pin here and on the other nodes",
	}
}
