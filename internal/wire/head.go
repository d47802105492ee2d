package wire

import "encoding/binary"

// kind is the kind of a msgpack value.
type kind uint8

const (
	kindInvalid kind = iota
	kindNil
	kindBool
	kindUint // value is the number
	kindInt  // value is the number's two's complement; it is negative
	kindFloat32
	kindFloat64
	kindString
	kindBytes
	kindArray
	kindMap
	kindTime
)

// head is the first part of a value: what it is and where its contents are.
type head struct {
	kind  kind
	size  int    // bytes of the head, and of the contents unless array or map
	start int    // where the contents start, counted from the head
	value uint64 // number; length of a string; elements of an array; pairs of a map
}

// readHead reads the head of the value at the start of b. The contents of a
// scalar are inside b, those of an array or map may not be. It returns
// kindInvalid for a code that is not allowed and for a value cut short.
func readHead(b []byte) head {
	if len(b) == 0 {
		return head{}
	}
	switch c := b[0]; {
	case c < codeFixMap:
		return head{kindUint, 1, 1, uint64(c)}
	case c >= codeNegative:
		return head{kindInt, 1, 1, uint64(int64(int8(c)))}
	case c < codeFixArray:
		return head{kindMap, 1, 1, uint64(c & 0x0f)}
	case c < codeFixStr:
		return head{kindArray, 1, 1, uint64(c & 0x0f)}
	case c < codeNil:
		return contents(b, kindString, 1, uint64(c&0x1f))
	}
	return readCoded(b)
}

// readCoded reads a head whose first byte says nothing but the kind.
func readCoded(b []byte) head {
	switch c := b[0]; c {
	case codeNil:
		return head{kindNil, 1, 1, 0}
	case codeFalse, codeTrue:
		return head{kindBool, 1, 1, uint64(c & 1)}
	case codeFloat32:
		return number(b, kindFloat32, 4)
	case codeFloat64:
		return number(b, kindFloat64, 8)
	case codeUint8, codeUint16, codeUint32, codeUint64:
		return number(b, kindUint, 1<<(c-codeUint8))
	case codeInt8, codeInt16, codeInt32, codeInt64:
		return signed(number(b, kindInt, 1<<(c-codeInt8)))
	case codeStr8, codeStr16, codeStr32:
		return sized(b, kindString, 1<<(c-codeStr8))
	case codeBin8, codeBin16, codeBin32:
		return sized(b, kindBytes, 1<<(c-codeBin8))
	case codeArray16, codeArray32:
		return number(b, kindArray, 2<<(c-codeArray16))
	case codeMap16, codeMap32:
		return number(b, kindMap, 2<<(c-codeMap16))
	case codeFixExt4, codeFixExt8, codeExt8:
		return timestamp(b)
	}
	return head{}
}

// number reads a head of a code and n bytes of number.
func number(b []byte, k kind, n int) head {
	if len(b) < 1+n {
		return head{}
	}
	var v uint64
	for _, c := range b[1 : 1+n] {
		v = v<<8 | uint64(c)
	}
	return head{k, 1 + n, 1 + n, v}
}

// signed extends the sign of a number; one that is not negative is a kindUint.
func signed(h head) head {
	if h.kind == kindInvalid {
		return h
	}
	shift := 64 - 8*(h.size-1)
	h.value = uint64(int64(h.value<<shift) >> shift)
	if int64(h.value) >= 0 {
		h.kind = kindUint
	}
	return h
}

// sized reads a head of a code and n bytes of length, with contents.
func sized(b []byte, k kind, n int) head {
	h := number(b, k, n)
	if h.kind == kindInvalid {
		return h
	}
	return contents(b, k, h.size, h.value)
}

// contents makes the head of a value whose n bytes of contents follow start.
func contents(b []byte, k kind, start int, n uint64) head {
	if n > uint64(len(b)-start) {
		return head{}
	}
	return head{k, start + int(n), start, n}
}

// timestamp reads the three forms of the timestamp extension; there is no
// other extension. The contents are the 4, 8 or 12 bytes of the time.
func timestamp(b []byte) head {
	h := head{}
	switch {
	case b[0] == codeFixExt4 && len(b) >= 6 && b[1] == extTime:
		h = head{kindTime, 6, 2, 4}
	case b[0] == codeFixExt8 && len(b) >= 10 && b[1] == extTime:
		h = head{kindTime, 10, 2, 8}
		if binary.BigEndian.Uint64(b[2:])>>34 >= 1e9 {
			return head{}
		}
	case b[0] == codeExt8 && len(b) >= 15 && b[1] == 12 && b[2] == extTime:
		h = head{kindTime, 15, 3, 12}
		if binary.BigEndian.Uint32(b[3:]) >= 1e9 {
			return head{}
		}
	}
	return h
}
