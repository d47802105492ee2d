package crypto

// trimAbove is the largest buffer that survives a Trim.
const trimAbove = 4 << 10

// trimmed is b without its contents, or nil if it is large.
func trimmed(b []byte) []byte {
	if cap(b) > trimAbove {
		return nil
	}
	return b[:0]
}

// Trim gives up a buffer that large messages have left behind. The next ones
// make it anew.
func (s *SendCipher) Trim() {
	s.sealer.raw, s.sealer.second = trimmed(s.sealer.raw), trimmed(s.sealer.second)
}

// Trim gives up a buffer that large tokens have left behind. The next ones make
// it anew.
func (r *ReceiveCipher) Trim() { r.opener.raw = trimmed(r.opener.raw) }
