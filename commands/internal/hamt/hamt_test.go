package hamt

import (
	"fmt"
	"maps"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestMapBehavesLikeAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Map[int]
		model := map[string]int{}
		for i := range rapid.IntRange(0, 300).Draw(t, "steps") {
			key := strconv.Itoa(rapid.IntRange(0, 200).Draw(t, "key"))
			old, was := m, maps.Clone(model)
			if rapid.Bool().Draw(t, "remove") {
				m = m.Without(key)
				delete(model, key)
			} else {
				m = m.With(key, i+1)
				model[key] = i + 1
			}
			same(t, m, model)
			same(t, old, was)
		}
	})
}

func same(t interface{ Fatalf(string, ...any) }, m Map[int], model map[string]int) {
	if m.Len() != len(model) {
		t.Fatalf("Len = %d, want %d", m.Len(), len(model))
	}
	if got := maps.Collect(m.All()); !maps.Equal(got, model) {
		t.Fatalf("All = %v, want %v", got, model)
	}
	for k, want := range model {
		if got, ok := m.Get(k); !ok || got != want {
			t.Fatalf("Get(%q) = %d, %v, want %d", k, got, ok, want)
		}
	}
	for i := range 50 { // some share a place with a key that is there
		if v, ok := m.Get(fmt.Sprint("absent", i)); ok || v != 0 {
			t.Fatalf("Get finds a key that was never there: %v", v)
		}
	}
}

func TestKeysOfOneHashLiveTogether(t *testing.T) {
	var n *node[int]
	const hash = 0xdeadbeefcafe
	for i := range 5 {
		var added bool
		n, added = n.with(0, slot[int]{hash: hash, key: fmt.Sprint(i), value: i})
		if !added {
			t.Fatalf("key %d counted as known", i)
		}
	}
	if _, added := n.with(0, slot[int]{hash: hash, key: "3", value: 9}); added {
		t.Fatal("a known key counted as new")
	}
	for i := range 5 {
		if v, ok := n.get(hash, fmt.Sprint(i)); !ok || v != i {
			t.Fatalf("get(%d) = %d, %v", i, v, ok)
		}
	}
	for i := range 5 {
		n = n.without(0, hash, fmt.Sprint(i))
		if _, ok := n.get(hash, fmt.Sprint(i)); ok {
			t.Fatalf("key %d is still there", i)
		}
	}
	if n != nil {
		t.Fatal("the emptied map keeps nodes")
	}
}

func TestAllStopsWhenAsked(t *testing.T) {
	var m Map[int]
	for i := range 100 {
		m = m.With(strconv.Itoa(i), i)
	}
	n := 0
	for range m.All() {
		if n++; n == 7 {
			break
		}
	}
	if n != 7 {
		t.Fatalf("the loop ran %d times", n)
	}
}
