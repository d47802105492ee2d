package codec

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"
)

type kind uint8

const (
	kindNil   kind = iota
	kindBool       // bits is 0 or 1
	kindUint       // bits is the number
	kindInt        // bits is a negative number's two's complement
	kindFloat      // bits is a float64
	kindStr        // bits is the length of data
	kindBin        // bits is the length of data
	kindArray      // bits is the number of elements
	kindMap        // bits is the number of pairs
	kindTime       // data is the contents of a timestamp
)

// head is a value that has been read: whole, but for the parts of an array or map.
type head struct {
	kind kind
	bits uint64
	data []byte // into the input
}

// float returns the number of a kindFloat.
func (h head) float() float64 { return math.Float64frombits(h.bits) }

// String describes the value for an error message. Texts and bytes are not
// shown: they may be secret, and messages are logged.
func (h head) String() string {
	switch h.kind {
	case kindNil:
		return "nil"
	case kindBool:
		return "a boolean"
	case kindUint:
		return "integer " + strconv.FormatUint(h.bits, 10)
	case kindInt:
		return "integer " + strconv.FormatInt(int64(h.bits), 10)
	case kindFloat:
		return "number " + strconv.FormatFloat(h.float(), 'g', -1, 64)
	case kindStr:
		return "text"
	case kindBin:
		return "bytes"
	case kindArray:
		return "an array of " + strconv.FormatUint(h.bits, 10)
	case kindMap:
		return "a map"
	default:
		return "a time"
	}
}

// time returns the instant of a kindTime, in UTC.
func (h head) time() time.Time {
	var sec int64
	var nsec uint32
	switch len(h.data) {
	case 4:
		sec = int64(binary.BigEndian.Uint32(h.data))
	case 8:
		n := binary.BigEndian.Uint64(h.data)
		sec, nsec = int64(n&(1<<34-1)), uint32(n>>34)
	case 12:
		sec, nsec = int64(binary.BigEndian.Uint64(h.data[4:])), binary.BigEndian.Uint32(h.data)
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// head reads the next value, or the beginning of an array or map.
func (r *reader) head() (head, error) {
	c, err := r.byte()
	if err != nil {
		return head{}, err
	}
	switch {
	case c < 0x80:
		return head{kind: kindUint, bits: uint64(c)}, nil
	case c < 0x90:
		return r.container(kindMap, uint64(c&0x0f))
	case c < 0xa0:
		return r.container(kindArray, uint64(c&0x0f))
	case c < 0xc0:
		return r.sized(kindStr, uint64(c&0x1f))
	case c >= 0xe0:
		return head{kind: kindInt, bits: uint64(int64(int8(c)))}, nil
	case c == 0xc0:
		return head{kind: kindNil}, nil
	case c == 0xc2, c == 0xc3:
		return head{kind: kindBool, bits: uint64(c & 1)}, nil
	}
	return r.coded(c)
}

// coded reads what follows a first byte that announces a number or a length.
func (r *reader) coded(c byte) (head, error) {
	switch c {
	case 0xd6:
		return r.timestamp(4)
	case 0xd7:
		return r.timestamp(8)
	case 0xc7:
		return r.timestamp(12)
	}
	width := int(widths[c])
	if width == 0 {
		return head{}, malformed("has a code that is not allowed")
	}
	n, err := r.uint(width)
	if err != nil {
		return head{}, err
	}
	switch {
	case c <= 0xc6:
		return r.sized(kindBin, n)
	case c == 0xca:
		return head{kind: kindFloat, bits: math.Float64bits(float64(math.Float32frombits(uint32(n))))}, nil
	case c == 0xcb:
		return head{kind: kindFloat, bits: n}, nil
	case c <= 0xcf:
		return head{kind: kindUint, bits: n}, nil
	case c <= 0xd3:
		return signed(n, width), nil
	case c <= 0xdb:
		return r.sized(kindStr, n)
	case c <= 0xdd:
		return r.container(kindArray, n)
	}
	return r.container(kindMap, n)
}

// widths are the bytes of the number or length after a first byte.
var widths = [256]uint8{
	0xc4: 1, 0xc5: 2, 0xc6: 4, // bin
	0xca: 4, 0xcb: 8, // floats
	0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8, // unsigned
	0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8, // signed
	0xd9: 1, 0xda: 2, 0xdb: 4, // str
	0xdc: 2, 0xdd: 4, // array
	0xde: 2, 0xdf: 4, // map
}
