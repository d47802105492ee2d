package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2" // the same bytes at both ends
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// Readers that stall, at both ends, hold up their own streams and nothing else.
func TestStalledReadersHoldUpNothingElse(t *testing.T) {
	for name, linkCredit := range map[string]int{"lan": wire.LinkCreditLAN, "relay": wire.LinkCreditRelay} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
				b.handle(t, "repeat", repeater)
				b.handle(t, "deaf", deaf)
				b.handle(t, "pour", func(_ context.Context, c *commands.Call) (any, error) {
					return c.Pipe.Write(nil, make([]byte, 1<<20))
				})
				e := connect(t, a, b, Config{LinkCredit: linkCredit})
				for range 20 {
					mustOpen(t, e.a, request("pour"))
					s := mustOpen(t, e.a, request("deaf"))
					go func() { _, _ = s.Write(nil, make([]byte, 1<<20)) }() // ends with the stream
				}
				synctest.Wait() // all have used up their credit
				if held := a.server.Stats().Streams + b.server.Stats().Streams; held < 40*wire.CallCredit {
					t.Fatalf("only %d bytes wait", held)
				}
				began := time.Now()
				mustCall(t, e.a, request("echo"))
				mustCall(t, e.b, request("echo", make([]byte, 1<<20)))
				s := mustOpen(t, e.a, request("repeat"))
				sent := random(3 << 20)
				wrote := make(chan error, 1)
				go func() { _, err := s.Write(nil, sent); wrote <- errors.Join(err, s.CloseWrite()) }()
				got, err := io.ReadAll(ear{s})
				if err := errors.Join(err, <-wrote); err != nil || !bytes.Equal(got, sent) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				if took := time.Since(began); took != 0 {
					t.Errorf("waited for %v", took)
				}
			})
		})
	}
}

// A busy stream takes part in the link, it does not take it over.
func TestStreamDoesNotBlockSmallCallsOverTCP(t *testing.T) {
	a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
	b.handle(t, "repeat", repeater)
	e := connectTCP(t, a, b, Config{})
	s := mustOpen(t, e.a, request("repeat"))
	go func() { _, _ = s.Write(nil, make([]byte, 24<<20)); _ = s.CloseWrite() }() // the reader sees what went wrong
	read := make(chan error, 1)
	go func() {
		n, err := io.Copy(io.Discard, ear{s})
		if err == nil && n != 24<<20 {
			err = fmt.Errorf("%d bytes came back", n)
		}
		read <- err
	}()
	small := 0
	for done := false; !done; small++ {
		mustCall(t, e.a, request("echo", small))
		select {
		case err := <-read:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
		}
	}
	if small < 20 {
		t.Fatalf("%d small calls while one stream was busy", small)
	}
	t.Logf("%d small calls during a stream of 24 MiB both ways", small)
}

// Much goes through a reader that takes it in small pieces, and neither end
// holds more than the credit of a call. The link takes new keys meanwhile.
func TestLongStreamThroughASlowReaderIsHeldInLittleMemory(t *testing.T) {
	total := 64 << 20
	switch {
	case *long:
		total = 1 << 30
	case testing.Short():
		total = 16 << 20
	}
	a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
	b.handle(t, "pour", func(_ context.Context, c *commands.Call) (any, error) {
		return nil, pour(c.Pipe, total)
	})
	b.handle(t, "sip", func(_ context.Context, c *commands.Call) (any, error) { return sip(c.Pipe) })
	e := connectTCP(t, a, b, Config{})
	down, up := mustOpen(t, e.a, request("pour")), mustOpen(t, e.a, request("sip"))
	wrote := make(chan error, 1)
	go func() { wrote <- errors.Join(pour(up, total), up.CloseWrite()) }()
	got, err := sip(down)
	if err := errors.Join(err, <-wrote); err != nil || got != total {
		t.Fatalf("%d of %d bytes, %v", got, total, err)
	}
	value, err := up.Result()
	if err := errors.Join(err, commands.DecodeValue(value, &got)); err != nil || got != total {
		t.Fatalf("%d of %d bytes, %v", got, total, err)
	}
	for _, p := range []*party{a, b} {
		peak := p.server.Stats().StreamPeak
		t.Logf("%s held at most %d KiB", p.name, peak>>10)
		if peak > wire.CallCredit+2*blockSize {
			t.Errorf("that is more than the credit of a call")
		}
	}
	checkStreams(t, e)
}

// pour writes known bytes.
func pour(w interface {
	Write(<-chan struct{}, []byte) (int, error)
}, total int) error {
	known := rand.NewChaCha8([32]byte{7})
	for buf := make([]byte, 64<<10); total > 0; total -= len(buf) {
		known.Read(buf) // never fails
		if _, err := w.Write(nil, buf); err != nil {
			return err
		}
	}
	return nil
}

// sip reads them in small pieces and returns how many they were.
func sip(r interface {
	Read(<-chan struct{}, []byte) (int, error)
}) (total int, err error) {
	known := rand.NewChaCha8([32]byte{7})
	buf, want := make([]byte, 5000), make([]byte, 5000)
	for {
		n, err := r.Read(nil, buf)
		known.Read(want[:n]) // never fails
		if !bytes.Equal(buf[:n], want[:n]) {
			return total, fmt.Errorf("other bytes after %d", total)
		}
		total += n
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}
