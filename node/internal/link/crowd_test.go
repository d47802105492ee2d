package link

import (
	"testing"
	"time"
)

func TestPatienceEndsWhenTheCrowdComputes(t *testing.T) {
	var p patience
	now := time.Duration(0)
	yield := func(took time.Duration) {
		p.spent(now, now+took)
		now += took
	}
	for range 10 { // now and then something else takes the processor
		for range longYields - 1 {
			yield(longYield + 1)
		}
		yield(longYield)
	}
	if !p.left(now) {
		t.Fatal("no patience left although the crowd posts at once most of the time")
	}
	for range longYields {
		yield(longYield + 1)
	}
	if p.left(now) {
		t.Error("patience left with a crowd that computes")
	}
	if now += yieldRest; !p.left(now) {
		t.Error("no patience left after the rest")
	}
	if yield(longYield + 1); p.left(now) {
		t.Error("a crowd that still computes was waited for more than once")
	}
}
