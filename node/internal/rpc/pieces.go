package rpc

import "bytes"

// pieces are the bytes of a large message in the order in which they came. Most
// are blocks of the pool, so that a message which grows neither moves nor leaves
// its smaller buffers behind. They are for one goroutine at a time.
type pieces struct {
	parts [][]byte
	size  int
	whole []byte // set by join
}

// growth is how much memory n more bytes take. Small messages take what they
// have once more, so that it is at most twice what came; others blocks.
func (p *pieces) growth(n int) int {
	more := n - p.free()
	switch {
	case more <= 0:
		return 0
	case p.size+n <= blockSize/2:
		return max(more, p.size+p.free())
	}
	return (more + blockSize - 1) / blockSize * blockSize
}

// free is how many bytes fit into the last part.
func (p *pieces) free() int {
	if len(p.parts) == 0 {
		return 0
	}
	last := p.parts[len(p.parts)-1]
	return cap(last) - len(last)
}

// add copies b to the end.
func (p *pieces) add(b []byte) {
	for len(b) > 0 {
		if p.free() == 0 {
			p.parts = append(p.parts, newPart(p.growth(len(b))))
		}
		last := &p.parts[len(p.parts)-1]
		n := min(len(b), cap(*last)-len(*last))
		*last = append(*last, b[:n]...)
		p.size += n
		b = b[n:]
	}
}

func newPart(size int) []byte {
	if size < blockSize {
		return make([]byte, 0, size)
	}
	return blocks.Get().(*block)[:0]
}

// head is a copy of at most the first n bytes.
func (p *pieces) head(n int) (head []byte) {
	for _, part := range p.parts {
		head = append(head, part[:min(n-len(head), len(part))]...)
	}
	return head
}

// join returns the whole message, which is the caller's, and gives the blocks
// back. Called again, it returns the same.
func (p *pieces) join() []byte {
	if p.whole == nil {
		p.whole = bytes.Join(p.parts, nil)
		p.discard()
	}
	return p.whole
}

// discard gives the blocks back.
func (p *pieces) discard() {
	for _, part := range p.parts {
		if cap(part) == blockSize {
			blocks.Put((*block)(part[:blockSize]))
		}
	}
	p.parts, p.size = nil, 0
}
