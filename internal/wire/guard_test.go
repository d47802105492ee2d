package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// unhex decodes hex digits with spaces between.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// refused returns why Guard refuses b, or 0.
func refused(b []byte, lim GuardLimits) GuardReason {
	var e *GuardError
	if err := Guard(b, lim); errors.As(err, &e) {
		return e.Reason
	}
	return 0
}

func TestGuardRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want GuardReason
	}{
		"nothing":                   {"", GuardMalformed},
		"never used code":           {"c1", GuardMalformed},
		"number cut":                {"cd 01", GuardMalformed},
		"int cut":                   {"d3 00000000000000", GuardMalformed},
		"float cut":                 {"cb 00000000000000", GuardMalformed},
		"string cut":                {"a3 6161", GuardMalformed},
		"string of 4 GiB":           {"db ffffffff 61", GuardMalformed},
		"bytes cut":                 {"c4 02 00", GuardMalformed},
		"array without elements":    {"92 01", GuardValues},
		"map without value":         {"81 a0", GuardValues},
		"trailing byte":             {"c0 c0", GuardTrailing},
		"two values":                {"90 90", GuardTrailing},
		"integer key":               {"81 01 02", GuardKey},
		"nil key":                   {"81 c0 02", GuardKey},
		"bytes as key":              {"81 c4 00 02", GuardKey},
		"array as key":              {"81 90 02", GuardKey},
		"same key twice":            {"82 a1 61 01 a1 61 02", GuardDuplicate},
		"same key in two spellings": {"82 a1 61 01 d9 01 61 02", GuardDuplicate},
		"same key not adjacent":     {"83 a1 61 01 a1 62 02 a1 61 03", GuardDuplicate},
		"same key unsorted":         {"83 a1 62 01 a1 61 02 a1 62 03", GuardDuplicate},
		"same key in inner map":     {"81 a1 61 82 a0 c0 a0 c0", GuardDuplicate},
		"same key around inner map": {"82 a1 61 82 a1 61 01 a1 62 02 a1 61 01", GuardDuplicate},
		"fixext 1":                  {"d4 ff 00", GuardMalformed},
		"fixext 4, other type":      {"d6 00 00000000", GuardMalformed},
		"fixext 8, other type":      {"d7 01 0000000000000000", GuardMalformed},
		"fixext 16":                 {"d8 ff 00000000000000000000000000000000", GuardMalformed},
		"ext 8 of 8 bytes":          {"c7 08 ff 0000000000000000", GuardMalformed},
		"ext 8 of another type":     {"c7 0c 05 000000000000000000000000", GuardMalformed},
		"ext 16":                    {"c8 000c ff 000000000000000000000000", GuardMalformed},
		"ext 32 of 4 GiB":           {"c9 ffffffff ff", GuardMalformed},
		"time cut":                  {"d7 ff 00000000000000", GuardMalformed},
		"time with 2 s of nanos":    {"d7 ff ee6b280000000000", GuardMalformed},
		"long time with 2 s":        {"c7 0c ff 77359400 0000000000000000", GuardMalformed},
	} {
		if got := refused(unhex(c.in), Control); got != c.want {
			t.Errorf("%s: refused for %v, want %v", name, got, c.want)
		}
	}
}

