package link

import (
	"strconv"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Peer is the other side of a link, as its HELLO and the handshake say.
type Peer struct {
	Hello        crypto.Hello
	Capabilities Capabilities
	Transport    crypto.Transport
	Remote       string  // its address on the carrier
	KeyID        [8]byte // of the network key of the session
	Initiator    bool    // the peer dialled
}

// Capabilities are what a node says of itself in HELLO (section 3).
type Capabilities struct {
	Product  string
	Version  string
	Services map[string]string // by name, with their versions
	Limits   map[string]uint64
	Held     time.Duration // since the name was taken
	Up       time.Duration // since the process started
	Observer bool          // claims no name
	Status   wire.Status   // what it offers; left out while its revision is 0
}

// quoteName writes a peer's name so that it cannot play tricks on a terminal.
func quoteName(name string) string {
	if name == "" {
		return "an observer"
	}
	return strconv.Quote(name)
}
