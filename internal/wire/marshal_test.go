package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestS4_11_ValuesSurvive(t *testing.T) {
	when := time.Date(2026, 11, 20, 1, 2, 3, 4, time.UTC)
	for _, c := range []struct {
		in, want any
	}{
		{nil, nil},
		{true, true},
		{int8(-5), int64(-5)},
		{uint16(40000), int64(40000)},
		{1, int64(1)},
		{int64(1<<53 + 1), int64(1<<53 + 1)},
		{int64(math.MinInt64), int64(math.MinInt64)},
		{uint64(math.MaxInt64), int64(math.MaxInt64)},
		{uint64(math.MaxUint64), uint64(math.MaxUint64)},
		{float32(0.5), 0.5},
		{1.0, 1.0},
		{math.Inf(-1), math.Inf(-1)},
		{"", ""},
		{"日本\x00", "日本\x00"},
		{[]byte{}, []byte{}},
		{[]byte{0, 255}, []byte{0, 255}},
		{when, when},
		{time.Date(2200, 1, 1, 0, 0, 0, 1, time.UTC), time.Date(2200, 1, 1, 0, 0, 0, 1, time.UTC)},
		{time.Date(1900, 1, 1, 0, 0, 0, 5, time.UTC), time.Date(1900, 1, 1, 0, 0, 0, 5, time.UTC)},
		{[]any{}, []any{}},
		{[]string{"a"}, []any{"a"}},
		{map[string]any{"n": nil, "m": []any{1.5, []byte("x")}}, map[string]any{"n": nil, "m": []any{1.5, []byte("x")}}},
		{netip.MustParseAddr("10.0.0.1"), []byte{10, 0, 0, 1}},
		{strings.Repeat("x", 70000), strings.Repeat("x", 70000)},
	} {
		b, err := Marshal(c.in)
		if err != nil {
			t.Errorf("%T: %v", c.in, err)
			continue
		}
		var got any
		if err := Unmarshal(b, &got, Data); err != nil {
			t.Errorf("%T: %v", c.in, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%T (-want +got):\n%s", c.in, diff)
		}
	}
}

func TestMarshalSortsEveryKindOfMap(t *testing.T) {
	type named map[string]int
	type pair struct {
		B int `msgpack:"b"`
		A int `json:"a"`
		C int
	}
	for name, c := range map[string]struct {
		in   any
		want string
	}{
		"map of any":    {map[string]any{"b": 1, "a": 2, "ab": 3}, "83a16102a2616203a16201"},
		"map of int":    {map[string]int{"b": 1, "a": 2, "ab": 3}, "83a16102a2616203a16201"},
		"named map":     {named{"b": 1, "a": 2, "ab": 3}, "83a16102a2616203a16201"},
		"map of maps":   {map[string]map[string]int{"y": {"d": 1, "c": 2}, "x": nil}, "82a178c0a17982a16302a16401"},
		"struct":        {pair{1, 2, 3}, "83a14303a16102a16201"},
		"maps in array": {[]map[string]int{{"b": 1, "a": 2}}, "9182a16102a16201"},
	} {
		for range 10 { // map order is random
			b, err := Marshal(c.in)
			if err != nil || hex.EncodeToString(b) != c.want {
				t.Fatalf("%s: %x, %v; want %s", name, b, err, c.want)
			}
		}
	}
}

// plainValue makes a random value of plain types.
func plainValue(rng *seeded, depth int) any {
	n := rng.below(12)
	if depth > 4 {
		n = rng.below(10)
	}
	shift := rng.below(64)
	switch n {
	case 0:
		return nil
	case 1:
		return rng.below(2) == 0
	case 2:
		return int(rng.next()) >> shift
	case 3:
		return int64(rng.next()) >> shift
	case 4:
		return rng.next() >> shift
	case 5:
		return math.Float64frombits(rng.next())
	case 6:
		return string(rng.bytes(rng.below(300)))
	case 7:
		return rng.bytes(rng.below(300))
	case 8:
		return time.Unix(int64(rng.next())>>shift, int64(rng.below(2)*rng.below(1e9)))
	case 9:
		return []any{[]byte(nil), map[string]any(nil), []any(nil)}
	case 10:
		s := make([]any, rng.below(20))
		for i := range s {
			s[i] = plainValue(rng, depth+1)
		}
		return s
	}
	m := make(map[string]any)
	for range rng.below(20) {
		m[string(rng.bytes(rng.below(40)))] = plainValue(rng, depth+1)
	}
	return m
}

func TestPlainValuesAreEncodedAsTheLibraryDoes(t *testing.T) {
	for seed := range 2000 {
		rng := seeded(seed)
		v := plainValue(&rng, 0)
		got, err := Marshal(v)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		want, err := marshalTyped(v)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("seed %d: %#v\ngot  %x\nwant %x, %v", seed, v, got, want, err)
		}
	}
}

