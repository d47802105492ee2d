package node

import "strings"

// observerState is the directory of observers, which have no name of their own.
const observerState = "cli"

// pathSegment makes a name safe as one directory: names may hold '/' and other
// characters that file systems give a meaning. Different names stay different.
func pathSegment(name string) string {
	const hexDigits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '~', c >= 0x80:
			b.WriteByte(c)
		default: // upper case too, for file systems that fold it
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}
