package codec

import (
	"encoding/base64"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// every has a field of each kind. All are pointers, so that none has to be there.
type every struct {
	I   *int             `json:"i"`
	I8  *int8            `json:"i8"`
	I16 *int16           `json:"i16"`
	I32 *int32           `json:"i32"`
	I64 *int64           `json:"i64"`
	U   *uint            `json:"u"`
	U8  *uint8           `json:"u8"`
	U16 *uint16          `json:"u16"`
	U32 *uint32          `json:"u32"`
	U64 *uint64          `json:"u64"`
	F   *float64         `json:"f"`
	F32 *float32         `json:"f32"`
	S   *string          `json:"s"`
	O   *bool            `json:"o"`
	B   *[]byte          `json:"b"`
	B4  *[4]byte         `json:"b4"`
	T   *time.Time       `json:"t"`
	D   *time.Duration   `json:"d"`
	L   *[]int8          `json:"l"`
	L2  *[2]uint16       `json:"l2"`
	M   *map[string]int8 `json:"m"`
	MI  *map[int8]string `json:"mi"`
	A   any              `json:"a,omitempty"`
	N   *every           `json:"n"`
	Big *big.Int         `json:"big"`
	IP  *netip.Addr      `json:"ip"`
	P   *point           `json:"p"`
	R   *Raw             `json:"r"`
}

func one[T any](v T) *T { return &v }

func FuzzTypedDecode(f *testing.F) {
	for _, v := range []any{
		every{}, every{I: one(-1), I8: one[int8](127), U64: one[uint64](1 << 63), F: one(1.5), F32: one[float32](0.1), S: one("x"), O: one(true)},
		every{B: one([]byte("b")), B4: &[4]byte{1}, T: one(time.Unix(1, 2)), D: one(time.Hour), L: one([]int8{1}), L2: &[2]uint16{1, 2}},
		every{M: one(map[string]int8{"a": 1}), MI: one(map[int8]string{-1: "x"}), A: []any{1, "x", nil}, N: &every{I: one(1)}},
		every{Big: big.NewInt(1 << 60), IP: one(netip.MustParseAddr("::1")), P: &point{1, 2}, R: one(Raw{0x91, 1})},
		map[string]any{"i8": 300, "u": -1, "i": 1.5}, map[string]any{"i8": 2.0, "f": 7, "f32": 1.1, "b": "AQID", "t": "2026-11-20T01:02:03Z", "d": "1.5s"},
		map[string]any{"u64": uint64(math.MaxUint64), "f": 1<<53 + 1, "big": 7, "ip": "10.0.0.1", "p": []int{1, 2}}, []any{1, 2},
	} {
		raw, err := Encode(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	for _, raw := range bombs() {
		f.Add(raw[:min(len(raw), 100)])
	}
	input, err := NewInput(reflect.TypeFor[every]())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		guarded := wire.Guard(raw, wire.Data) == nil
		for _, target := range targets { // none may panic or take too much
			_ = Decode(raw, reflect.New(reflect.TypeOf(target).Elem()).Interface())
		}
		var got every
		if input.Decode(nil, raw, reflect.ValueOf(&got).Elem()) != nil || len(raw) == 0 {
			return
		}
		if !guarded {
			t.Fatalf("decoded what the guard refuses")
		}
		again, err := Encode(got)
		if err != nil {
			return // a Raw may hold a text that is not UTF-8, a nesting may be at its limit
		}
		var before, after any
		if err := Decode(raw, &before); err != nil {
			return // parts that were never looked at: inside a Raw
		}
		if err := Decode(again, &after); err != nil {
			t.Fatalf("own encoding %x: %v", again, err)
		}
		if !same(before, after) {
			t.Fatalf("lost something:\n before %v\n after  %v", before, after)
		}
	})
}

// same reports whether after says all that before said, in whatever accepted form.
func same(before, after any) bool {
	switch b := before.(type) {
	case map[string]any:
		a, ok := after.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range b {
			if w, present := a[k]; !same(v, w) && !(k == "f32" && rounded(v, w)) || !present && v != nil {
				return false
			}
		}
		for k, w := range a {
			if _, known := b[k]; !known && w != nil {
				return false
			}
		}
		return true
	case []any:
		a, ok := after.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range b {
			if !same(b[i], a[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(before, after) || sameNumber(before, after) || sameForm(before, after)
}

func sameNumber(before, after any) bool {
	b, ok1 := exactly(before)
	a, ok2 := exactly(after)
	if ok1 && ok2 {
		return b.Cmp(a) == 0
	}
	x, isFloat := before.(float64)
	y, alsoFloat := after.(float64)
	return isFloat && alsoFloat && (x == y || x != x && y != y)
}

func exactly(v any) (*big.Float, bool) {
	switch v := v.(type) {
	case int64:
		return new(big.Float).SetInt64(v), true
	case uint64:
		return new(big.Float).SetUint64(v), true
	case float64:
		if math.IsNaN(v) {
			return nil, false
		}
		return new(big.Float).SetFloat64(v), true
	case string: // math/big
		f, _, err := big.ParseFloat(v, 0, 4096, big.ToNearestEven)
		return f, err == nil
	}
	return nil, false
}

// rounded allows a float32 its rounding.
func rounded(before, after any) bool {
	b, ok1 := before.(float64)
	a, ok2 := after.(float64)
	return ok1 && ok2 && float64(float32(b)) == a
}

// sameForm knows the texts that are accepted for bytes, times, durations and addresses.
func sameForm(before, after any) bool {
	text, ok := before.(string)
	if !ok {
		return false
	}
	switch a := after.(type) {
	case []byte:
		b, err := base64.StdEncoding.DecodeString(text)
		return err == nil && string(b) == string(a)
	case time.Time:
		b, err := time.Parse(time.RFC3339Nano, text)
		return err == nil && b.Equal(a)
	case int64:
		b, err := time.ParseDuration(text)
		return err == nil && int64(b) == a
	case string:
		b, err := netip.ParseAddr(text)
		return err == nil && b.String() == a || text == "" && a == ""
	}
	return false
}
