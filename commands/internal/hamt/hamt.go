// Package hamt is a persistent map from strings: an insertion returns a new
// map that shares all but a few nodes with the old one, which stays as it was.
// A reader that holds a map therefore needs no lock, whatever writers do, and n
// insertions cost n times a constant, also into one large map.
//
// # Start here
//
// [Map] is the whole package. Its zero value is the empty map.
package hamt

import (
	"hash/maphash"
	"iter"
	"math/bits"
	"slices"
)

const (
	step     = 5  // hash bits used per level
	maxShift = 60 // the last level that has bits left; below it nodes are lists
)

// seed makes the places of keys unpredictable to whoever chooses the keys.
var seed = maphash.MakeSeed()

// Map is an immutable map. It may be read from any number of goroutines.
type Map[V any] struct {
	root *node[V]
	n    int
}

// node holds up to 32 slots, in the order of the bits set in bitmap. Below
// maxShift, where keys have equal hashes, it is a plain list.
type node[V any] struct {
	bitmap uint32
	slots  []slot[V]
}

// slot is either a child or a key with its value.
type slot[V any] struct {
	child *node[V]
	hash  uint64
	key   string
	value V
}

// Len returns the number of keys.
func (m Map[V]) Len() int { return m.n }

// Get returns the value of key.
func (m Map[V]) Get(key string) (v V, ok bool) {
	if m.root == nil {
		return v, false
	}
	return m.root.get(maphash.String(seed, key), key)
}

// With returns a map where key has the value v.
func (m Map[V]) With(key string, v V) Map[V] {
	root, added := m.root.with(0, slot[V]{hash: maphash.String(seed, key), key: key, value: v})
	if added {
		return Map[V]{root, m.n + 1}
	}
	return Map[V]{root, m.n}
}

// Without returns a map that lacks key.
func (m Map[V]) Without(key string) Map[V] {
	if _, ok := m.Get(key); !ok {
		return m
	}
	return Map[V]{m.root.without(0, maphash.String(seed, key), key), m.n - 1}
}

// All yields keys and values in no particular order.
func (m Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) { m.root.all(yield) }
}

func (n *node[V]) get(hash uint64, key string) (v V, ok bool) {
	for shift := 0; n != nil; shift += step {
		i, ok := n.find(shift, hash, key)
		if !ok {
			return v, false
		}
		s := &n.slots[i]
		if s.child == nil && s.key == key {
			return s.value, true
		}
		n = s.child
	}
	return v, false
}

// find returns the slot where the key is or its child would be; else where it belongs.
func (n *node[V]) find(shift int, hash uint64, key string) (int, bool) {
	if shift > maxShift {
		i := slices.IndexFunc(n.slots, func(s slot[V]) bool { return s.key == key })
		if i < 0 {
			return len(n.slots), false
		}
		return i, true
	}
	bit := bitOf(shift, hash)
	return bits.OnesCount32(n.bitmap & (bit - 1)), n.bitmap&bit != 0
}

func bitOf(shift int, hash uint64) uint32 { return 1 << (hash >> shift & (1<<step - 1)) }

// with returns a copy of n that has s, and whether its key is new.
func (n *node[V]) with(shift int, s slot[V]) (*node[V], bool) {
	if n == nil {
		n = &node[V]{}
	}
	i, found := n.find(shift, s.hash, s.key)
	out := &node[V]{bitmap: n.bitmap}
	if !found {
		if shift <= maxShift {
			out.bitmap |= bitOf(shift, s.hash)
		}
		out.slots = make([]slot[V], 0, len(n.slots)+1)
		out.slots = append(append(append(out.slots, n.slots[:i]...), s), n.slots[i:]...)
		return out, true
	}
	out.slots = slices.Clone(n.slots)
	old, added := n.slots[i], false
	switch {
	case old.child != nil:
		out.slots[i].child, added = old.child.with(shift+step, s)
	case old.key == s.key:
		out.slots[i] = s
	default: // two keys in one place: both move one level down
		var below *node[V]
		below, _ = below.with(shift+step, old)
		below, added = below.with(shift+step, s)
		out.slots[i] = slot[V]{child: below}
	}
	return out, added
}

// without returns a copy of n that lacks key, which is there; nil if it is then empty.
func (n *node[V]) without(shift int, hash uint64, key string) *node[V] {
	i, _ := n.find(shift, hash, key)
	if child := n.slots[i].child; child != nil {
		below := child.without(shift+step, hash, key)
		out := &node[V]{n.bitmap, slices.Clone(n.slots)}
		switch {
		case below == nil:
			return n.drop(shift, i, hash)
		case len(below.slots) == 1 && below.slots[0].child == nil:
			out.slots[i] = below.slots[0] // a lone key moves back up
		default:
			out.slots[i].child = below
		}
		return out
	}
	return n.drop(shift, i, hash)
}

// drop returns a copy of n without slot i.
func (n *node[V]) drop(shift, i int, hash uint64) *node[V] {
	if len(n.slots) == 1 {
		return nil
	}
	out := &node[V]{bitmap: n.bitmap, slots: make([]slot[V], 0, len(n.slots)-1)}
	if shift <= maxShift {
		out.bitmap &^= bitOf(shift, hash)
	}
	out.slots = append(append(out.slots, n.slots[:i]...), n.slots[i+1:]...)
	return out
}

func (n *node[V]) all(yield func(string, V) bool) bool {
	if n == nil {
		return true
	}
	for i := range n.slots {
		s := &n.slots[i]
		if s.child != nil {
			if !s.child.all(yield) {
				return false
			}
		} else if !yield(s.key, s.value) {
			return false
		}
	}
	return true
}
