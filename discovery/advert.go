package discovery

import (
	"errors"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// advertVersion is the first element of an advert.
const advertVersion = 1

// kind says what an advert is for.
type kind uint8

const (
	kindHere     kind = 1 // here I am
	kindGoodbye  kind = 2 // I am leaving
	kindQuestion kind = 3 // who is there
)

const (
	// elements is how many elements an advert has, one more with a status;
	// further ones are ignored.
	elements = 12
	// signedElements is how many of them a signature covers.
	signedElements = 10
	// maxOwnIPs is how many own addresses an advert lists.
	maxOwnIPs = 8
	// signaturePrefix begins what an identity signs.
	signaturePrefix = "fm1 advert sig\x00"
)

// Sizes of tokens and plaintexts, in bytes. A question is longer than any
// answer, so that nobody gains by asking in another's name.
const (
	minQuestion      = 1100 // token of a question, at least
	maxAnswer        = 1000 // token of every other advert, at most
	minToken         = 100  // token of an empty plaintext
	minQuestionPlain = 752  // plaintext whose token has 1,100 bytes
)

// advert is the plaintext of a datagram.
type advert struct {
	kind     kind
	instance crypto.InstanceID
	counter  uint64
	millis   int64 // time of sealing, Unix milliseconds
	name     string
	port     uint16
	ips      []netip.Addr
	features uint64
	hasKey   bool
	nodeKey  crypto.NodeKey
	status   []byte // encoded wire.Status, not signed; nil if there is none

	signature []byte // as received, unchecked until verify
	plain     []byte // as received, for verify
}

// append appends the encoded advert. id signs it unless nil.
func (a *advert) append(dst []byte, id *crypto.Identity) []byte {
	start := len(dst)
	if a.status == nil {
		dst = wire.AppendArray(dst, elements)
	} else {
		dst = wire.AppendArray(dst, elements+1)
	}
	head := len(dst)
	dst = wire.AppendUint(dst, advertVersion)
	dst = wire.AppendUint(dst, uint64(a.kind))
	dst = wire.AppendBytes(dst, a.instance[:])
	dst = wire.AppendUint(dst, a.counter)
	dst = wire.AppendUint(dst, uint64(a.millis))
	dst = wire.AppendString(dst, a.name)
	dst = wire.AppendUint(dst, uint64(a.port))
	dst = wire.AppendArray(dst, len(a.ips))
	for _, ip := range a.ips {
		dst = wire.AppendBytes(dst, ip.AsSlice())
	}
	dst = wire.AppendUint(dst, a.features)
	if id == nil {
		dst = wire.AppendNil(dst)
		dst = wire.AppendNil(dst)
	} else {
		key := id.Public()
		dst = wire.AppendBytes(dst, key[:])
		dst = wire.AppendBytes(dst, id.Sign(append([]byte(signaturePrefix), dst[head:]...)))
	}
	dst = wire.AppendBytes(dst, a.filler(len(dst)-start+len(a.status)))
	return append(dst, a.status...)
}

// filler returns what makes a question long enough, given the bytes before it.
func (a *advert) filler(used int) []byte {
	const head = 2 // bytes before a short byte string; a longer one has 3
	if a.kind != kindQuestion {
		return nil
	}
	return make([]byte, max(minQuestionPlain-used-head, 0))
}

var (
	errVersion = errors.New("discovery: advert of another version")
	errKind    = errors.New("discovery: advert of an unknown kind")
	errValue   = errors.New("discovery: advert with an impossible value")
)

// parseAdvert reads and checks the form of an advert. Nothing but the slices
// for verify is kept of plain.
func parseAdvert(plain []byte) (advert, error) {
	r := wire.OpenArray("advert", plain, wire.Control)
	if v := r.Uint("version", math.MaxUint64); r.Err() == nil && v != advertVersion {
		return advert{}, errVersion
	}
	a := advert{plain: plain, kind: kind(r.Uint("kind", math.MaxUint8))}
	instance := r.Bytes("instance")
	a.counter = r.Uint("counter", math.MaxUint64)
	a.millis = int64(r.Uint("time", math.MaxInt64/uint64(time.Millisecond)))
	a.name = r.String("name")
	a.port = uint16(r.Uint("port", math.MaxUint16))
	ips := readIPs(r.Array("own IPs", maxOwnIPs), &a)
	a.features = r.Uint("features", math.MaxUint64)
	nodeKey := r.BytesOrNil("node key")
	a.signature = r.BytesOrNil("signature")
	r.Raw("filler")
	status := readStatus(r, &a)
	switch {
	case r.Err() != nil:
		return advert{}, r.Err()
	case status != nil:
		return advert{}, status
	case ips != nil:
		return advert{}, ips
	case len(instance) != len(a.instance):
		return advert{}, errValue
	}
	copy(a.instance[:], instance)
	return a, a.check(nodeKey)
}

// readIPs reads the own addresses into a.
func readIPs(r *wire.Array, a *advert) error {
	for r.Len() > 0 {
		ip, ok := netip.AddrFromSlice(r.Bytes("own IP"))
		if !ok || ip.Is4In6() || ip.IsUnspecified() || ip.IsMulticast() {
			return errValue
		}
		a.ips = append(a.ips, ip)
	}
	return r.Err()
}

// readStatus checks the status, if there is one, and keeps its encoding.
func readStatus(r *wire.Array, a *advert) error {
	if r.Len() == 0 {
		return nil
	}
	a.status = slices.Clone(r.Raw("status"))
	_, err := wire.ParseStatus(a.status)
	return err
}

// check finishes the node key and judges the values against each other.
func (a *advert) check(nodeKey []byte) error {
	switch a.kind {
	case kindHere, kindGoodbye, kindQuestion:
	default:
		return errKind
	}
	switch {
	case nodeKey == nil && a.signature == nil:
	case len(nodeKey) == len(a.nodeKey) && a.signature != nil:
		copy(a.nodeKey[:], nodeKey)
		a.hasKey = true
	default:
		return errValue
	}
	switch {
	case a.instance.IsZero():
		return errValue
	case a.name == "" && a.kind == kindQuestion: // an observer
		return nil
	case a.port == 0:
		return errValue
	}
	return wire.CheckName("name", a.name)
}

// observer tells whether the advert is an observer's question.
func (a *advert) observer() bool { return a.name == "" }

// verify checks the signature by the node key, if there is one.
func (a *advert) verify() bool {
	if !a.hasKey {
		return true
	}
	return a.nodeKey.Verify(append([]byte(signaturePrefix), a.signed()...), a.signature)
}

// signed returns the encoding of the elements that the signature covers.
func (a *advert) signed() []byte {
	var signed, all int
	r := wire.OpenArray("advert", a.plain, wire.Control)
	for i := 0; r.Len() > 0; i++ {
		n := len(r.Raw("element"))
		if all += n; i < signedElements {
			signed += n
		}
	}
	head := len(a.plain) - all
	return a.plain[head : head+signed]
}

// sealedAt returns the time at which the sender says it sealed the advert.
func (a *advert) sealedAt() time.Time { return time.UnixMilli(a.millis) }
