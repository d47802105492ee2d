//go:build !unix

package link

// withTry leaves the carrier as it is: here a socket cannot be written to without
// waiting, and the writer does it all.
func withTry(s *stream) Carrier { return s }
