package codec

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

// numbers decodes each value into each kind of number; the wanted one is nil
// where it must be refused.
func TestNumbersFitOrAreRefused(t *testing.T) {
	const two53 = 1 << 53
	for _, tc := range []struct {
		in, want any // want has the type to decode into
		ok       bool
	}{
		{127, int8(127), true}, {128, int8(0), false}, {300, int8(0), false}, {-128, int8(-128), true}, {-129, int8(0), false},
		{32767, int16(32767), true}, {32768, int16(0), false}, {-32769, int16(0), false},
		{math.MaxInt32, int32(math.MaxInt32), true}, {math.MaxInt32 + 1, int32(0), false}, {math.MinInt32, int32(math.MinInt32), true},
		{math.MinInt64, int64(math.MinInt64), true}, {uint64(math.MaxInt64), int64(math.MaxInt64), true}, {uint64(math.MaxInt64 + 1), int64(0), false},
		{two53 + 1, int(two53 + 1), true}, {2.0, 2, true}, {-2.0, int8(-2), true}, {1.5, 0, false}, {300.0, int8(0), false},
		{math.NaN(), 0, false}, {math.Inf(1), 0, false}, {math.Inf(-1), int64(0), false}, {float64(1 << 63), int64(0), false}, {-float64(1 << 63), int64(math.MinInt64), true},
		{1e300, 0, false}, {math.Copysign(0, -1), 0, true}, {float32(7), 7, true}, {float32(0.5), 0, false},
		{255, uint8(255), true}, {256, uint8(0), false}, {-1, uint8(0), false}, {-1, uint(0), false}, {-1, uint64(0), false}, {65536, uint16(0), false},
		{uint64(math.MaxUint64), uint64(math.MaxUint64), true}, {uint64(math.MaxUint64), uint32(0), false}, {2.0, uint(2), true},
		{-1.0, uint(0), false}, {1.8446744073709552e19, uint64(0), false}, {9.223372036854775808e18, uint64(1 << 63), true}, {3, uintptr(3), true},
		{3, 3.0, true}, {two53, float64(two53), true}, {two53 + 1, 0.0, false}, {-two53 - 1, 0.0, false}, {math.MinInt64, float64(math.MinInt64), true},
		{uint64(math.MaxUint64), 0.0, false}, {int64(math.MaxInt64), 0.0, false}, {1.1, 1.1, true}, {float32(1.1), float64(float32(1.1)), true},
		{math.Inf(1), math.Inf(1), true}, {1.1, float32(1.1), true}, {1e300, float32(0), false}, {math.Inf(-1), float32(math.Inf(-1)), true},
		{16777216, float32(16777216), true}, {16777217, float32(0), false}, {1e-300, float32(0), true},
		{"1", 0, false}, {true, 0, false}, {nil, 0, false}, {nil, 0.0, false}, {[]byte{1}, 0, false}, {"1", 0.0, false}, {"1", uint(0), false},
		{0, false, false}, {1, "", false}, {nil, "", false}, {nil, false, false}, {[]byte("x"), "", false}, {1.5, "", false},
	} {
		raw, err := Encode(tc.in)
		if err != nil {
			t.Fatal(err)
		}
		got := reflect.New(reflect.TypeOf(tc.want))
		err = Decode(raw, got.Interface())
		if (err == nil) != tc.ok || tc.ok && got.Elem().Interface() != tc.want {
			t.Errorf("%T(%v) into %T: %v, %v", tc.in, tc.in, tc.want, got.Elem(), err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "expected ") {
			t.Errorf("%T(%v) into %T: %v", tc.in, tc.in, tc.want, err)
		}
	}
	var nan float32
	if raw, _ := Encode(math.NaN()); Decode(raw, &nan) != nil || nan == nan {
		t.Error("NaN does not survive")
	}
}
