package codec

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/vmihailenco/msgpack/v5"
)

type (
	blob   []byte
	level  int8
	colour struct{ r, g, b uint8 } // travels as text
	duo    [2]int
	tree   struct {
		Kids []*tree       `json:"kids,omitempty"`
		ByID map[int8]tree `json:"by_id,omitempty"`
		V    int
	}
	base   struct{ ID, Name string }
	hidden struct{ Seen bool }
	Outer  struct {
		base
		hidden
		*Inner
		Named `json:"named"`
		Name  string // hides base.Name
		Skip  int    `json:"-"`
		no    int
	}
	Inner struct{ Deep int }
	Named struct{ X int }
	point struct{ x, y int } // travels by its JSON methods
)

func (c colour) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "#%02x%02x%02x", c.r, c.g, c.b), nil
}
func (c *colour) UnmarshalText(b []byte) error {
	_, err := fmt.Sscanf(string(b), "#%02x%02x%02x", &c.r, &c.g, &c.b)
	return err
}
func (p *point) MarshalJSON() ([]byte, error) { return json.Marshal([]int{p.x, p.y}) }
func (p *point) UnmarshalJSON(b []byte) error {
	var a [2]int
	err := json.Unmarshal(b, &a)
	p.x, p.y = a[0], a[1]
	return err
}

func TestTypesComeBack(t *testing.T) {
	n, deep := 5, &Inner{3}
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	for _, v := range []any{
		blob("bytes"), [3]byte{1, 2, 255}, []level{-128, 127}, duo{1, -1}, [0]int{}, []byte(nil), []int(nil), map[string]int(nil), (*int)(nil),
		&n, []*int{nil, &n}, [][]string{{"a"}, nil, {}}, map[string]any{"a": nil}, map[level]string{-3: "x"}, map[uint16]bool{65535: true},
		map[netip.Addr]int{netip.MustParseAddr("::1"): 1}, netip.MustParsePrefix("10.0.0.0/8"), colour{1, 2, 3}, []colour{{255, 0, 9}},
		map[colour]colour{{1, 2, 3}: {4, 5, 6}}, point{1, -2}, []point{{3, 4}}, map[string]point{"a": {5, 6}}, struct{ P *point }{&point{7, 8}},
		tree{V: 1, Kids: []*tree{{V: 2}, nil, {V: 3, ByID: map[int8]tree{-1: {V: 4}}}}},
		Outer{base: base{ID: "i"}, hidden: hidden{true}, Inner: deep, Named: Named{7}, Name: "n"}, Outer{Name: "no inner"},
		time.Hour, -time.Nanosecond, time.Unix(1<<33, 999999999).UTC(), time.Unix(1<<35, 1).UTC(), time.Unix(-1, 5).UTC(),
		*huge, json.Number("12345678901234567890"), json.Number("-1"), json.Number("1.5"), json.RawMessage(`{"a":[1,9007199254740993]}`),
		Raw{0x91, 0xc0}, struct{}{}, any(nil), uint64(1 << 63), float32(1.1), strings.Repeat("x", 70000), make([]bool, 70000),
	} {
		roundTrip(t, v)
	}
}

// roundTrip encodes v, has the guard and the msgpack library look at the
// result, and decodes it.
func roundTrip(t *testing.T, v any) {
	t.Helper()
	raw, err := Encode(v)
	if err != nil {
		t.Errorf("%T: %v", v, err)
		return
	}
	if err := wire.Guard(raw, wire.Data); err != nil {
		t.Errorf("%T: %v", v, err)
	}
	var theirs any
	if err := msgpack.Unmarshal(raw, &theirs); err != nil {
		t.Errorf("%T: the msgpack library: %v", v, err)
	}
	if v == nil {
		return
	}
	got := reflect.New(reflect.TypeOf(v))
	if err := Decode(raw, got.Interface()); err != nil {
		t.Errorf("%T: %v", v, err)
	} else if !reflect.DeepEqual(got.Elem().Interface(), v) {
		t.Errorf("%T: got %+v, want %+v", v, got.Elem(), v)
	}
}

func TestEncodingIsThatOfTheLibrary(t *testing.T) {
	for _, v := range []any{
		nil, true, false, 0, 1, 127, 128, 255, 256, 65535, 65536, 1 << 32, 1 << 62, -1, -32, -33, -128, -129, -32768, -32769, -1 << 31, -1<<31 - 1, -1 << 63,
		uint64(1<<64 - 1), 1.5, float32(1.5), "", "a", strings.Repeat("a", 31), strings.Repeat("a", 32), strings.Repeat("a", 256), strings.Repeat("a", 65536),
		[]byte("b"), make([]byte, 256), make([]byte, 65536), []any{1, "x", nil}, make([]any, 15), make([]any, 16), make([]any, 65536),
		map[string]any{"b": 1, "a": []any{}, "c": map[string]any{}}, time.Unix(1, 0), time.Unix(1, 1), time.Unix(1<<34, 0), time.Unix(-5, 7),
	} {
		var want strings.Builder
		enc := msgpack.NewEncoder(&want)
		enc.SetSortMapKeys(true)
		enc.UseCompactInts(true)
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		if got, err := Encode(v); err != nil || string(got) != want.String() {
			t.Errorf("%T %.60v: %.40x, %v, want %.40x", v, v, got, err, want.String())
		}
	}
}

