package contest

import (
	"math/bits"
	"time"
)

// A Histogram counts lengths of time in buckets whose width is 1/32 of their
// height, so that recording costs the same few instructions for everybody and
// percentiles are right to about 3 %. One goroutine may use it at a time.
type Histogram struct {
	buckets [64 << subBits]uint32
	count   int64
	max     time.Duration
}

const subBits = 5

// Record counts one length of time.
func (h *Histogram) Record(d time.Duration) {
	h.buckets[bucketOf(d)]++
	h.count++
	h.max = max(h.max, d)
}

// Add takes over what another histogram counted.
func (h *Histogram) Add(other *Histogram) {
	for i, n := range other.buckets {
		h.buckets[i] += n
	}
	h.count += other.count
	h.max = max(h.max, other.max)
}

// Count returns how many lengths were recorded.
func (h *Histogram) Count() int64 { return h.count }

// Max returns the greatest length.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns the length below which the part q, 0 to 1, of all lies; 0 if
// there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := int64(q * float64(h.count))
	for i, n := range h.buckets {
		if rank -= int64(n); rank < 0 {
			return min(middleOf(i), h.max)
		}
	}
	return h.max
}

// bucketOf gives small lengths a bucket each, and others one by their highest
// bit and the subBits bits after it.
func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < 1<<subBits {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return (shift+1)<<subBits | int(v>>shift)&(1<<subBits-1)
}

func middleOf(bucket int) time.Duration {
	shift := bucket>>subBits - 1
	if shift <= 0 {
		return time.Duration(bucket)
	}
	low := uint64(1<<subBits|bucket&(1<<subBits-1)) << shift
	return time.Duration(low + 1<<shift/2)
}
