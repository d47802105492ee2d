package wire

// seeded is a small random generator (splitmix64) for tests that must run the
// same cases every time.
type seeded uint64

func (s *seeded) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number from 0 to n-1.
func (s *seeded) below(n int) int { return int(s.next() % uint64(n)) }

func (s *seeded) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(s.next())
	}
	return b
}
