package codec

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// large is a type that takes much memory for few bytes.
type large struct {
	A [1 << 12]int64 `json:"a,omitempty"`
	N *large         `json:"n,omitempty"`
}

var targets = []any{
	new(any), new([]any), new(map[string]any), new([]int64), new([]byte), new([]string), new(map[string]int), new(map[int]large), new(large),
	new([]large), new([]*large), new([][]large), new(*large), new(struct{ P point }), new(Raw), new(tree), new(Outer), new([]struct{}), new(string),
}

// bombs are those of the security design that made the msgpack library ask
// for gigabytes or overflow the stack.
func bombs() map[string][]byte {
	return map[string][]byte{
		"array of 4G":   {0xdd, 0xff, 0xff, 0xff, 0xff},
		"array of 100M": {0xdd, 0x05, 0xf5, 0xe1, 0x00},
		"map of 10M":    {0xdf, 0x00, 0x98, 0x96, 0x80},
		"map of 4G":     {0xdf, 0xff, 0xff, 0xff, 0xff},
		"bytes of 4G":   {0xc6, 0xff, 0xff, 0xff, 0xff},
		"text of 4G":    {0xdb, 0xff, 0xff, 0xff, 0xff},
		"2M arrays":     bytes.Repeat([]byte{0x91}, 2_000_000),
		"2M maps":       bytes.Repeat([]byte{0x81, 0xa1, 'n'}, 2_000_000),
		"empty maps":    append([]byte{0xdd, 0, 0x10, 0, 0}, bytes.Repeat([]byte{0x80}, 1<<20)...),
		"nested heads":  bytes.Repeat([]byte{0xdd, 0, 0, 0xff, 0xff}, 20000),
		"extension":     {0xc9, 0xff, 0xff, 0xff, 0xff, 1},
		"nothing":       {},
	}
}

// TestR31_BombsAreRefused decodes every bomb, and a thousand random ones, into
// every type, and watches the memory.
func TestR31_BombsAreRefused(t *testing.T) {
	for name, raw := range bombs() {
		for _, target := range targets {
			v := reflect.New(reflect.TypeOf(target).Elem())
			spent := allocated(func() { _ = Decode(raw, v.Interface()) })
			if limit := uint64(8<<20 + 2*budgetPerByte*len(raw)); spent > limit {
				t.Errorf("%s into %T: %d MiB", name, target, spent>>20)
			}
			if err := Decode(raw, v.Interface()); err == nil && name != "empty maps" && name != "2M maps" {
				t.Errorf("%s into %T is accepted", name, target)
			}
		}
	}
	heads := []byte{0x91, 0x81, 0xdc, 0xdd, 0xde, 0xdf, 0xc4, 0xc6, 0xd9, 0xdb, 0xa1, 'a', 'n', 0xff, 0x00, 0x80, 0x90, 0xc0, 0xcf}
	r := rand.New(rand.NewPCG(31, 31)) // a fixed seed: the same bombs every time
	for range 1000 {
		raw := make([]byte, r.IntN(200))
		for i := range raw {
			raw[i] = heads[r.IntN(len(heads))]
		}
		for _, target := range targets {
			v := reflect.New(reflect.TypeOf(target).Elem())
			if spent := allocated(func() { _ = Decode(raw, v.Interface()) }); spent > 8<<20 {
				t.Errorf("%x into %T: %d MiB", raw, target, spent>>20)
			}
		}
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestDepthIsThatOfTheGuard(t *testing.T) {
	for depth := wire.MaxDepth - 1; depth <= wire.MaxDepth+1; depth++ {
		raw := append(bytes.Repeat([]byte{0x91}, depth), 0xc0)
		allowed := depth <= wire.MaxDepth
		if (wire.Guard(raw, wire.Data) == nil) != allowed {
			t.Fatalf("the guard allows another depth than %d", wire.MaxDepth)
		}
		var v any
		if err := Decode(raw, &v); (err == nil) != allowed {
			t.Errorf("depth %d: %v", depth, err)
		}
		v = nil
		for range depth {
			v = []any{v}
		}
		got, err := Encode(v)
		if (err == nil) != allowed || allowed && !bytes.Equal(got, raw) {
			t.Errorf("encoding depth %d: %v", depth, err)
		}
		if _, err := Encode([]any{Raw(append(bytes.Repeat([]byte{0x91}, depth-1), 0xc0))}); (err == nil) != allowed {
			t.Errorf("Raw at depth %d: %v", depth, err)
		}
	}
}

func TestWhatTheGuardRefusesIsNotDecoded(t *testing.T) {
	for _, raw := range []string{
		"\xc1", "\xd4\x01\x00", "\xc7\x05\xff12345", "\x81\x01\x02", "\x82\xa1a\x01\xa1a\x02", "\xc0\xc0", "", "\x92\x01", "\xa5abc", "\xcf\x01",
		"\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x81\xc4\x01a\x01",
	} {
		var v any
		if wire.Guard([]byte(raw), wire.Data) == nil {
			t.Fatalf("the guard accepts %x", raw)
		}
		if err := Decode([]byte(raw), &v); err == nil {
			t.Errorf("%x is decoded to %v", raw, v)
		}
	}
}

func TestWhatIsTooLargeToReceiveIsNotSent(t *testing.T) {
	for name, v := range map[string]any{
		"text":  strings.Repeat("x", wire.MaxBig+1),
		"parts": make([]int8, wire.DataValues+1),
		"both":  []any{make([]byte, wire.MaxBig-10), make([]byte, 10)},
		"maps":  slices.Repeat([]map[string]int{{"": 1}}, 1_000_000), // few bytes, much memory at the receiver
	} {
		_, err := Encode(v)
		var p *Problem
		if !errors.As(err, &p) || !p.TooLarge {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSmallValuesAreFineWithoutTheGuard builds the value that takes the
// receiver most memory for its bytes, as large as is sent without asking the guard.
func TestSmallValuesAreFineWithoutTheGuard(t *testing.T) {
	var deep any
	for range wire.MaxDepth - 1 {
		deep = map[string]any{"": deep}
	}
	one, err := Encode(deep)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := Encode(slices.Repeat([]any{Raw(one)}, surelyFine/len(one)))
	if err != nil || len(raw) < surelyFine*9/10 {
		t.Fatal(len(raw), err)
	}
	if err := wire.Guard(raw, wire.Data); err != nil {
		t.Error(err)
	}
}
