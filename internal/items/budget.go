package items

import "sync/atomic"

// free is how much of an arriving value costs no budget: what every stream may
// have anyway.
const free = 64 << 10

// Budget bounds the memory that large values take, over many Readers, until
// they have arrived. A nil Budget has no bound. It is safe for concurrent use.
type Budget struct {
	limit   atomic.Int64
	used    atomic.Int64
	refused atomic.Uint64
}

// NewBudget makes a Budget of so many bytes.
func NewBudget(bytes int64) *Budget {
	b := &Budget{}
	b.Limit(bytes)
	return b
}

// Limit sets the bound, for what arrives from now on.
func (b *Budget) Limit(bytes int64) { b.limit.Store(bytes) }

// Refused is how many values were refused for want of memory.
func (b *Budget) Refused() uint64 { return b.refused.Load() }

func (b *Budget) hold(n int) bool {
	if b == nil {
		return true
	}
	if b.used.Add(int64(n)) > b.limit.Load() {
		b.used.Add(-int64(n))
		b.refused.Add(1)
		return false
	}
	return true
}

func (b *Budget) release(n int) {
	if b != nil {
		b.used.Add(-int64(n))
	}
}
