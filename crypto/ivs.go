package crypto

import "crypto/rand"

// ivSource hands out random IVs from a buffer, since asking the system for 16
// bytes at a time costs more than sealing a small token.
type ivSource struct {
	buf  [64 * blockLen]byte
	left int // bytes not yet used, at the end of buf
}

// next returns 16 fresh random bytes, valid until the next call.
func (s *ivSource) next() []byte {
	if s.left == 0 {
		rand.Read(s.buf[:]) //nolint:errcheck // never fails: crypto/rand ends the process rather than return an error
		s.left = len(s.buf)
	}
	at := len(s.buf) - s.left
	s.left -= blockLen
	return s.buf[at : at+blockLen]
}
