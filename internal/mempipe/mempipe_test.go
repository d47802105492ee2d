package mempipe

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/fernmesh/fernmesh/commands"
)

func TestBytesPassBothWaysInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, callee := New()
		sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
		echoed := make(chan []byte)
		go func() { // the callee sends back what it gets
			buf := make([]byte, 1000)
			for {
				n, err := callee.Read(nil, buf)
				if err == io.EOF {
					_ = callee.CloseWrite()
					return
				}
				if _, err := callee.Write(nil, buf[:n]); err != nil {
					t.Error(err)
				}
			}
		}()
		go func() {
			var got []byte
			buf := make([]byte, 4096)
			for {
				n, err := caller.Read(nil, buf)
				got = append(got, buf[:n]...)
				if err != nil {
					echoed <- got
					return
				}
			}
		}()
		if n, err := caller.Write(nil, sent); n != len(sent) || err != nil {
			t.Fatal(n, err)
		}
		_ = caller.CloseWrite()
		if !bytes.Equal(<-echoed, sent) {
			t.Error("the bytes came back changed")
		}
	})
}

func TestAWriterWaitsForItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, callee := New()
		stop, wrote := make(chan struct{}), 0
		done := make(chan error)
		go func() {
			n, err := callee.Write(stop, make([]byte, 2*capacity))
			wrote = n
			done <- err
		}()
		synctest.Wait()
		close(stop)
		if err := <-done; !errors.Is(err, commands.ErrStopped) || wrote != capacity {
			t.Errorf("%d bytes went, then %v", wrote, err)
		}
		if _, err := caller.Read(stop, make([]byte, 1)); err != nil {
			t.Errorf("what is there is read although the wait is stopped: %v", err)
		}
	})
}

func TestBreakKeepsWhatWasWritten(t *testing.T) {
	caller, callee := New()
	_, _ = callee.Write(nil, []byte("ab"))
	broken := errors.New("broken")
	callee.Break(broken)
	buf := make([]byte, 8)
	if n, err := caller.Read(nil, buf); n != 2 || err != nil {
		t.Error(n, err)
	}
	if _, err := caller.Read(nil, buf); err != broken {
		t.Error(err)
	}
	if _, err := caller.Write(nil, buf); err != broken {
		t.Error(err)
	}
}
