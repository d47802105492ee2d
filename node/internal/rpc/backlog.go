package rpc

import (
	"slices"
	"sync"
)

// blockSize is the unit in which a backlog takes memory.
const blockSize = 16 << 10

type block [blockSize]byte

var blocks = sync.Pool{New: func() any { return new(block) }}

// backlog holds what came of a stream and was not read, packed, so that small
// CHUNKs cost no more than their bytes. It takes blocks as it grows and gives
// each back as soon as it is read; an empty one holds none. The Conn's mu guards it.
type backlog struct {
	server  *Server
	blocks  []*block // the first is read, the last is filled
	from    int      // what comes next in the first
	to      int      // the end of what is in the last
	charged bool     // the blocks count in the Server's budget
}

// add copies b to the end; false when there is no memory left.
func (l *backlog) add(b []byte) bool {
	for len(b) > 0 {
		if len(l.blocks) == 0 || l.to == blockSize {
			if !l.server.holdStream() {
				return false
			}
			l.charged = true
			l.blocks, l.to = append(l.blocks, blocks.Get().(*block)), 0
		}
		n := copy(l.blocks[len(l.blocks)-1][l.to:], b)
		l.to += n
		b = b[n:]
	}
	return true
}

// take moves what fits from the start to p.
func (l *backlog) take(p []byte) (n int) {
	for n < len(p) && len(l.blocks) > 0 {
		end := blockSize
		if len(l.blocks) == 1 {
			end = l.to
		}
		m := copy(p[n:], l.blocks[0][l.from:end])
		n += m
		if l.from += m; l.from == end {
			l.pop()
		}
	}
	return n
}

// pop gives the first block back.
func (l *backlog) pop() {
	blocks.Put(l.blocks[0])
	l.blocks, l.from = slices.Delete(l.blocks, 0, 1), 0
	if l.charged {
		l.server.releaseStream(1)
	}
}

// uncharge takes the blocks out of the budget. It is for what is left after the
// end of a stream: nothing is added, and who holds the stream holds the blocks.
func (l *backlog) uncharge() {
	if l.charged {
		l.server.releaseStream(len(l.blocks))
		l.charged = false
	}
}

// discard drops everything.
func (l *backlog) discard() {
	for len(l.blocks) > 0 {
		l.pop()
	}
	l.to = 0
}

// holdStream charges a block to the budget of streams; false charges nothing.
func (s *Server) holdStream() bool {
	held := s.streams.Add(blockSize)
	if held > s.cfg.StreamBytes {
		s.streams.Add(-blockSize)
		return false
	}
	for peak := s.streamPeak.Load(); held > peak && !s.streamPeak.CompareAndSwap(peak, held); {
		peak = s.streamPeak.Load()
	}
	return true
}

func (s *Server) releaseStream(blocks int) { s.streams.Add(-int64(blocks) * blockSize) }
