package codec

import (
	"encoding/binary"
	"math"
	"reflect"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// writer encodes one value.
type writer struct {
	out   []byte
	start int // where the value begins in out
	depth int
}

// writers are kept since every writer escapes: encoders are found at run time.
var writers = sync.Pool{New: func() any { return new(writer) }}

const (
	usualSize  = 64        // room for most values, to save the steps of growing
	surelyFine = 128 << 10 // up to here no value reaches the receiver's limits on parts and memory
)

// Encode encodes v. Map keys are sorted, so equal values have equal
// encodings. The error is a *Problem: a part that does not travel, or nests
// deeper than wire.MaxDepth as every cycle does, or takes more than
// wire.MaxBig bytes, or what the receiver would refuse to decode.
func Encode(v any) ([]byte, error) { return Append(nil, v) }

// Append is Encode onto dst, which comes back as it was with an error.
func Append(dst []byte, v any) ([]byte, error) {
	w := begin(dst)
	return w.end(dst, w.value(v))
}

// AppendList is Append for a list, whose nil is the empty one.
func AppendList(dst []byte, list []any) ([]byte, error) {
	if len(list) == 0 {
		return wire.AppendArray(dst, 0), nil
	}
	w := begin(dst)
	return w.end(dst, w.anyArray(list))
}

func begin(dst []byte) *writer {
	w := writers.Get().(*writer)
	if dst == nil {
		dst = make([]byte, 0, usualSize)
	}
	w.out, w.start, w.depth = dst, len(dst), 0
	return w
}

// end gives the writer back and returns what it wrote, or dst if that failed.
func (w *writer) end(dst []byte, err error) ([]byte, error) {
	if err == nil {
		err = w.check()
	}
	out := w.out
	w.out = nil
	writers.Put(w)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// check looks at what only the whole value shows.
func (w *writer) check() error {
	if err := w.fits(0); err != nil {
		return err
	}
	if len(w.out)-w.start > surelyFine {
		if err := wire.Guard(w.out[w.start:], wire.Data); err != nil {
			return &Problem{Text: "has too many parts to be sent", TooLarge: true}
		}
	}
	return nil
}

// fits checks that n more bytes are within the limit.
func (w *writer) fits(n int) error {
	if len(w.out)-w.start+n > wire.MaxBig {
		return &Problem{Text: "takes more than 64 MiB", TooLarge: true}
	}
	return nil
}

func (w *writer) enter() error {
	if w.depth++; w.depth > wire.MaxDepth {
		return problemf("nested deeper than %d, or in a cycle", wire.MaxDepth)
	}
	return w.fits(0)
}

func (w *writer) leave() { w.depth-- }

func (w *writer) null() { w.out = wire.AppendNil(w.out) }

func (w *writer) int(n int64) {
	switch {
	case n >= 0:
		w.out = wire.AppendUint(w.out, uint64(n))
	case n >= -32:
		w.out = append(w.out, byte(n))
	case n >= math.MinInt8:
		w.out = append(w.out, 0xd0, byte(n))
	case n >= math.MinInt16:
		w.out = binary.BigEndian.AppendUint16(append(w.out, 0xd1), uint16(n))
	case n >= math.MinInt32:
		w.out = binary.BigEndian.AppendUint32(append(w.out, 0xd2), uint32(n))
	default:
		w.out = binary.BigEndian.AppendUint64(append(w.out, 0xd3), uint64(n))
	}
}

func (w *writer) float32(f float32) {
	w.out = binary.BigEndian.AppendUint32(append(w.out, 0xca), math.Float32bits(f))
}

func (w *writer) float64(f float64) {
	w.out = binary.BigEndian.AppendUint64(append(w.out, 0xcb), math.Float64bits(f))
}

func (w *writer) string(s string) error {
	if !utf8.ValidString(s) {
		return problemf("a string that is not UTF-8; send it as []byte")
	}
	if err := w.fits(len(s)); err != nil {
		return err
	}
	w.out = wire.AppendString(w.out, s)
	return nil
}

func (w *writer) bytes(b []byte) error {
	if err := w.fits(len(b)); err != nil {
		return err
	}
	w.out = wire.AppendBytes(w.out, b)
	return nil
}

// time writes the shortest of the timestamp's forms.
func (w *writer) time(t time.Time) {
	sec, nsec := t.Unix(), uint64(t.Nanosecond())
	switch {
	case sec>>34 != 0: // more than 34 bits, or negative
		w.out = binary.BigEndian.AppendUint32(append(w.out, 0xc7, 12, 0xff), uint32(nsec))
		w.out = binary.BigEndian.AppendUint64(w.out, uint64(sec))
	case nsec == 0 && sec <= math.MaxUint32:
		w.out = binary.BigEndian.AppendUint32(append(w.out, 0xd6, 0xff), uint32(sec))
	default:
		w.out = binary.BigEndian.AppendUint64(append(w.out, 0xd7, 0xff), nsec<<34|uint64(sec))
	}
}

// value writes v. The common types are done without reflection.
func (w *writer) value(v any) error {
	switch v := v.(type) {
	case nil:
		w.null()
	case bool:
		w.out = wire.AppendBool(w.out, v)
	case int:
		w.int(int64(v))
	case int64:
		w.int(v)
	case uint64:
		w.out = wire.AppendUint(w.out, v)
	case float64:
		w.float64(v)
	case string:
		return w.string(v)
	case []byte:
		if v == nil {
			w.null()
			return nil
		}
		return w.bytes(v)
	case Raw:
		return w.raw(v)
	case []any:
		return w.anyArray(v)
	case map[string]any:
		return w.anyMap(v)
	default:
		return w.reflected(reflect.ValueOf(v))
	}
	return nil
}

// reflected writes v by the plan of its type.
func (w *writer) reflected(v reflect.Value) error {
	p, err := encoders.of(v.Type())
	if err != nil {
		return err
	}
	return p.encode(w, v)
}
