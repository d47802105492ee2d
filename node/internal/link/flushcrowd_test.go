package link_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// countingCarrier counts the records written.
type countingCarrier struct {
	link.Carrier
	written atomic.Int64
}

func (c *countingCarrier) WriteRecord(body []byte) error {
	c.written.Add(1)
	return c.Carrier.WriteRecord(body)
}

func TestACrowdLeavesInFewFrames(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that the crowd takes turns
	a, b := memPipe()
	carrier := &countingCarrier{Carrier: link.Stream(a)}
	i, r := pairOver(t, carrier, link.Stream(b), config("alice"), config("bob"))
	got := collect(r)
	const crowd, rounds = 32, 8
	before := carrier.written.Load()
	for range rounds {
		var posted sync.WaitGroup
		for range crowd {
			posted.Go(func() {
				if err := i.Post(wire.TypePing, make([]byte, 8)); err != nil {
					t.Error(err)
				}
				i.FlushCrowd()
			})
		}
		posted.Wait()
		for range crowd {
			<-got
		}
	}
	if frames := carrier.written.Load() - before; frames > crowd*rounds/4 {
		t.Errorf("%d messages of a crowd left in %d frames", crowd*rounds, frames)
	}
	i.Close(nil)
	r.Close(nil)
	for range got { // ends when the receiver's Run has returned
	}
}

// slowCarrier takes longer for a record than for one that the peer reads at once.
type slowCarrier struct{ link.Carrier }

func (c slowCarrier) WriteRecord(body []byte) error {
	time.Sleep(6 * time.Millisecond)
	return c.Carrier.WriteRecord(body)
}

// While the peer counts as slow the writer writes; no message of a crowd is left
// behind for that.
func TestACrowdLeavesOverASlowLink(t *testing.T) {
	a, b := memPipe()
	i, r := pairOver(t, slowCarrier{link.Stream(a)}, link.Stream(b), config("alice"), config("bob"))
	got := collect(r)
	const crowd, rounds = 8, 20
	for range rounds {
		for range crowd {
			go func() {
				if i.Post(wire.TypePing, make([]byte, 8)) == nil {
					i.FlushCrowd()
				}
			}()
		}
		for range crowd {
			select {
			case <-got:
			case <-time.After(10 * time.Second):
				t.Fatal("a message was left behind")
			}
		}
	}
	i.Close(nil)
	r.Close(nil)
	for range got {
	}
}
