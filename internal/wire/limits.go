package wire

import "time"

// Version is the protocol version, the first byte of every frame.
const Version = 1

// Sizes of the protocol in bytes, unless said otherwise.
const (
	// HandshakeLen is the length of either handshake message (section 2).
	HandshakeLen = 112
	// MaxPlain is the largest frame plaintext (section 4).
	MaxPlain = 65536
	// MinMaxPlain is the smallest frame limit a peer may offer (section 2).
	// A frame with one message of MaxMessage bytes and a KEYUPDATE fits.
	MinMaxPlain = 16640
	// MaxRecord is the length of the token of a frame of MaxPlain bytes.
	MaxRecord = 87480
	// MaxMessage is the largest body of one message (section 4).
	MaxMessage = 16 << 10
	// MaxBig is the largest CALL, REPLY or FAIL carried as CHUNKs (section 4).
	MaxBig = 64 << 20
	// MaxAdvert is the largest LAN advert datagram (section 7).
	MaxAdvert = 1200
	// MaxName is the longest node or network name (section 9).
	MaxName = 64
	// MaxText is the longest text of a BYE; a longer one is cut when sent and
	// when read.
	MaxText = 1024
	// MaxGossip is the most relays read from one GOSSIP; more are ignored.
	MaxGossip = 64
)

// Credit in CHUNK bytes, each way (section 4).
const (
	// CallCredit is what a call may have outstanding.
	CallCredit = 256 << 10
	// LinkCreditLAN is what a link over a LAN may have outstanding.
	LinkCreditLAN = 4 << 20
	// LinkCreditRelay is what a link over a relay begins with.
	LinkCreditRelay = 64 << 10
)

// Bounds of msgpack (section 4, and the defence against values that decode to
// far more memory than they take on the wire).
const (
	// MaxDepth is how deep arrays and maps may nest.
	MaxDepth = 32
	// ControlValues is the most values, keys included, of a control message.
	ControlValues = 65536
	// ControlMemory is the most memory a control message may decode to, beside
	// the contents of its strings.
	ControlMemory = 4 << 20
	// DataValues is the most values, keys included, of arguments and results.
	DataValues = 4_000_000
	// DataMemory is the most memory arguments or a result may decode to, beside
	// the contents of their strings. It is reached before DataValues unless the
	// values are small numbers.
	DataMemory = 64 << 20
)

// MaxDuration bounds every duration read from the wire, so that adding one to
// a time cannot overflow.
const MaxDuration = 30 * 24 * time.Hour

// Control bounds messages of the mesh itself: HELLO, GOSSIP, adverts.
var Control = GuardLimits{Depth: MaxDepth, Values: ControlValues, Memory: ControlMemory}

// Data bounds what users send: arguments, results and error details.
var Data = GuardLimits{Depth: MaxDepth, Values: DataValues, Memory: DataMemory}