func TestStructsFollowTheRulesOfJSON(t *testing.T) {
	type zeroes struct {
		A int       `json:"a,omitempty"`
		B []int     `json:"b,omitempty"`
		C time.Time `json:"c,omitzero"`
		D *int      `json:"d,omitempty"`
		E *int      `json:"e"`
		F struct{}  `json:"f,omitempty"`
		G any       `json:"g,omitempty"`
		H [0]int    `json:"h,omitempty"`
		I int       `json:"i,string"`
	}
	for _, v := range []any{
		Outer{base: base{ID: "i", Name: "hidden"}, hidden: hidden{true}, Inner: &Inner{3}, Name: "n", Skip: 9, no: 1},
		zeroes{}, zeroes{A: 1, B: []int{0}, G: 0},
	} {
		raw, err := Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := Decode(raw, &got); err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(v)
		var want map[string]any
		_ = json.Unmarshal(text, &want)
		for k := range want {
			if _, ok := got[k]; !ok {
				t.Errorf("%T: %q is missing: %v", v, k, got)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%T: got %v, want %v", v, got, want)
		}
	}
}

func TestOtherFormsAreAccepted(t *testing.T) {
	for _, tc := range []struct{ in, want any }{
		{base64.StdEncoding.EncodeToString([]byte{1, 2, 3}), []byte{1, 2, 3}}, {"AQID", [3]byte{1, 2, 3}}, {"", []byte{}},
		{"2026-11-20T01:02:03.5+02:00", time.Date(2026, 11, 19, 23, 2, 3, 5e8, time.UTC)}, {"1m1.5s", 61500 * time.Millisecond}, {2e9, 2 * time.Second},
		{7, *big.NewInt(7)}, {"7", *big.NewInt(7)}, {7, json.Number("7")}, {1.0, json.Number("1")},
		{[]int{1, 2}, point{1, 2}}, {[]float64{1, 2}, point{1, 2}}, {map[string]int{"7": 1}, map[int]int{7: 1}},
		{map[string]any{"b": []byte{1}, "t": time.Unix(0, 0), "n": 1<<53 + 1}, json.RawMessage(`{"b":"AQ==","n":9007199254740993,"t":"1970-01-01T00:00:00Z"}`)},
	} {
		raw, err := Encode(tc.in)
		if err != nil {
			t.Fatal(err)
		}
		got := reflect.New(reflect.TypeOf(tc.want))
		if err := Decode(raw, got.Interface()); err != nil {
			t.Errorf("%v into %T: %v", tc.in, tc.want, err)
			continue
		}
		if want, ok := tc.want.(time.Time); ok {
			if !got.Elem().Interface().(time.Time).Equal(want) {
				t.Errorf("%v into time: %v", tc.in, got.Elem())
			}
		} else if !reflect.DeepEqual(got.Elem().Interface(), tc.want) {
			t.Errorf("%v into %T: %v", tc.in, tc.want, got.Elem())
		}
	}
}

func TestWrongFormsAreRefused(t *testing.T) {
	for _, tc := range []struct {
		in   any
		into any
		want string
	}{
		{"not base64!", []byte{}, "got another text"}, {"AQIDBA==", [3]byte{}, "expected 3 bytes, got 4"}, {[]int{1}, []byte{}, "got an array of 1"},
		{"yesterday", time.Time{}, "RFC 3339"}, {5, time.Time{}, "got integer 5"}, {1.5, time.Second, "got number 1.5"}, {"soon", time.Second, "got another text"},
		{[]int{1, 2, 3}, duo{}, "expected an array of 2, got an array of 3"}, {nil, duo{}, "got nil"}, {nil, struct{}{}, "expected a map, got nil"},
		{map[string]int{"07": 1}, map[int]int{}, "07: expected an integer of 64 bits as the key"}, {map[string]int{"300": 1}, map[int8]int{}, "300: expected an integer of 8 bits"},
		{map[string]int{"-1": 1}, map[uint8]int{}, "-1: "}, {map[string]int{"x": 1}, map[netip.Addr]int{}, "x: "}, {"nowhere", netip.Addr{}, "unable to parse"},
		{strings.Repeat("7", maxDigits+1), big.Int{}, "at most 10000 digits"}, {1.5, big.Int{}, "cannot unmarshal"},
		{7, colour{}, "expected text, got integer 7"}, {"x", json.Number(""), "expected a number, got text"}, {"x", point{}, "cannot unmarshal"},
		{[]any{1, "x"}, []int{}, "[1]: expected an integer"}, {map[string]any{"a": map[string]any{"b": "x"}}, map[string]map[string]int{}, "a.b: expected an integer"},
		{map[string]any{"V": 1.5}, tree{}, "V: expected an integer"}, {1, make(chan int), "does not travel"}, {1, new(error), "nothing says which type"},
	} {
		raw, err := Encode(tc.in)
		if err != nil {
			t.Fatal(err)
		}
		got := reflect.New(reflect.TypeOf(tc.into))
		if err := Decode(raw, got.Interface()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v into %T: %v, want %q", tc.in, tc.into, err, tc.want)
		}
	}
}

func TestNumbersOfJSONThatFitNowhere(t *testing.T) {
	for _, v := range []any{json.Number("123456789012345678901234567891"), json.Number("1e999"), json.Number("x"), json.RawMessage(`[18446744073709551617]`), json.RawMessage(`1 2`), json.RawMessage(`{`)} {
		if raw, err := Encode(v); err == nil {
			t.Errorf("%s is sent as %x", v, raw)
		}
	}
}
