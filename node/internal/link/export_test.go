package link

// TrimNow gives up the buffers of both sides whatever goes over the link.
func (l *Link) TrimNow() {
	l.trimWriter()
	l.trimming.mu.Lock()
	defer l.trimming.mu.Unlock()
	l.poke()
}

// ReadBuffer returns how large the reader's buffers are, without those of its
// carrier and cipher. For deliver functions.
func (l *Link) ReadBuffer() int { return cap(l.in.plain) }

// WriteBuffer returns how large the writer's buffers are, without those of its
// carrier and cipher. For when nobody writes.
func (l *Link) WriteBuffer() int {
	l.box.mu.Lock()
	defer l.box.mu.Unlock()
	return cap(l.out.update) + cap(l.out.token) + cap(l.box.waiting) + cap(l.box.spare)
}
