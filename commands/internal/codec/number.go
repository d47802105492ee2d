package codec

import (
	"fmt"
	"math"
	"reflect"
)

// int64 returns the number if it is an integer that an int64 holds.
func (h head) int64() (int64, bool) {
	switch h.kind {
	case kindUint:
		return int64(h.bits), h.bits <= math.MaxInt64
	case kindInt:
		return int64(h.bits), true
	case kindFloat:
		f := h.float()
		return int64(f), f >= -1<<63 && f < 1<<63 && f == math.Trunc(f)
	}
	return 0, false
}

// uint64 returns the number if it is an integer that a uint64 holds.
func (h head) uint64() (uint64, bool) {
	switch h.kind {
	case kindUint:
		return h.bits, true
	case kindFloat:
		f := h.float()
		return uint64(f), f >= 0 && f < 1<<64 && f == math.Trunc(f)
	}
	return 0, false
}

// float64 returns the number if a float64 holds it exactly.
func (h head) float64() (float64, bool) {
	switch h.kind {
	case kindFloat:
		return h.float(), true
	case kindUint:
		f := float64(h.bits)
		return f, f < 1<<64 && uint64(f) == h.bits
	case kindInt:
		f := float64(int64(h.bits))
		return f, int64(f) == int64(h.bits)
	}
	return 0, false
}

// float32 returns the number if it is an integer that a float32 holds exactly,
// or a float in its range, rounded.
func (h head) float32() (float64, bool) {
	f, ok := h.float64()
	if !ok {
		return 0, false
	}
	rounded := float64(float32(f))
	if h.kind == kindFloat {
		return rounded, !math.IsInf(rounded, 0) || math.IsInf(f, 0)
	}
	return rounded, rounded == f
}

func decodeInt(t reflect.Type) (decodeFunc, string) {
	shift := 64 - t.Bits()
	want := fmt.Sprintf("an integer from %d to %d", math.MinInt64>>shift, math.MaxInt64>>shift)
	return func(r *reader, v reflect.Value) error {
		h, err := r.head()
		if err != nil {
			return err
		}
		n, ok := h.int64()
		if !ok || n<<shift>>shift != n {
			return expected(want, h)
		}
		v.SetInt(n)
		return nil
	}, want
}

func decodeUint(t reflect.Type) (decodeFunc, string) {
	limit := uint64(math.MaxUint64) >> (64 - t.Bits())
	want := fmt.Sprintf("an integer from 0 to %d", limit)
	return func(r *reader, v reflect.Value) error {
		h, err := r.head()
		if err != nil {
			return err
		}
		n, ok := h.uint64()
		if !ok || n > limit {
			return expected(want, h)
		}
		v.SetUint(n)
		return nil
	}, want
}

func decodeFloat(t reflect.Type) (decodeFunc, string) {
	convert, want := head.float64, "a number that float64 holds exactly"
	if t.Kind() == reflect.Float32 {
		convert, want = head.float32, "a number that float32 holds"
	}
	return func(r *reader, v reflect.Value) error {
		h, err := r.head()
		if err != nil {
			return err
		}
		f, ok := convert(h)
		if !ok {
			return expected(want, h)
		}
		v.SetFloat(f)
		return nil
	}, want
}