type broken struct{}

func (broken) MarshalMsgpack() ([]byte, error) { return []byte{0x91}, nil }

type panicking struct{}

func (panicking) MarshalMsgpack() ([]byte, error) { panic("no") }

type tree struct {
	Name   string
	Parent *tree
}

func TestMarshalRefusesWhatThePeerWould(t *testing.T) {
	loop := map[string]any{}
	loop["loop"] = []any{loop}
	knot := &tree{}
	knot.Parent = knot
	var self any
	self = &self
	deep := any(nil)
	for range MaxDepth + 1 {
		deep = []any{deep}
	}
	wide := any(0)
	for range 30 {
		wide = []any{wide, wide} // 2^30 values in 30 slices
	}
	for name, c := range map[string]struct {
		in   any
		want error
	}{
		"map in itself":     {loop, ErrTooDeep},
		"struct in itself":  {knot, ErrTooDeep},
		"pointer to itself": {self, ErrTooDeep},
		"typed and in loop": {[]map[string]any{loop}, ErrTooDeep},
		"typed and shared":  {[]any{struct{}{}, wide}, ErrTooMany},
		"shared slices":     {wide, ErrTooMany},
		"too deep":          {deep, ErrTooDeep},
		"too deep by type":  {[]any{struct{ A any }{deep}}, &GuardError{Reason: GuardDepth}},
		"integer keys":      {map[int]string{1: "a"}, &GuardError{Reason: GuardKey}},
		"wrong own form":    {broken{}, &GuardError{Reason: GuardValues}},
		"panic inside":      {panicking{}, nil},
		"channel":           {make(chan int), nil},
		"function":          {func() {}, nil},
		"above 64 MiB":      {[]any{make([]byte, MaxBig)}, ErrTooBig},
	} {
		_, err := Marshal(c.in)
		var got, want *GuardError
		switch {
		case err == nil:
			t.Errorf("%s: accepted", name)
		case errors.As(c.want, &want):
			if !errors.As(err, &got) || got.Reason != want.Reason {
				t.Errorf("%s: %v, want %v", name, err, want.Reason)
			}
		case c.want != nil && !errors.Is(err, c.want):
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestUnmarshalIntoTypes(t *testing.T) {
	type inner struct {
		Any  any            `json:"any"`
		List []any          `json:"list"`
		Map  map[string]any `json:"map"`
		N    int            `json:"n"`
	}
	type outer struct {
		Inner  *inner
		ByName map[string]inner
		Fixed  [2]any
	}
	in := map[string]any{
		"Inner":   map[string]any{"any": uint8(200), "list": []any{1, float32(0.5)}, "map": map[string]any{"k": 3}, "n": 7, "new": 1},
		"ByName":  map[string]any{"x": map[string]any{"any": []any{1}}},
		"Fixed":   []any{uint64(math.MaxUint64), []byte("b")},
		"unknown": "ignored",
	}
	b, err := Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var got outer
	if err := Unmarshal(b, &got, Data); err != nil {
		t.Fatal(err)
	}
	want := outer{
		Inner:  &inner{Any: int64(200), List: []any{int64(1), 0.5}, Map: map[string]any{"k": int64(3)}, N: 7},
		ByName: map[string]inner{"x": {Any: []any{int64(1)}}},
		Fixed:  [2]any{uint64(math.MaxUint64), []byte("b")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestUnmarshalIntoTheWrongTypeIsAnError(t *testing.T) {
	b, err := Marshal(map[string]any{"a": "text"})
	if err != nil {
		t.Fatal(err)
	}
	var list []any
	var number int
	var wrong struct {
		A int `json:"a"`
	}
	for _, dst := range []any{&list, &number, &wrong, nil, number, (*int)(nil)} {
		if err := Unmarshal(b, dst, Data); err == nil {
			t.Errorf("into %T: no error", dst)
		}
	}
	var m map[string]any
	if err := Unmarshal(b, &m, Data); err != nil || m["a"] != "text" {
		t.Errorf("into the right one: %v, %v", m, err)
	}
	m = map[string]any{"old": 1}
	if err := Unmarshal([]byte{0xc0}, &m, Data); err != nil || m != nil {
		t.Errorf("nil into a map: %v, %v", m, err)
	}
}
