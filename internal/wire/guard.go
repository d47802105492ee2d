package wire

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
)

// GuardLimits bound a msgpack value.
type GuardLimits struct {
	Depth  int // how deep arrays and maps may nest; at most MaxDepth
	Values int // how many values there may be, keys included
	Memory int // bytes the decoded value may take beside the contents of its strings
}

// GuardReason says which rule a value broke.
type GuardReason uint8

// The rules of Guard.
const (
	GuardMalformed GuardReason = iota + 1 // cut short, or a code or extension that is not allowed
	GuardDepth                            // nested too deep
	GuardValues                           // too many values, or more than bytes are left for
	GuardMemory                           // would take too much memory
	GuardKey                              // a map key that is not a string
	GuardDuplicate                        // a map key twice
	GuardTrailing                         // bytes after the value
)

var guardReasons = [...]string{
	GuardMalformed: "malformed", GuardDepth: "nested too deep",
	GuardValues: "too many values", GuardMemory: "too much memory",
	GuardKey: "map key is not a string", GuardDuplicate: "duplicate map key",
	GuardTrailing: "trailing bytes",
}

// String names the rule.
func (r GuardReason) String() string {
	if int(r) < len(guardReasons) && guardReasons[r] != "" {
		return guardReasons[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// GuardError tells why Guard refused a value, and where.
type GuardError struct {
	Reason GuardReason
	Offset int // byte of the input
}

// Error implements error. The text holds no part of the value.
func (e *GuardError) Error() string {
	return fmt.Sprintf("wire: msgpack value refused: %v at byte %d", e.Reason, e.Offset)
}

// What decoded values take in memory at most, in bytes: in 64-bit Go, and in an
// interface, with the slot of the array that holds them.
const (
	costSmall   = 16  // nil, booleans and small integers share their values
	costNumber  = 24  // other numbers are boxed
	costTime    = 48  // as a struct of three words
	costString  = 56  // header, and what an allocation rounds up
	costArray   = 48  // header
	costMap     = 80  // header
	costEntries = 288 // the first part of a map's table
	costEntry   = 96  // per entry: slots, as many empty ones, and the key
)

// Guard checks that b is exactly one msgpack value within the limits: no
// deeper, no longer and no larger in memory than allowed, map keys strings and
// each once, no extension but the timestamp. It walks the value without
// recursion and decodes nothing; no length is believed before its bytes are
// there. b is at most 4 GiB. The error is a *GuardError.
func Guard(b []byte, lim GuardLimits) error {
	w := newWalker(b, lim)
	defer w.release()
	return w.whole()
}

// open is an array or map whose elements are being walked.
type open struct {
	left    int // elements still to come; keys and values count separately
	keys    int // in a map, where its keys start in walker.keys
	isMap   bool
	ordered bool // the keys so far rise
}

// span is where a map key lies in the input. Inputs are at most MaxBig long.
type span struct{ start, end uint32 }

// walker is the state of one walk.
type walker struct {
	in       []byte
	at       int
	values   int  // still allowed
	memory   int  // still allowed
	depth    int  // allowed
	unsorted bool // some map's keys do not rise
	stack    []open
	keys     []span // of all open maps, outer ones first
}

// keptKeys is how many keys a walker kept for later has room for at most.
const keptKeys = 4096

var walkers = sync.Pool{New: func() any { return &walker{stack: make([]open, 0, MaxDepth)} }}

func newWalker(b []byte, lim GuardLimits) *walker {
	w := walkers.Get().(*walker)
	*w = walker{
		in: b, values: lim.Values, memory: lim.Memory, depth: min(lim.Depth, MaxDepth),
		stack: w.stack[:0], keys: w.keys[:0],
	}
	return w
}

// release ends the walk. The walker must not be used any more.
func (w *walker) release() {
	w.in = nil
	if cap(w.keys) > keptKeys {
		w.keys = nil
	}
	walkers.Put(w)
}

// whole walks one value, which must be all of the input.
func (w *walker) whole() error {
	for {
		reason := w.step()
		if reason == 0 {
			reason = w.closeFull()
		}
		if reason != 0 {
			return &GuardError{reason, w.at}
		}
		if len(w.stack) == 0 {
			break
		}
	}
	if w.at < len(w.in) {
		return &GuardError{GuardTrailing, w.at}
	}
	return nil
}

// step takes one value, or the head of one array or map.
func (w *walker) step() GuardReason {
	h := readHead(w.in[w.at:])
	if h.kind == kindInvalid {
		return GuardMalformed
	}
	if w.values--; w.values < 0 {
		return GuardValues
	}
	if reason := w.checkKey(h); reason != 0 {
		return reason
	}
	if w.memory -= cost(h); w.memory < 0 {
		return GuardMemory
	}
	w.at += h.size
	if h.kind == kindArray || h.kind == kindMap {
		return w.enter(h)
	}
	return 0
}

// cost is what the value of h takes in memory, without its elements.
func cost(h head) int {
	switch h.kind {
	case kindNil, kindBool:
		return costSmall
	case kindUint:
		if h.value < 256 {
			return costSmall
		}
	case kindString, kindBytes:
		return costString
	case kindTime:
		return costTime
	case kindArray:
		return costArray
	case kindMap:
		if h.value > 0 {
			return costMap + costEntries
		}
		return costMap
	}
	return costNumber
}

// checkKey counts the value into the array or map it stands in, and checks it
// if it is a key there.
func (w *walker) checkKey(h head) GuardReason {
	if len(w.stack) == 0 {
		return 0
	}
	top := &w.stack[len(w.stack)-1]
	isKey := top.isMap && top.left%2 == 0
	top.left--
	if !isKey {
		return 0
	}
	if h.kind != kindString {
		return GuardKey
	}
	w.memory -= costEntry
	key := span{uint32(w.at + h.start), uint32(w.at + h.size)}
	if top.ordered && len(w.keys) > top.keys {
		top.ordered = bytes.Compare(w.text(w.keys[len(w.keys)-1]), w.text(key)) < 0
	}
	w.keys = append(w.keys, key)
	return 0
}

// enter opens an array or map. Every element takes a byte at least.
func (w *walker) enter(h head) GuardReason {
	elements := h.value
	if h.kind == kindMap {
		elements *= 2
	}
	switch {
	case len(w.stack) >= w.depth:
		return GuardDepth
	case elements > uint64(len(w.in)-w.at), elements > uint64(w.values):
		return GuardValues
	}
	w.stack = append(w.stack, open{
		left: int(elements), keys: len(w.keys), isMap: h.kind == kindMap, ordered: true,
	})
	return 0
}

// closeFull closes the arrays and maps that are complete.
func (w *walker) closeFull() GuardReason {
	for len(w.stack) > 0 {
		top := w.stack[len(w.stack)-1]
		if top.left > 0 {
			return 0
		}
		if !top.ordered {
			w.unsorted = true
			if w.duplicates(w.keys[top.keys:]) {
				return GuardDuplicate
			}
		}
		w.keys = w.keys[:top.keys]
		w.stack = w.stack[:len(w.stack)-1]
	}
	return 0
}

// duplicates reports whether two of the keys are equal. It sorts them.
func (w *walker) duplicates(keys []span) bool {
	compare := func(a, b span) int { return bytes.Compare(w.text(a), w.text(b)) }
	slices.SortFunc(keys, compare)
	for i := 1; i < len(keys); i++ {
		if compare(keys[i-1], keys[i]) == 0 {
			return true
		}
	}
	return false
}

func (w *walker) text(s span) []byte { return w.in[s.start:s.end] }
