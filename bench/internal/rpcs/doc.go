// Package rpcs holds the contestants that call: each answers a call with the
// bytes that came, between processes of their own on loopback.
//
// All do the same. A caller sends a payload of random bytes, waits until the
// whole answer is there as one slice of bytes, and checks its length; the
// first answer of every caller is compared byte by byte. Who speaks TLS speaks
// TLS 1.3 and shows certificates on both sides.
package rpcs
