package relayserver

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"github.com/fernmesh/fernmesh/relay"
)

// input is what a member's frames are read from: first what came with the
// upgrade request, then the connection, under a deadline for silence.
type input struct {
	conn    net.Conn
	early   []byte
	silence time.Duration // 0 leaves the deadline as it is
	due     time.Time     // the connection's deadline, once silence is set
	heard   time.Time     // of the latest bytes
	direct  *direct       // reads what is there, if the connection can do so
	first   [32]byte      // of what TLS brings
}

var _ relay.PatientReader = (*input)(nil)

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	if len(in.early) > 0 {
		return in.takeEarly(p), nil
	}
	for {
		if err := in.arm(); err != nil {
			return 0, err
		}
		if n, err := in.conn.Read(p); !in.again(n, err) {
			return n, err
		}
	}
}

// ReadWhenReady implements relay.PatientReader.
func (in *input) ReadWhenReady(l relay.Lender) (int, error) {
	if len(in.early) > 0 {
		return in.takeEarly(l.Borrow()), nil
	}
	for {
		if err := in.arm(); err != nil {
			return 0, err
		}
		if n, err := in.await(l); !in.again(n, err) {
			return n, err
		}
	}
}

// await reads when there is something, as far as the connection lets it know
// that. Of TLS, the first bytes go to a buffer of their own: with them, the rest
// of their record is there.
func (in *input) await(l relay.Lender) (int, error) {
	if in.direct != nil {
		return in.direct.read(l)
	}
	if _, ok := in.conn.(*tls.Conn); !ok {
		return in.conn.Read(l.Borrow())
	}
	n, err := in.conn.Read(in.first[:])
	if n > 0 {
		copy(l.Borrow(), in.first[:n])
	}
	return n, err
}

func (in *input) takeEarly(p []byte) int {
	n := copy(p, in.early)
	if in.early = in.early[n:]; len(in.early) == 0 {
		in.early = nil // it is part of a larger buffer
	}
	return n
}

// arm sets the deadline for silence, unless one is running: it is not moved with
// every read, but looked at when it expires.
func (in *input) arm() error {
	if in.silence <= 0 || !in.due.IsZero() {
		return nil
	}
	if in.heard.IsZero() {
		in.heard = time.Now()
	}
	in.due = in.heard.Add(in.silence)
	return in.conn.SetReadDeadline(in.due)
}

// again takes the outcome of a read, and reports whether to read again: the
// deadline has expired, but something came since it was set.
func (in *input) again(n int, err error) bool {
	if in.silence <= 0 {
		return false
	}
	if n > 0 {
		in.heard = time.Now()
		return false
	}
	late := errors.Is(err, os.ErrDeadlineExceeded) && in.heard.Add(in.silence).After(in.due)
	if late {
		in.due = time.Time{}
	}
	return late
}
