package relay

import "sync"

// readSizes are the capacities of the buffers that are lent to readers: one for
// many small frames, and larger ones as the bytes of a large frame come.
var readSizes = [...]int{ReadBuffer, 32 << 10, 64 << 10, HeaderLen + MaxFrame}

// readPools keep such buffers of each size for use again.
var readPools [len(readSizes)]sync.Pool

// lent is a buffer on loan.
type lent struct {
	bytes []byte
	class int // of its size
}

// lend returns a buffer of at least n bytes, n being at most that of the largest
// frame.
func lend(n int) *lent {
	class := 0
	for readSizes[class] < n {
		class++
	}
	if l, ok := readPools[class].Get().(*lent); ok {
		return l
	}
	return &lent{bytes: make([]byte, readSizes[class]), class: class}
}

// giveBack takes a buffer that nobody uses any more; nil is none.
func (l *lent) giveBack() {
	if l != nil {
		readPools[l.class].Put(l)
	}
}
