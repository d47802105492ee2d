package link_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// tcpPair returns an open link over TCP on the loopback interface.
func tcpPair(b testing.TB) (i, r *link.Link) {
	b.Helper()
	return tcpPairOf(b, config("alice"), config("bob"))
}

// tcpPairOf is tcpPair with given configurations.
func tcpPairOf(b testing.TB, dialler, acceptor link.Config) (i, r *link.Link) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	defer func() { must(b, listener.Close()) }()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	must(b, err)
	accepted, err := listener.Accept()
	must(b, err)
	return pairOver(b, link.Stream(dialled), link.Stream(accepted), dialler, acceptor)
}

var benchSizes = []int{64, 1 << 10, 16 << 10}

// BenchmarkPing is one message there and one back, each alone in its frame: the
// floor of a call's latency.
func BenchmarkPing(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			i, r := tcpPair(b)
			defer i.Close(nil)
			defer r.Close(nil)
			go func() {
				_ = r.Run(func(m wire.Message) error {
					err := r.Post(wire.TypePong, m.Body)
					r.FlushLater()
					return err
				})
			}()
			back := make(chan struct{}, 1)
			go func() {
				_ = i.Run(func(wire.Message) error {
					back <- struct{}{}
					return nil
				})
			}()
			body := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				must(b, i.Post(wire.TypePing, body))
				i.Flush()
				<-back
			}
		})
	}
}

// BenchmarkStream is messages one way, as many as the outbox takes.
func BenchmarkStream(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			i, r := tcpPair(b)
			defer i.Close(nil)
			defer r.Close(nil)
			all := make(chan struct{})
			go func() {
				got := 0
				_ = r.Run(func(m wire.Message) error {
					if m.Type == wire.TypePong {
						close(all)
					}
					got++
					return nil
				})
			}()
			body := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				must(b, i.Room(b.Context()))
				must(b, i.Post(wire.TypePing, body))
				i.FlushLater()
			}
			must(b, i.Post(wire.TypePong, body))
			i.Flush()
			<-all
		})
	}
}

// BenchmarkChunks is CHUNKs one way, with the bulk cipher and without, alone and
// each followed by a message that is no CHUNK and has to leave in a token.
func BenchmarkChunks(b *testing.B) {
	for _, size := range []int{4 << 10, wire.MaxMessage} {
		for _, mixed := range []bool{false, true} {
			for _, bulk := range []bool{false, true} {
				b.Run(fmt.Sprintf("size=%d/mixed=%t/bulk=%t", size, mixed, bulk), func(b *testing.B) {
					dialler, acceptor := config("alice"), config("bob")
					dialler.BulkCipher, acceptor.BulkCipher = bulk, bulk
					i, r := tcpPairOf(b, dialler, acceptor)
					defer i.Close(nil)
					defer r.Close(nil)
					all := make(chan struct{})
					go func() {
						_ = r.Run(func(m wire.Message) error {
							if m.Type == wire.TypePong {
								close(all)
							}
							return nil
						})
					}()
					body, credit := make([]byte, size), make([]byte, 12)
					b.SetBytes(int64(size))
					b.ReportAllocs()
					for b.Loop() {
						must(b, i.Room(b.Context()))
						must(b, i.Post(wire.TypeChunk, body))
						if mixed {
							must(b, i.Post(wire.TypeCredit, credit))
						}
						i.FlushLater()
					}
					must(b, i.Post(wire.TypePong, make([]byte, 8)))
					i.Flush()
					<-all
				})
			}
		}
	}
}

// BenchmarkHandshake is a whole handshake over memory, both sides.
func BenchmarkHandshake(b *testing.B) {
	dialler, acceptor := config("alice"), config("bob")
	for b.Loop() {
		i, r := pair(b, dialler, acceptor)
		i.Close(nil)
		r.Close(nil)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	i, r := tcpPair(t)
	steady(t, i, r, wire.TypePing, 1000)
	i, r = tcpPairOf(t, bulkConfig("alice"), bulkConfig("bob"))
	steady(t, i, r, wire.TypeChunk, wire.MaxMessage)
}

// steady sends messages there, small ones back, and counts allocations.
func steady(t *testing.T, i, r *link.Link, typ wire.Type, size int) {
	t.Helper()
	defer i.Close(nil)
	defer r.Close(nil)
	back := make(chan struct{}, 1)
	for _, l := range []*link.Link{i, r} {
		go func() {
			_ = l.Run(func(m wire.Message) error {
				if m.Type == wire.TypePong {
					back <- struct{}{}
					return nil
				}
				err := l.Post(wire.TypePong, m.Body[:8])
				l.FlushLater()
				return err
			})
		}()
	}
	body := make([]byte, size)
	round := func() {
		if i.Post(typ, body) == nil {
			i.Flush()
			<-back
		}
	}
	round() // buffers grow to their size
	round()
	if n := testing.AllocsPerRun(200, round); n > 0 {
		t.Errorf("%v allocations to send, receive, answer and receive", n)
	}
}
