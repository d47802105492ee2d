package relaylab_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fernmesh/fernmesh/meshtest/netlab"
)

// wire keeps every frame that an interface of a host sent or got, loopback
// included.
type wire struct {
	t    *testing.T
	fd   int
	stop chan struct{}
	done chan struct{}
	once sync.Once
	seen bytes.Buffer // for the reader until done
}

// frameRoom is for the largest frame, which the kernel has not cut yet.
const frameRoom = 256 << 10

// tap begins to listen on a host.
func tap(t *testing.T, on *netlab.Host) *wire {
	t.Helper()
	w := &wire{t: t, stop: make(chan struct{}), done: make(chan struct{})}
	var err error
	on.Enter(func() {
		all := int(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL)))
		w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all)
	})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20),
		unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}),
	)
	if err != nil {
		t.Fatal(err)
	}
	go w.listen()
	t.Cleanup(func() { w.end() })
	return w
}

// listen reads until nothing comes for a moment after stop.
func (w *wire) listen() {
	defer close(w.done)
	frame := make([]byte, frameRoom)
	for {
		n, _, err := unix.Recvfrom(w.fd, frame, 0)
		switch {
		case err == nil:
			w.seen.Write(frame[:n])
		case errors.Is(err, unix.EAGAIN):
			select {
			case <-w.stop:
				return
			default:
			}
		case !errors.Is(err, unix.EINTR):
			w.t.Errorf("listening on the wire: %v", err)
			return
		}
	}
}

// end stops listening, checks that nothing was missed and returns what was heard.
func (w *wire) end() []byte {
	w.once.Do(func() {
		close(w.stop)
		select {
		case <-w.done:
		case <-time.After(10 * time.Second):
			w.t.Fatal("the wire never falls silent")
		}
		stats, err := unix.GetsockoptTpacketStats(w.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err != nil || stats.Drops > 0 {
			w.t.Errorf("listening on the wire: %+v, %v", stats, err)
		}
		_ = unix.Close(w.fd)
	})
	return w.seen.Bytes()
}
