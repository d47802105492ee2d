package rpc

import (
	"context"
	"io"
	"testing"

	"github.com/fernmesh/fernmesh/commands"
)

// BenchmarkStream is one stream over loopback TCP; both ends run in this
// process.
func BenchmarkStream(b *testing.B) {
	bob := newParty(b, "bob", ServerConfig{})
	bob.handle(b, "sink", func(_ context.Context, c *commands.Call) (any, error) {
		buf := make([]byte, 64<<10)
		for {
			if _, err := c.Pipe.Read(nil, buf); err == io.EOF {
				return nil, nil
			} else if err != nil {
				return nil, err
			}
		}
	})
	bob.handle(b, "repeat", repeater)
	e := connectTCP(b, newParty(b, "alice", ServerConfig{}), bob, Config{})
	b.Run("write64KiB", func(b *testing.B) {
		s := mustOpen(b, e.a, request("sink"))
		p := make([]byte, 64<<10)
		b.SetBytes(int64(len(p)))
		b.ReportAllocs()
		for b.Loop() {
			say(b, s, p)
		}
		if err := s.CloseWrite(); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Result(); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("pingpong1B", func(b *testing.B) {
		s := mustOpen(b, e.a, request("repeat"))
		p := make([]byte, 1)
		b.ReportAllocs()
		for b.Loop() {
			say(b, s, p)
			if _, err := s.Read(nil, p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s := mustOpen(b, e.a, request("sink"))
			if err := s.CloseWrite(); err != nil {
				b.Fatal(err)
			}
			if _, err := s.Result(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
