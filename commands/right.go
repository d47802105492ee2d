package commands

// MaxRight is the most characters of a right's name.
const MaxRight = 32

// Requires says that a caller needs each of these rights, besides the
// permission to call the command. A node's policy grants them; where no policy
// is set, everybody inside the network has every right. A name that is not
// [ValidRight] makes the registration fail with INVALID_ARGUMENT.
func Requires(right ...string) Option {
	return func(s *settings) { s.rights = append(s.rights, right...) }
}

// ValidRight reports whether name can name a right: 1 to [MaxRight] ASCII
// letters, digits and the characters . _ -
func ValidRight(name string) bool {
	if name == "" || len(name) > MaxRight {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