func TestGuardAccepts(t *testing.T) {
	for name, in := range map[string]string{
		"nil":                  "c0",
		"empty string":         "a0",
		"all integers":         "9a 00 7f ff e0 cc80 cd0100 ce00010000 cf0000000100000000 d080 d3ffffffffffffffff",
		"floats":               "92 ca7fc00000 cb7ff0000000000000",
		"strings":              "93 a161 d90161 da000161",
		"bytes":                "93 c40100 c5000100 c60000000100",
		"keys rising":          "82 a161 01 a162 02",
		"keys falling":         "82 a162 01 a161 02",
		"same key in two maps": "92 81 a161 01 81 a161 01",
		"same key inside":      "81 a161 81 a161 81 a161 c0",
		"times":                "93 d6ff00000000 d7ffee6b27fc00000000 c70cff3b9ac9ffffffffffffffffff",
		"not minimal":          "dd 00000001 df 00000001 db 00000001 61 d3 0000000000000001",
	} {
		if err := Guard(unhex(in), Control); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// nested returns n arrays of one element, one inside the other.
func nested(n int) []byte {
	return append(bytes.Repeat([]byte{0x91}, n), 0xc0)
}

func TestGuardDepthIsExact(t *testing.T) {
	if err := Guard(nested(MaxDepth), Control); err != nil {
		t.Errorf("%d deep: %v", MaxDepth, err)
	}
	if got := refused(nested(MaxDepth+1), Control); got != GuardDepth {
		t.Errorf("%d deep: refused for %v, want %v", MaxDepth+1, got, GuardDepth)
	}
	if got := refused(nested(3), GuardLimits{Depth: 2, Values: 9, Memory: 999}); got != GuardDepth {
		t.Errorf("3 deep of 2: refused for %v, want %v", got, GuardDepth)
	}
}

func TestGuardCountsAreExact(t *testing.T) {
	ten := append([]byte{0x9a}, make([]byte, 10)...)
	if err := Guard(ten, GuardLimits{Depth: 1, Values: 11, Memory: 1 << 20}); err != nil {
		t.Errorf("11 values of 11: %v", err)
	}
	if got := refused(ten, GuardLimits{Depth: 1, Values: 10, Memory: 1 << 20}); got != GuardValues {
		t.Errorf("11 values of 10: refused for %v, want %v", got, GuardValues)
	}
	// No array has too many by itself, and all together do.
	if got := refused(unhex("95 94 00000000 00 00 00 00"), GuardLimits{Depth: 2, Values: 7, Memory: 1 << 20}); got != GuardValues {
		t.Errorf("10 values of 7: refused for %v, want %v", got, GuardValues)
	}
	need := costArray + 10*costSmall
	if err := Guard(ten, GuardLimits{Depth: 1, Values: 11, Memory: need}); err != nil {
		t.Errorf("memory of its cost: %v", err)
	}
	if got := refused(ten, GuardLimits{Depth: 1, Values: 11, Memory: need - 1}); got != GuardMemory {
		t.Errorf("memory one short: refused for %v, want %v", got, GuardMemory)
	}
}

// knownBombs are values that take a decoder's memory or stack, as far as they
// are known.
func knownBombs() map[string][]byte {
	emptyMaps := append(unhex("dd 000ffffb"), bytes.Repeat([]byte{0x80}, 1<<20-5)...)
	return map[string][]byte{
		"array of 4 G":              unhex("dd ffffffff"),
		"array of 100 M":            unhex("dd 05f5e100"),
		"array of 33 M":             unhex("dd 02000000"),
		"map of 10 M":               unhex("df 00989680"),
		"map of 4 G":                unhex("df ffffffff"),
		"map of 1 M":                unhex("df 000f4240"),
		"bytes of 4 GiB":            unhex("c6 ffffffff"),
		"bytes of 512 MiB":          unhex("c6 20000000"),
		"string of 4 GiB":           unhex("db ffffffff"),
		"2 M arrays deep":           bytes.Repeat([]byte{0x91}, 2_000_000),
		"8 M arrays deep":           bytes.Repeat([]byte{0x91}, 8_000_000),
		"8 M arrays deep, complete": nested(8 << 20),
		"2 M maps deep":             bytes.Repeat([]byte{0x81, 0xa0}, 2_000_000),
		"1 MiB of empty maps":       emptyMaps,
		"counts that pass one by one": append(
			bytes.Repeat(unhex("dc ffff"), 20), make([]byte, 0xffff)...),
	}
}

func TestR31_KnownBombsAreRefusedCheaply(t *testing.T) {
	for name, bomb := range knownBombs() {
		for kind, lim := range map[string]GuardLimits{"control": Control, "data": Data} {
			var v any
			var err error
			allocated := allocatedBy(func() { err = Unmarshal(bomb, &v, lim) })
			var refusal *GuardError
			if !errors.As(err, &refusal) {
				t.Errorf("%s as %s: %v, want a *GuardError", name, kind, err)
			}
			if allocated > 8<<10 {
				t.Errorf("%s as %s: %d bytes allocated to refuse it", name, kind, allocated)
			}
		}
	}
}

// bomb makes a value that is refused: a lie about a length, too much depth, too
// many values or a wrong end, behind a beginning that is fine.
func bomb(rng *seeded) []byte {
	var b []byte
	for range rng.below(MaxDepth - 1) { // inside the allowed depth
		if rng.below(2) == 0 {
			b = append(b, 0x92, byte(rng.below(128))) // the second element follows
		} else {
			b = append(b, 0x81, 0xa1, byte('a'+rng.below(26)))
		}
	}
	size := make([]byte, 4)
	binary.BigEndian.PutUint32(size, uint32(1<<16+rng.next()%(1<<32-1<<16)))
	switch rng.below(6) {
	case 0: // a length without its bytes
		b = append(append(b, []byte{0xc6, 0xdb, 0xdd, 0xdf, 0xc9}[rng.below(5)]), size...)
	case 1: // the same in a shorter form
		b = append(b, []byte{0xc5, 0xda, 0xdc, 0xde, 0xc8}[rng.below(5)], 0xff, byte(rng.below(256)))
	case 2:
		b = append(b, bytes.Repeat([]byte{0x91}, MaxDepth+rng.below(100_000))...)
	case 3:
		n := ControlValues + rng.below(1<<18)
		binary.BigEndian.PutUint32(size, uint32(n))
		b = append(append(append(b, 0xdd), size...), bytes.Repeat([]byte{0x80}, n)...)
	case 4: // keys that are not strings, or the same again and again
		b = append(b, 0x83, 0xa1, 'k', 0xc0, 0xa1, byte("kz"[rng.below(2)]), 0xc0)
		b = append(b, []byte{0xa1, 0xc4, 0x91}[rng.below(3)], 'k', 0xc0)
	default: // one value too many
		b = append(b, 0xc0, byte(rng.below(128)))
	}
	return append(b, rng.bytes(rng.below(50))...)
}

func TestR31_GeneratedBombsAreRefusedCheaply(t *testing.T) {
	rng := seeded(31)
	for n := range 1000 {
		b := bomb(&rng)
		var v any
		var err error
		allocated := allocatedBy(func() { err = Unmarshal(b, &v, Control) })
		var refusal *GuardError
		if !errors.As(err, &refusal) {
			t.Fatalf("bomb %d of %d bytes: %v, want a *GuardError", n, len(b), err)
		}
		if allocated > 8<<10 {
			t.Errorf("bomb %d of %d bytes: %d bytes allocated to refuse it", n, len(b), allocated)
		}
	}
}

func TestR31_WhatAMessageDecodesToIsBounded(t *testing.T) {
	// The dearest values there are, as large as a message may be.
	for name, unit := range map[string]string{
		"empty maps":       "80",
		"maps of one":      "81 a0 c0",
		"empty arrays":     "90",
		"floats":           "ca 00000001",
		"strings":          "a2 6161",
		"maps of one long": "81 a9 616161616161616161 cd1000",
	} {
		part := unhex(unit)
		n := (MaxMessage - 3) / len(part)
		b := append(AppendArray(nil, n), bytes.Repeat(part, n)...)
		var v any
		var err error
		allocated := allocatedBy(func() { err = Unmarshal(b, &v, Data) })
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if allocated > 8<<20 {
			t.Errorf("%s: %d bytes allocated for a message of %d", name, allocated, len(b))
		}
	}
}

func TestGuardAllocatesNothingForUsualMessages(t *testing.T) {
	b, err := Marshal(map[string]any{"a": []any{1, "two", 3.0}, "b": map[string]any{"c": nil}})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() {
		if err := Guard(b, Control); err != nil {
			t.Fatal(err)
		}
	}); n != 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}

func TestGuardManyKeys(t *testing.T) {
	m := make(map[string]any)
	for n := range 5000 {
		m[fmt.Sprintf("key %d", n)] = n
	}
	b, err := Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := Guard(b, Control); err != nil {
		t.Errorf("distinct keys: %v", err)
	}
	if got := refused(bytes.Replace(b, []byte("key 17"), []byte("key 71"), 1), Control); got != GuardDuplicate {
		t.Errorf("one key twice: refused for %v, want %v", got, GuardDuplicate)
	}
}

// estimate is the memory that Guard thinks b decodes to.
func estimate(b []byte) int {
	w := newWalker(b, Data)
	defer w.release()
	if w.whole() != nil {
		return 0
	}
	return Data.Memory - w.memory + len(b)
}

func FuzzGuard(f *testing.F) {
	for _, bomb := range knownBombs() {
		if len(bomb) < 1<<10 {
			f.Add(bomb)
		}
	}
	f.Add(unhex("82 a161 01 a162 93 d6ff00000000 cb7ff0000000000000 c40100"))
	f.Add(unhex("9a 00 7f ff e0 cc80 cd0100 ce00010000 cf0000000100000000 d080 d3ffffffffffffffff"))
	f.Add(unhex("93 80 81 a0 c0 82 a162 c0 a161 80"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if Guard(b, Data) != nil {
			return
		}
		var v any
		var err error
		allocated := allocatedBy(func() { err = Unmarshal(b, &v, Data) })
		if err != nil {
			t.Fatalf("accepted, but does not decode: %v", err)
		}
		if allocated > uint64(64<<10+2*estimate(b)) {
			t.Fatalf("%d bytes allocated for %d, estimated %d", allocated, len(b), estimate(b))
		}
		again, err := Marshal(v)
		if err != nil {
			t.Fatalf("does not encode again: %v", err)
		}
		var w any
		if err := Unmarshal(again, &w, Data); err != nil {
			t.Fatalf("does not decode again: %v", err)
		}
		if third, err := Marshal(w); err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%x came back as %x, %v", again, third, err)
		}
	})
}
