package link_test

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

func TestTrimGivesUpLargeBuffersOfAnIdleLink(t *testing.T) {
	i, r := pair(t, config("alice"), config("bob"))
	defer i.Close(nil)
	defer r.Close(nil)
	buffers := make(chan int, 1)
	go func() {
		_ = r.Run(func(wire.Message) error { buffers <- r.ReadBuffer(); return nil })
	}()
	send := func(bytes int) int {
		must(t, i.Post(wire.TypePing, make([]byte, bytes)))
		i.Flush()
		return <-buffers
	}
	const large = 16 << 10
	send(large)
	i.Trim() // both learn what has moved so far
	r.Trim()
	if send(64) < large || i.WriteBuffer() < large {
		t.Fatal("the buffers did not grow: the test tests nothing")
	}
	i.Trim()
	r.Trim()
	if got := send(64); got > large/2 {
		t.Errorf("the reader of an idle link still holds %d bytes", got)
	}
	if got := i.WriteBuffer(); got > large/2 {
		t.Errorf("the writer of an idle link still holds %d bytes", got)
	}
}

func TestTrimLeavesABusyLinkAlone(t *testing.T) {
	i, r := pair(t, config("alice"), config("bob"))
	defer i.Close(nil)
	defer r.Close(nil)
	buffers := make(chan int, 1)
	go func() {
		_ = r.Run(func(wire.Message) error { buffers <- r.ReadBuffer(); return nil })
	}()
	const large = 16 << 10
	for range 5 {
		must(t, i.Post(wire.TypePing, make([]byte, large)))
		i.Flush()
		<-buffers
		i.Trim()
		r.Trim()
	}
	must(t, i.Post(wire.TypePing, make([]byte, 64)))
	i.Flush()
	if got := <-buffers; got < large || i.WriteBuffer() < large {
		t.Errorf("a busy link gave its buffers up: %d and %d bytes are left", got, i.WriteBuffer())
	}
}

// Whatever is half read or half written when the buffers go, nothing is lost.
func TestTrimLosesNothing(t *testing.T) {
	i, r := tcpPair(t)
	defer i.Close(nil)
	defer r.Close(nil)
	const messages = 2000
	var all sync.WaitGroup
	receive := func(l *link.Link) {
		next := uint64(0)
		all.Go(func() {
			err := l.Run(func(m wire.Message) error {
				if got := binary.BigEndian.Uint64(m.Body); got != next {
					t.Errorf("message %d came in the place of %d", got, next)
				}
				if next++; next == messages {
					l.Close(nil)
				}
				return nil
			})
			if next != messages {
				t.Errorf("%d of %d messages came, then %v", next, messages, err)
			}
		})
	}
	send := func(l *link.Link) {
		body := make([]byte, wire.MaxMessage)
		for n := range messages {
			binary.BigEndian.PutUint64(body, uint64(n))
			if l.Room(t.Context()) != nil || l.Post(wire.TypePing, body[:8+n*7919%(wire.MaxMessage-8)]) != nil {
				return // the reader says what is missing
			}
			l.Flush()
		}
	}
	receive(r)
	all.Go(func() { _ = i.Run(func(wire.Message) error { return nil }) })
	stop := make(chan struct{})
	var trims sync.WaitGroup
	for _, l := range []*link.Link{i, r, i, r} {
		trims.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					l.TrimNow()
				}
			}
		})
	}
	send(i)
	all.Wait()
	close(stop)
	trims.Wait()
}
