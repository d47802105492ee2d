package rpc

import (
	"errors"
	"io"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// errOver: the call of a duplex has ended; its owner knows how.
var errOver = errors.New("rpc: the stream is over")

// duplex is one end of an open stream, as Stream and pipe share it. The Conn's
// mu guards what stands below the blank line.
type duplex struct {
	conn    *Conn
	number  uint64        // set under mu, when the call gets it
	readers turn          // of Read
	writers turn          // of Write
	arrived chan struct{} // capacity 1: the reader looks again
	over    chan struct{} // closed with ended

	out     *outflow
	spoken  bool // a CHUNK was sent
	shut    bool // this side's direction has ended
	window  window
	backlog backlog
	closed  bool // the peer's direction has ended: no CHUNK may come
	whole   bool // it has ended in order: after the backlog comes io.EOF
	ended   bool // the call has ended
}

func (c *Conn) newDuplex(number uint64) duplex {
	return duplex{
		conn: c, number: number, readers: make(turn, 1), writers: make(turn, 1),
		arrived: make(chan struct{}, 1), over: make(chan struct{}),
		out: c.newOutflow(number, 0), window: fullWindow(), backlog: backlog{server: c.server},
	}
}

// turn lets one goroutine in at a time.
type turn chan struct{}

func (t turn) take(stop <-chan struct{}) error {
	select {
	case <-stop:
		return commands.ErrStopped
	default:
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-stop:
		return commands.ErrStopped
	}
}

func (t turn) give() { <-t }

// read is Read for both ends; errOver stands for the call's own end.
func (d *duplex) read(stop <-chan struct{}, p []byte) (int, error) {
	if err := d.readers.take(stop); err != nil {
		return 0, err
	}
	defer d.readers.give()
	for {
		n, err := d.poll(p)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		select {
		case <-d.arrived:
		case <-stop:
			return 0, commands.ErrStopped
		}
	}
}

// poll reads what is there; 0 without an error means to wait.
func (d *duplex) poll(p []byte) (int, error) {
	d.conn.mu.Lock()
	defer d.conn.mu.Unlock()
	n := d.backlog.take(p)
	switch {
	case n > 0:
		if !d.closed {
			if d.window.owe(d.conn, d.number, n) {
				d.conn.link.FlushLater()
			}
		}
	case len(d.backlog.blocks) > 0: // p is empty
	case d.whole:
		return 0, io.EOF
	case d.ended:
		return 0, errOver
	}
	return n, nil
}

// arrive takes a CHUNK of the peer; false when there is no memory left. The
// caller holds mu.
func (d *duplex) arrive(chunk wire.Chunk) (bool, error) {
	if d.closed {
		return true, ErrAfterEnd
	}
	if err := d.window.spend(len(chunk.Bytes)); err != nil {
		return true, err
	}
	if chunk.Flags&wire.ChunkEnd != 0 {
		d.closed = true
	}
	if d.ended {
		return true, nil // nobody reads, and the peer was not told yet
	}
	if !d.backlog.add(chunk.Bytes) {
		return false, nil
	}
	d.whole = d.closed
	d.look()
	return true, nil
}

// look wakes the reader.
func (d *duplex) look() {
	select {
	case d.arrived <- struct{}{}:
	default:
	}
}

// end ends the call on this side. The caller holds mu.
func (d *duplex) end() {
	d.ended = true
	d.out.stop()
	close(d.over)
	d.look()
}

// discard drops what was not read; if that is anything, no io.EOF follows. The
// caller holds mu.
func (d *duplex) discard() {
	if len(d.backlog.blocks) > 0 {
		d.backlog.discard()
		d.whole = false
	}
}

// write is Write for both ends; errOver stands for the call's own end.
func (d *duplex) write(stop <-chan struct{}, p []byte) (sent int, err error) {
	if err := d.writers.take(stop); err != nil {
		return 0, err
	}
	defer d.writers.give()
	defer d.leaveLine()
	for sent < len(p) {
		if err := d.room(stop); err != nil {
			return sent, err
		}
		n, err := d.step(p[sent:])
		if err != nil {
			return sent, err
		}
		if n > 0 {
			sent += n
			d.conn.link.Flush()
			continue
		}
		select {
		case <-d.out.wake:
		case <-stop:
			return sent, commands.ErrStopped
		}
	}
	return sent, nil
}

// room waits until the link takes more.
func (d *duplex) room(stop <-chan struct{}) error {
	ready := d.conn.link.Ready()
	if ready == nil {
		return nil
	}
	select {
	case <-ready:
		return nil
	case <-stop:
		return commands.ErrStopped
	case <-d.over:
	case <-d.conn.link.Done():
	}
	return errOver
}

// step posts the next CHUNK, as large as credit allows; 0 means to wait for
// credit.
func (d *duplex) step(p []byte) (int, error) {
	d.conn.mu.Lock()
	defer d.conn.mu.Unlock()
	switch {
	case d.ended:
		return 0, errOver
	case d.shut:
		return 0, ErrWriteClosed
	}
	n := d.out.take(min(len(p), wire.MaxChunk))
	if n == 0 {
		return 0, nil
	}
	return n, d.post(0, p[:n])
}

// post posts a CHUNK. The caller holds mu.
func (d *duplex) post(flags uint8, b []byte) error {
	var head [wire.ChunkHeader]byte
	if d.conn.put(wire.TypeChunk, wire.AppendChunkHeader(head[:0], d.number, flags), b) != nil {
		return errOver // with its link
	}
	d.spoken = true
	return nil
}

func (d *duplex) leaveLine() {
	d.conn.mu.Lock()
	d.out.leaveLine()
	d.conn.mu.Unlock()
}

// closeWrite is CloseWrite for both ends. The end of a direction takes no credit.
func (d *duplex) closeWrite() error {
	err := func() error {
		d.conn.mu.Lock()
		defer d.conn.mu.Unlock()
		switch {
		case d.ended:
			return errOver
		case d.shut:
			return nil
		}
		return d.shutLocked()
	}()
	if err == nil {
		d.conn.link.Flush()
	}
	return err
}

// shutLocked ends this side's direction. The caller holds mu.
func (d *duplex) shutLocked() error {
	d.shut = true
	d.out.nudge() // a Write that waits gives up
	return d.post(wire.ChunkEnd, nil)
}
