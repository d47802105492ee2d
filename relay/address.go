package relay

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Ports of an address that names none.
const (
	DefaultPort = 3376 // "host"; 3376 spells FERN
	httpPort    = 80   // "http://host"
	httpsPort   = 443  // "https://host"
)

// maxAddress is the longest text of an address, well above what is needed.
const maxAddress = 512

// ErrBadAddress is wrapped by the errors of ParseAddress.
var ErrBadAddress = errors.New("not a relay address")

// Address says where a relay is and, with a pin, which one it has to be. It may
// be compared with == and used as a map key.
type Address struct {
	// Authority is "host:port", lower case, an IPv6 address in brackets. It is
	// what is dialled and what JOIN is bound to.
	Authority string
	// TLS says whether to speak TLS to it.
	TLS bool
	// Pin is the id that the relay must have, if Pinned.
	Pin    ID
	Pinned bool
}

// ParseAddress reads a relay's address (section 8): "host:port" and
// "http://host:port" are plain, "https://host:port" is TLS, and "#" with 64 hex
// digits of the relay's id may follow. Without a port it is 3376, 80 and 443.
// Anything that could be read in two ways is refused: paths, user names, white
// space, IPv6 without brackets, numbers that only some programs take for IPv4.
func ParseAddress(s string) (Address, error) {
	if len(s) > maxAddress {
		return Address{}, fmt.Errorf("%w: %d bytes are too many", ErrBadAddress, len(s))
	}
	a, err := parseAddress(s)
	if err != nil {
		return Address{}, fmt.Errorf("%w: %q: %w", ErrBadAddress, s, err)
	}
	return a, nil
}

func parseAddress(s string) (a Address, err error) {
	rest, pin, pinned := strings.Cut(s, "#")
	if pinned {
		if a.Pin, err = parsePin(pin); err != nil {
			return a, err
		}
		a.Pinned = true
	}
	port := uint16(DefaultPort)
	scheme, after, hasScheme := strings.Cut(rest, "://")
	if hasScheme {
		rest = strings.TrimSuffix(after, "/")
		switch strings.ToLower(scheme) {
		case "http":
			port = httpPort
		case "https":
			port, a.TLS = httpsPort, true
		default:
			return a, fmt.Errorf("it begins with %q, not with http:// or https://", scheme+"://")
		}
	}
	if i := strings.IndexAny(rest, "/?@"); i >= 0 {
		return a, fmt.Errorf("%q has no place in it: only a host and a port are wanted", rest[i])
	}
	host, portText, hasPort, err := splitPort(rest)
	if err != nil {
		return a, err
	}
	if hasPort {
		if port, err = parsePort(portText); err != nil {
			return a, err
		}
	}
	if host, err = parseHost(host); err != nil {
		return a, err
	}
	a.Authority = host + ":" + strconv.Itoa(int(port))
	return a, nil
}

// String returns the address in its one canonical form, which ParseAddress
// reads back: "host:port" or "https://host:port", port 443 left out, and the pin.
func (a Address) String() string {
	s := a.Authority
	if a.TLS {
		s = "https://" + strings.TrimSuffix(s, ":443")
	}
	if a.Pinned {
		s += "#" + a.Pin.String()
	}
	return s
}

// valid checks an address that may not have come from ParseAddress.
func (a Address) valid() error {
	if b, err := ParseAddress(a.String()); err != nil {
		return err
	} else if a != b {
		return fmt.Errorf("%w: %q is not in the form that ParseAddress gives", ErrBadAddress, a.Authority)
	}
	return nil
}

func parsePin(s string) (ID, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(ID{}) {
		return ID{}, errors.New("after # come the 64 hex digits of the relay's id")
	}
	return ID(b), nil
}

// splitPort cuts the port off, and leaves the brackets of IPv6 on the host.
func splitPort(s string) (host, port string, hasPort bool, err error) {
	if strings.HasPrefix(s, "[") {
		i := strings.IndexByte(s, ']')
		if i < 0 {
			return "", "", false, errors.New("the bracket of the IPv6 address is not closed")
		}
		host, s = s[:i+1], s[i+1:]
		if s != "" && s[0] != ':' {
			return "", "", false, errors.New("after ] comes a colon and the port, or nothing")
		}
		port, hasPort = strings.CutPrefix(s, ":")
		return host, port, hasPort, nil
	}
	if strings.Count(s, ":") > 1 {
		return "", "", false, errors.New("an IPv6 address is written in brackets, as in [2001:db8::1]:3376")
	}
	host, port, hasPort = strings.Cut(s, ":")
	return host, port, hasPort, nil
}

// parsePort reads a port in its one spelling.
func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("the port %q is not a number from 1 to 65535", s)
	}
	return uint16(n), nil
}

// parseHost checks a host and returns its canonical form.
func parseHost(s string) (string, error) {
	if inside, ok := strings.CutPrefix(s, "["); ok {
		ip, err := netip.ParseAddr(strings.TrimSuffix(inside, "]"))
		if err != nil || !ip.Is6() {
			return "", errors.New("what is in the brackets is not an IPv6 address")
		}
		return checkZone(ip)
	}
	s = strings.ToLower(s)
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip.String(), nil // IPv4; the rest has colons
	}
	return s, checkName(s)
}

// checkZone returns an IPv6 address in brackets. Its zone must not hold what has
// a meaning in an address, and is lower case since all of an authority is.
func checkZone(ip netip.Addr) (string, error) {
	for _, c := range []byte(ip.Zone()) {
		if !isNameByte(c) && c != '.' {
			return "", fmt.Errorf("the zone %q may only have lower-case letters, digits and . - _", ip.Zone())
		}
	}
	return "[" + ip.String() + "]", nil
}

// checkName checks a DNS name. Names whose last label is a number are none:
// some programs take them for IPv4 addresses.
func checkName(s string) error {
	if s == "" {
		return errors.New("the host is missing")
	}
	if len(s) > 253 {
		return errors.New("the host name is over 253 bytes")
	}
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return errors.New("each part of a host name has 1 to 63 characters")
		}
		for _, c := range []byte(label) {
			if !isNameByte(c) {
				return errors.New("a host name has letters, digits and - only; write international names as xn--…")
			}
		}
	}
	last := labels[len(labels)-1]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return errors.New("this is neither a host name nor an IPv4 address of four decimal numbers")
	}
	return nil
}

// isNameByte reports whether c may be in a label of a host name. The underscore
// is not allowed by the letter, yet in use.
func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
