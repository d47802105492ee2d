package link_test

import (
	"encoding/binary"
	"net"
	"sync"
	"testing"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// narrowTCP is a connection over loopback that holds little.
func narrowTCP(t *testing.T) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	a, err = net.Dial("tcp", ln.Addr().String())
	must(t, err)
	b, err = ln.Accept()
	must(t, err)
	for _, c := range []net.Conn{a, b} {
		must(t, c.(*net.TCPConn).SetReadBuffer(256<<10))
		must(t, c.(*net.TCPConn).SetWriteBuffer(64<<10))
	}
	return a, b
}

// Two peers answer each message from their readers with more than the connection
// holds. Neither reader waits for the other, and all arrives in order.
func TestReadersThatAnswerEachOtherDoNotBlock(t *testing.T) {
	ca, cb := narrowTCP(t)
	a, b := pairOver(t, link.Stream(ca), link.Stream(cb), config("alice"), config("bob"))
	const asks = 300
	var readers sync.WaitGroup
	done := make(chan string, 2)
	for _, l := range []*link.Link{a, b} {
		answer, asked, answered := make([]byte, 12<<10), uint64(0), uint64(0)
		readers.Go(func() {
			_ = l.Run(func(m wire.Message) error {
				switch n := binary.BigEndian.Uint64(m.Body); {
				case m.Type == wire.TypePing && n == asked:
					asked++
					binary.BigEndian.PutUint64(answer, n)
					must(t, l.Post(wire.TypeChunk, answer))
					l.FlushSoon()
				case m.Type == wire.TypeChunk && n == answered:
					answered++
				default:
					t.Errorf("%v %d after %d asked and %d answered", m.Type, n, asked, answered)
				}
				if asked == asks && answered == asks {
					done <- ""
				}
				return nil
			})
		})
		readers.Go(func() {
			for n := range uint64(asks) {
				must(t, l.Post(wire.TypePing, binary.BigEndian.AppendUint64(nil, n)))
				l.Flush()
			}
		})
	}
	for range 2 {
		select {
		case <-done:
		case <-a.Done():
			t.Error("ended:", a.Err())
		case <-b.Done():
			t.Error("ended:", b.Err())
		}
	}
	a.Close(nil)
	b.Close(nil)
	readers.Wait()
}

// A deliver function that has passed the reading on is not called again by its
// Run, and the next Run goes on with the next message of the same frame.
func TestTheReadingPassesOnWithinAFrame(t *testing.T) {
	a, b := pair(t, config("alice"), config("bob"))
	for n := range 3 {
		must(t, a.Post(wire.TypePing, []byte{byte(n)}))
	}
	a.FlushLater()
	var got []byte
	for range 3 {
		err := b.Run(func(m wire.Message) error {
			got = append(got, m.Body...)
			return link.ErrPassed
		})
		if err != link.ErrPassed || b.Err() != nil {
			t.Fatal(err, b.Err())
		}
	}
	if string(got) != "\x00\x01\x02" {
		t.Errorf("%v", got)
	}
	a.Close(nil)
	b.Close(nil)
}
