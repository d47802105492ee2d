package node

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/policy"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/sockets"
)

// Defaults of the ports and of a call's time.
const (
	// DefaultAdvertPort is the UDP port on which nodes hear of each other.
	DefaultAdvertPort = 3376
	// DefaultTimeout bounds a call whose context has no deadline.
	DefaultTimeout = 5 * time.Second
)

// Config says what a node is and how it may be reached. Only Name, Network
// and Keys are required. New takes a copy with the defaults filled in; the
// caller's value is never changed.
type Config struct {
	// Name is the node's name, 1 to 64 bytes of UTF-8 without control
	// characters and without '.', '|' and ':'. Unused by an observer.
	Name string
	// Network is the network's name, under the same rules. It takes part in
	// the key schedule: one key under two names gives unrelated networks.
	Network string
	// Keys is the network's key ring. Published and degenerate keys are refused.
	Keys crypto.KeyRing
	// Services are what the node offers from its start, for calls to
	// "any(service)" and gathers to Group; Tags are words by which Tagged finds
	// it. Up to 32 of each, of up to 64 bytes, under the rules of Name and
	// without '(', ')' and ','; 512 bytes in all, with a byte or two for each.
	Services []string
	Tags     []string
	// ServiceVersions gives services their versions, by name, which others see
	// over a link ([PeerInfo], "__peers__"); a service offered later has its
	// version here too. Up to 32, each of up to 32 bytes without control
	// characters.
	ServiceVersions map[string]string
	// RequireCommonService refuses links with nodes that offer none of the
	// services that this node offers when the link is made, so all of them while
	// it offers nothing. Observers need none.
	RequireCommonService bool
	// Observer makes a caller that claims no name, accepts no links and
	// never advertises. Any number may run at once.
	Observer bool
	// Rename lets a node whose name is taken start under a derived name
	// instead of failing with ErrNameTaken.
	Rename bool
	// Peers are static peers, "host:port", dialled at start and kept.
	Peers []string
	// NoLAN turns off finding and being found on the LAN: no adverts, no
	// mDNS, and no listener unless Listen is set.
	NoLAN bool
	// NoMDNS turns off mDNS, the second source of discovery.
	NoMDNS bool
	// Relays are relays to use, "host:port" (plain), "http://…" or
	// "https://…", each with an optional pin "#" and 64 hex digits of the
	// relay's id. The LAN is tried first; calls go through a relay when it has
	// no way, or falls silent.
	Relays []string
	// MaxRelays is how many relays to keep attached, learned ones included;
	// 0 means all of Relays, and at least two if others are known.
	MaxRelays int
	// RelayTLS is for https relays; nil trusts the system's roots.
	RelayTLS *tls.Config
	// Interfaces chooses network interfaces by name ("eth0"), pattern
	// ("eth*"), prefix ("192.168.0.0/16") or exclusion ("!docker0"); empty
	// means all that are up.
	Interfaces []string
	// AdvertPort is the UDP port of discovery (3376).
	AdvertPort int
	// Listen is the TCP address for links, "host:port" or ":port". Empty
	// means a free port on all addresses; the real one is advertised.
	Listen string
	// StateDir is the root of the node's state: in <StateDir>/<Network>/<Name>
	// live its identity.key, known-peers and learned-relays. Empty keeps all
	// in memory only, new at each start. A file that is damaged or cannot be
	// written does not stop the node: it is told by event, log and counter.
	StateDir string
	// Identity overrides the one of StateDir.
	Identity *crypto.Identity
	// RequireIdentity refuses peers that prove no identity key.
	RequireIdentity bool
	// Trust says which keys may stand behind a name: whoever holds the network's
	// key (TrustNetwork, the default), the first that was seen (TrustTOFU), or
	// the one that was written down (TrustPinned).
	Trust Trust
	// Pins are names with the one key that may stand behind each; they count more
	// than what the known-peers file says.
	Pins map[string]crypto.NodeKey
	// Allow, if not empty, are the only keys of nodes and observers that are
	// welcome, but for pinned nodes; Deny are keys that never are. Both hold for
	// links made and accepted. A member can make itself a new key, so only Allow
	// and pins keep one out.
	Allow, Deny []crypto.NodeKey
	// BulkCipher offers to seal what carries parts of large messages and of
	// streams with AES-256-GCM instead of Fernet, which takes a fraction of the
	// time. It comes about on links whose both ends offer it; calls, answers and
	// all else are Fernet tokens on every link. See docs/security.md.
	BulkCipher bool
	// RelaxSource accepts adverts whose UDP source is not among the
	// addresses in them, for odd NATs.
	RelaxSource bool
	// PolicyFile is a file of rules that say who may call what (package
	// policy). It must be there and right at the start; later changes of it
	// come into force within Timers.PolicyPoll, and a broken file leaves the
	// rules before it in force. Without PolicyFile and Policy everybody inside
	// the network may call everything.
	PolicyFile string
	// Policy is the same as a value, if there is no file.
	Policy *policy.Policy
	// Net is the network to use: nil means the machine's.
	Net sockets.Net
	// Logger receives warnings and errors; nil discards them. No key,
	// argument or result is ever logged. Its handler must not call the node.
	Logger *slog.Logger
	// DefaultTimeout bounds calls whose context has no deadline (5 s).
	DefaultTimeout time.Duration
	// CallInterceptors stand around every call that this node makes,
	// ServeInterceptors around every command that it runs; the first is the
	// outermost.
	CallInterceptors  []CallInterceptor
	ServeInterceptors []ServeInterceptor
	// OnStats gets a report of what the node counted each StatsEvery (1 min; at
	// least 1 s): what StatsJSON returns, for a log or a file. Nil is none. It is
	// called on a goroutine of its own, one report at a time; while it runs, those
	// that fall due are left out and Shutdown waits for it. It owns the bytes.
	OnStats    func(report []byte)
	StatsEvery time.Duration
	// Limits and Timers; zero fields mean defaults.
	Limits Limits
	Timers Timers
	// PeerTimers are times of single peers, by name or by their address in Peers;
	// at least 10 ms each, 0 for the node's own.
	PeerTimers map[string]PeerTimers
	// AlwaysReconnect also dials static peers again that parted with BYE and did
	// not ask to be dialled again.
	AlwaysReconnect bool

	// allowRelay tells which addresses a learned relay may have.
	allowRelay func(netip.Addr) bool
	// wall is the wall clock, which runs on while the machine sleeps.
	wall func() time.Time
}

