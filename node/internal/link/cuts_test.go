package link_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// crumbs reads a connection in pieces of 1 to most bytes.
type crumbs struct {
	net.Conn
	most int
}

func (c crumbs) Read(b []byte) (int, error) {
	return c.Conn.Read(b[:min(len(b), 1+rand.IntN(c.most))])
}

func TestS3_4_BytesArriveInAnyCutAndMessagesInOrder(t *testing.T) {
	for _, most := range []int{1, 7, 1000} {
		near, far := net.Pipe()
		type opened struct {
			l   *link.Link
			err error
		}
		accepted := make(chan opened, 1)
		go func() {
			l, err := link.Accept(context.Background(), link.Stream(crumbs{far, most}), config("bob"))
			accepted <- opened{l, err}
		}()
		i, err := link.Dial(t.Context(), link.Stream(crumbs{near, most}), config("alice"), "bob")
		if err != nil {
			t.Fatal(err)
		}
		r := <-accepted
		if r.err != nil {
			t.Fatal(r.err)
		}
		got := collect(r.l)
		for n := range 200 {
			if err := i.Post(wire.TypePing, fmt.Appendf(nil, "%08d", n)); err != nil {
				t.Fatal(err)
			}
			if n%17 == 0 {
				i.FlushLater()
			}
		}
		i.FlushLater()
		for n := range 200 {
			if got, want := <-got, fmt.Sprintf("PING %08d", n); got != want {
				t.Fatalf("in pieces of up to %d bytes: got %q, want %q", most, got, want)
			}
		}
		i.Close(nil)
		r.l.Close(nil)
	}
}
