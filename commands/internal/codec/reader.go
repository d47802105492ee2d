package codec

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// A decoded value may take as much memory as this: more than any honest one
// needs, far less than what a few hostile bytes ask for. wire.Guard bounds
// values in interfaces; here Go types of any size are to be filled.
const (
	budgetBase    = 1 << 20
	budgetPerByte = 160
	budgetMax     = 4 * wire.DataMemory // beside the contents of texts and bytes
)

// reader reads one encoded value.
type reader struct {
	in      []byte
	off     int
	depth   int
	memory  int  // bytes that may still be allocated
	lenient bool // unknown map keys are passed over, missing ones left as they are
}

func newReader(in []byte) reader {
	return reader{in: in, memory: min(budgetBase+budgetPerByte*len(in), budgetMax+len(in))}
}

func malformed(what string) error { return problemf("the encoding %s", what) }

func (r *reader) byte() (byte, error) {
	if r.off >= len(r.in) {
		return 0, malformed("is cut short")
	}
	c := r.in[r.off]
	r.off++
	return c, nil
}

// take returns the next n bytes of the input, not copied.
func (r *reader) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.in)-r.off) {
		return nil, malformed("is cut short")
	}
	b := r.in[r.off : r.off+int(n)]
	r.off += int(n)
	return b, nil
}

// uint reads a number of 1, 2, 4 or 8 bytes.
func (r *reader) uint(width int) (uint64, error) {
	b, err := r.take(uint64(width))
	if err != nil {
		return 0, err
	}
	switch width {
	case 1:
		return uint64(b[0]), nil
	case 2:
		return uint64(binary.BigEndian.Uint16(b)), nil
	case 4:
		return uint64(binary.BigEndian.Uint32(b)), nil
	}
	return binary.BigEndian.Uint64(b), nil
}

// signed makes the head of a number in two's complement.
func signed(n uint64, width int) head {
	shift := 64 - 8*width
	if v := int64(n<<shift) >> shift; v < 0 {
		return head{kind: kindInt, bits: uint64(v)}
	}
	return head{kind: kindUint, bits: n}
}

func (r *reader) sized(k kind, n uint64) (head, error) {
	data, err := r.take(n)
	if err == nil && k == kindStr && !utf8.Valid(data) {
		err = malformed("has a text that is not UTF-8")
	}
	return head{k, n, data}, err
}

// container checks the number of parts of an array or map: each takes a byte
// at least.
func (r *reader) container(k kind, n uint64) (head, error) {
	parts := n
	if k == kindMap {
		parts *= 2
	}
	if parts > uint64(len(r.in)-r.off) {
		return head{}, malformed("is cut short")
	}
	return head{kind: k, bits: n}, nil
}

// timestamp reads the contents of the one extension there is, whose sizes are
// 4, 8 and 12.
func (r *reader) timestamp(size int) (head, error) {
	const extension = 0xff // -1
	if size == 12 {
		if n, err := r.byte(); err != nil || n != 12 {
			return head{}, malformed("has an extension that is not allowed")
		}
	}
	if t, err := r.byte(); err != nil || t != extension {
		return head{}, malformed("has an extension that is not allowed")
	}
	data, err := r.take(uint64(size))
	if err != nil {
		return head{}, err
	}
	if size == 8 && binary.BigEndian.Uint64(data)>>34 >= 1e9 || size == 12 && binary.BigEndian.Uint32(data) >= 1e9 {
		return head{}, malformed("has a timestamp that is none")
	}
	return head{kindTime, uint64(size), data}, nil
}

// enter goes one level down; leave comes back.
func (r *reader) enter() error {
	if r.depth++; r.depth > wire.MaxDepth {
		return problemf("nested deeper than %d", wire.MaxDepth)
	}
	return nil
}

func (r *reader) leave() { r.depth-- }

// charge takes n parts of size bytes from the budget.
func (r *reader) charge(n, size uint64) error {
	if n > uint64(r.memory) || n*size > uint64(r.memory) {
		return &Problem{Text: "would take too much memory", TooLarge: true}
	}
	r.memory -= int(n * size)
	return nil
}

// key reads a map key.
func (r *reader) key() ([]byte, error) {
	h, err := r.head()
	if err == nil && h.kind != kindStr {
		err = problemf("expected text as the key of a map, got %v", h)
	}
	return h.data, err
}

// skip passes over one value.
func (r *reader) skip() error {
	for left := uint64(1); left > 0; left-- {
		h, err := r.head()
		if err != nil {
			return err
		}
		switch h.kind {
		case kindArray:
			left += h.bits
		case kindMap:
			left += 2 * h.bits
		}
	}
	return nil
}

// end checks that nothing follows the value.
func (r *reader) end() error {
	if r.off != len(r.in) {
		return malformed("goes on after the value")
	}
	return nil
}