// ConfigError says which field of a Config is wrong, why, and what to do. It
// never contains the value of a key.
type ConfigError struct {
	Field  string
	Reason string
	Hint   string
}

func (e *ConfigError) Error() string { return fmt.Sprintf("config: %s: %s", e.Field, e.Reason) }

// withDefaults returns a checked copy with the defaults filled in.
func (c Config) withDefaults() (Config, error) {
	c.Limits, c.Timers = c.Limits.withDefaults(), c.Timers.withDefaults()
	or(&c.AdvertPort, DefaultAdvertPort)
	or(&c.DefaultTimeout, DefaultTimeout)
	or(&c.StatsEvery, time.Minute)
	if c.Net == nil {
		c.Net = sockets.System()
	}
	c.allowRelay = public
	if c.wall == nil {
		c.wall = func() time.Time { return time.Now().Round(0) }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, check := range []func(*Config) error{checkNames, checkOffers, checkCapabilities, checkKeys, checkPorts, checkPaths, checkTrust, checkStats, checkPeerTimers} {
		if err := check(&c); err != nil {
			return c, err
		}
	}
	return c, nil
}

func checkNames(c *Config) error {
	if c.Observer {
		c.Name = ""
	} else if err := wire.CheckName("name", c.Name); err != nil {
		return &ConfigError{"Name", err.Error(), "choose a name such as \"kitchen\""}
	} else if _, any := anyOf(c.Name); any {
		return &ConfigError{"Name", fmt.Sprintf("%q means any node that offers a service", c.Name), "choose a name such as \"kitchen\""}
	}
	if err := wire.CheckName("network", c.Network); err != nil {
		return &ConfigError{"Network", err.Error(), "choose a network name such as \"home\""}
	}
	return nil
}

func checkKeys(c *Config) error {
	if c.Keys.IsZero() {
		return &ConfigError{"Keys", "no network key", "make one with crypto.GenerateKey or \"fernmesh keygen\""}
	}
	for _, k := range c.Keys.Usable() {
		if err := k.Weak(); err != nil {
			return &ConfigError{"Keys", err.Error(), "make a new key with crypto.GenerateKey or \"fernmesh keygen\""}
		}
	}
	return nil
}

func checkPorts(c *Config) error {
	if c.AdvertPort < 1 || c.AdvertPort > 65535 {
		return &ConfigError{"AdvertPort", fmt.Sprintf("%d is not a port", c.AdvertPort), "use 1 to 65535; the default is 3376"}
	}
	if c.Listen == "" {
		return nil
	}
	if _, err := listenAddr(c.Listen); err != nil {
		return &ConfigError{"Listen", err.Error(), "use an address such as \":4000\" or \"192.168.1.5:4000\""}
	}
	return nil
}

func checkPaths(c *Config) error {
	for _, p := range c.Peers {
		host, port, err := net.SplitHostPort(p)
		if err != nil || host == "" {
			return &ConfigError{"Peers", fmt.Sprintf("%q is not host:port", p), "use an address such as \"attic.example:4000\""}
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return &ConfigError{"Peers", fmt.Sprintf("%q has no usable port", p), "use a port from 1 to 65535"}
		}
	}
	if c.NoLAN && len(c.Peers) == 0 && len(c.Relays) == 0 && c.Listen == "" {
		return &ConfigError{"NoLAN", "without the LAN, a relay or a peer there is no way to anyone", "name a relay or a peer, or leave the LAN on"}
	}
	for _, text := range c.Relays {
		if _, err := relay.ParseAddress(text); err != nil {
			return &ConfigError{"Relays", err.Error(), "use the line that the relay printed at its start, such as \"relay.example.org:3376#…\""}
		}
	}
	if c.MaxRelays < 0 || c.MaxRelays > 0 && c.MaxRelays < len(c.Relays) {
		return &ConfigError{"MaxRelays", fmt.Sprintf("%d is less than the %d relays that are configured", c.MaxRelays, len(c.Relays)), "raise it, or name fewer relays"}
	}
	if _, err := sockets.Select(nil, c.Interfaces); err != nil {
		return &ConfigError{"Interfaces", err.Error(), "use names (\"eth0\"), exclusions (\"!docker0\"), \"lo\" or prefixes (\"192.168.0.0/16\")"}
	}
	return nil
}

func checkStats(c *Config) error {
	if c.StatsEvery < time.Second {
		return &ConfigError{"StatsEvery", fmt.Sprintf("%v is too short", c.StatsEvery), "use a second or more; the default is 1m"}
	}
	return nil
}

// listenAddr parses "host:port" with a literal or empty host.
func listenAddr(s string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is not host:port", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q has no usable port", s)
	}
	addr := netip.IPv6Unspecified()
	if host != "" {
		if addr, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}, fmt.Errorf("%q is not an IP address", host)
		}
	}
	return netip.AddrPortFrom(addr, uint16(n)), nil
}
