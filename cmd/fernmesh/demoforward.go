package main

import (
	"net"
	"sync"
)

// forwarder stands for the LAN between a caller and a node: it passes TCP
// connections on until it falls silent, from when on it takes every byte and
// passes none, as a network does whose cable is cut.
type forwarder struct {
	to       string
	listener net.Listener
	silent   chan struct{}

	mu     sync.Mutex
	closed bool
	conns  []net.Conn
	wg     sync.WaitGroup
}

// newForwarder starts one on a port of the loopback interface. Close ends it.
func newForwarder(to string) (*forwarder, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &forwarder{to: to, listener: l, silent: make(chan struct{})}
	f.wg.Go(f.accept)
	return f, nil
}

func (f *forwarder) address() string { return f.listener.Addr().String() }

func (f *forwarder) accept() {
	for {
		near, err := f.listener.Accept()
		if err != nil {
			return // it was closed
		}
		far, err := net.Dial("tcp", f.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		f.mu.Lock()
		f.conns = append(f.conns, near, far)
		closed := f.closed
		f.mu.Unlock()
		if closed {
			_, _ = near.Close(), far.Close()
			return
		}
		f.wg.Go(func() { f.pass(near, far) })
		f.wg.Go(func() { f.pass(far, near) })
	}
}

// pass copies until either end is closed.
func (f *forwarder) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		select {
		case <-f.silent:
			continue
		default:
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// silence is called once.
func (f *forwarder) silence() { close(f.silent) }

// Close ends every connection and waits.
func (f *forwarder) Close() {
	_ = f.listener.Close()
	f.mu.Lock()
	f.closed = true
	for _, c := range f.conns {
		_ = c.Close()
	}
	f.mu.Unlock()
	f.wg.Wait()
}
