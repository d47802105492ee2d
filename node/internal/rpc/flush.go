package rpc

// crowd is how many calls under way on a link make it worth waiting for what
// the others are about to post.
const crowd = 4

// flush sends what was posted for one of so many calls under way. Of a crowd,
// whoever comes first lets the others post as well, so that a burst leaves in
// few frames.
func (c *Conn) flush(calls int) {
	if calls < crowd {
		c.link.Flush()
		return
	}
	c.link.FlushCrowd()
}
