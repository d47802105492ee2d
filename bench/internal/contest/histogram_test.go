package contest

import (
	"testing"
	"time"
)

func TestQuantilesAreRightToThreePercent(t *testing.T) {
	var h, other Histogram
	for i := 1; i <= 10_000; i++ {
		h.Record(time.Duration(i) * time.Microsecond)
	}
	other.Record(20 * time.Millisecond)
	for q, want := range map[float64]time.Duration{0.5: 5 * time.Millisecond, 0.99: 9900 * time.Microsecond} {
		if got := h.Quantile(q); got < want*97/100 || got > want*103/100 {
			t.Errorf("quantile %v is %v, not %v", q, got, want)
		}
	}
	h.Add(&other)
	if h.Count() != 10_001 || h.Max() != 20*time.Millisecond || h.Quantile(1) != h.Max() {
		t.Errorf("%d recorded, greatest %v", h.Count(), h.Max())
	}
	if new(Histogram).Quantile(0.5) != 0 {
		t.Error("an empty histogram has a quantile")
	}
}

// Every length has a bucket, and none is shorter than one in a bucket below.
func TestBucketsAreInOrder(t *testing.T) {
	last := 0
	for d := time.Duration(0); d < time.Hour; d += d/50 + 1 {
		b := bucketOf(d)
		if b < last || b >= len(Histogram{}.buckets) {
			t.Fatalf("%v is in bucket %d, a shorter one in %d", d, b, last)
		}
		if m := middleOf(b); d > 0 && (m < d*96/100 || m > d*104/100) {
			t.Fatalf("the middle of the bucket of %v is %v", d, m)
		}
		last = b
	}
	if bucketOf(1<<63-1) >= len(Histogram{}.buckets) {
		t.Error("the greatest length has no bucket")
	}
}
