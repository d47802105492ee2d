package discovery

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// Entry is one node of the table, or one static peer. It is a copy: the
// caller may keep and change it.
type Entry struct {
	// Instance is the node's instance id; zero for a static peer.
	Instance crypto.InstanceID
	// Name is the name that the node claims; empty for a static peer, whose
	// name is learnt by dialling it.
	Name string
	// NodeKey is the node's identity if HasKey; the advert's signature by it
	// was checked.
	NodeKey crypto.NodeKey
	HasKey  bool
	// Features are the advertised feature bits.
	Features uint64
	// Status is what the node says it offers, as the service was given it by
	// Self.Status; nil if it says nothing. Unlike the other fields it is not
	// under the signature: a link tells the truth.
	Status []byte
	// Host is the "host:port" of a static peer, else empty.
	Host string
	// Addrs are where the node accepts links, the latest seen first.
	Addrs []Addr
	// KeyIndex is the index into the service's keys of the one that opened
	// the node's latest advert.
	KeyIndex int
	// FirstSeen and LastSeen are the arrival of the first and of the latest
	// advert that counted; of the look-ups for a static peer.
	FirstSeen, LastSeen time.Time
	// Asked tells that nothing but questions were heard from the node so far.
	Asked bool
}

// Addr is one way to dial an entry.
type Addr struct {
	// AddrPort is the TCP address; link-local IPv6 has its zone set.
	AddrPort netip.AddrPort
	// Source says who found it: SourceUDP, SourceMDNS or SourceStatic.
	Source string
	// Interface is the name of the receiving interface, if known.
	Interface string
	// Seen is when the address was last proven by an advert or a look-up.
	Seen time.Time
}

// The sources, as Addr.Source and Report.Source name them.
const (
	SourceUDP    = "udp"
	SourceMDNS   = "mdns"
	SourceStatic = "static"
)

// ChangeKind says what happened to an entry.
type ChangeKind uint8

// The kinds of change.
const (
	Added   ChangeKind = iota + 1 // the entry is new
	Updated                       // its name, features, key index or addresses changed
	Removed                       // it left the table; Change.Why says why
)

// String returns the kind in lower case.
func (k ChangeKind) String() string {
	switch k {
	case Added:
		return "added"
	case Updated:
		return "updated"
	case Removed:
		return "removed"
	}
	return fmt.Sprintf("ChangeKind(%d)", uint8(k))
}

// Change is one change of the table.
type Change struct {
	Kind  ChangeKind
	Entry Entry
	// Why is the reason of a removal, else empty.
	Why Reason
}

// Reason is why an entry left the table.
type Reason string

// The reasons of a removal.
const (
	ReasonGoodbye  Reason = "goodbye"     // the node said so
	ReasonExpired  Reason = "expired"     // it fell silent
	ReasonReplaced Reason = "replaced"    // a newer instance of the same node took its place
	ReasonKey      Reason = "key removed" // SetKeys dropped the key that it was heard under
)
