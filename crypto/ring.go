package crypto

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"
)

// MaxRingKeys is the most keys a ring holds (section 1).
const MaxRingKeys = 4

// ErrBadRing is wrapped by the errors of [ParseRing] and [KeyRing.Check].
var ErrBadRing = errors.New("not a usable key ring")

// KeyRing is the keys of one network while it changes from one key to another:
// one active key, with which a node dials and advertises, others it accepts,
// and retired ones, which open nothing and only serve to name the error. The
// zero KeyRing is empty. A KeyRing never changes and may be shared.
type KeyRing struct {
	usable  []Key // the active key first
	retired []Key
}

// Ring returns a ring with the given active key and any others to accept. It
// checks nothing; [KeyRing.Check] does.
func Ring(active Key, accept ...Key) KeyRing {
	return KeyRing{usable: append([]Key{active}, accept...)}
}

// ParseRing reads a key ring: one key per line, followed or not by its role,
// which is active, accept or retired; a key without a role is the active one.
// Blank lines and what follows a # are skipped; lines may end with CR LF. There
// is exactly one active key, at most [MaxRingKeys] in all, and none twice.
// Errors wrap [ErrBadRing], name the line and never repeat its text.
func ParseRing(text []byte) (KeyRing, error) {
	if !utf8.Valid(text) {
		return KeyRing{}, fmt.Errorf("%w: the text is not UTF-8", ErrBadRing)
	}
	var active, accepted, retired []Key
	number := 0
	for line := range bytes.Lines(text) {
		number++
		key, role, err := parseRingLine(string(line))
		switch {
		case err != nil:
			return KeyRing{}, fmt.Errorf("%w: line %d: %w", ErrBadRing, number, err)
		case key.IsZero():
			continue
		case contains(active, key) || contains(accepted, key) || contains(retired, key):
			return KeyRing{}, fmt.Errorf("%w: line %d: the same key stands on an earlier line", ErrBadRing, number)
		case len(active)+len(accepted)+len(retired) == MaxRingKeys:
			return KeyRing{}, fmt.Errorf("%w: line %d: a ring holds at most %d keys", ErrBadRing, number, MaxRingKeys)
		}
		switch role {
		case "active":
			if len(active) > 0 {
				return KeyRing{}, fmt.Errorf("%w: line %d: a second active key; write accept or retired after one of them", ErrBadRing, number)
			}
			active = append(active, key)
		case "accept":
			accepted = append(accepted, key)
		case "retired":
			retired = append(retired, key)
		}
	}
	if len(active) == 0 {
		return KeyRing{}, fmt.Errorf("%w: no active key", ErrBadRing)
	}
	return KeyRing{usable: append(active, accepted...), retired: retired}, nil
}

// parseRingLine returns the zero Key for a line without one.
func parseRingLine(line string) (Key, string, error) {
	line, _, _ = strings.Cut(line, "#")
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return Key{}, "", nil
	}
	key, err := ParseKey(fields[0])
	if err != nil {
		return Key{}, "", err
	}
	if len(fields) == 1 {
		return key, "active", nil
	}
	switch role := fields[1]; {
	case len(fields) > 2:
		return Key{}, "", errors.New("more than a key and its role")
	case role == "active", role == "accept", role == "retired":
		return key, role, nil
	}
	return Key{}, "", errors.New("the word after the key is none of active, accept, retired")
}

func contains(keys []Key, key Key) bool {
	for _, k := range keys {
		if k.Equal(key) {
			return true
		}
	}
	return false
}

// Check returns an error for a ring that no network should run with: empty,
// over [MaxRingKeys], with a zero Key, a key twice, or a usable key that is
// weak (the error then wraps [ErrWeakKey]).
func (r KeyRing) Check() error {
	if r.Len() == 0 {
		return fmt.Errorf("%w: it is empty", ErrBadRing)
	}
	if r.Len() > MaxRingKeys {
		return fmt.Errorf("%w: %d keys, at most %d are allowed", ErrBadRing, r.Len(), MaxRingKeys)
	}
	all := append(r.Usable(), r.retired...)
	for i, k := range all {
		if k.IsZero() {
			return fmt.Errorf("%w: key %d is the zero Key", ErrBadRing, i+1)
		}
		if contains(all[:i], k) {
			return fmt.Errorf("%w: key %d is there twice", ErrBadRing, i+1)
		}
	}
	for i, k := range r.usable {
		if err := k.Weak(); err != nil {
			return fmt.Errorf("%w: key %d: %w", ErrBadRing, i+1, err)
		}
	}
	return nil
}

// Active returns the key to dial and advertise with, or the zero Key of an empty ring.
func (r KeyRing) Active() Key {
	if len(r.usable) == 0 {
		return Key{}
	}
	return r.usable[0]
}

// Usable returns the keys that open something: the active key, then those to accept.
func (r KeyRing) Usable() []Key { return append([]Key(nil), r.usable...) }

// Retired returns the keys that open nothing any more.
func (r KeyRing) Retired() []Key { return append([]Key(nil), r.retired...) }

// Len returns the number of keys, retired ones included.
func (r KeyRing) Len() int { return len(r.usable) + len(r.retired) }

// IsZero reports whether the ring is empty.
func (r KeyRing) IsZero() bool { return r.Len() == 0 }

// String names the keys by their fingerprints, like "ring[fernet:1a2b, accept fernet:3c4d]".
func (r KeyRing) String() string {
	var names []string
	for i, k := range r.usable {
		if i == 0 {
			names = append(names, k.String())
		} else {
			names = append(names, "accept "+k.String())
		}
	}
	for _, k := range r.retired {
		names = append(names, "retired "+k.String())
	}
	return "ring[" + strings.Join(names, ", ") + "]"
}

// GoString returns what [KeyRing.String] does.
func (r KeyRing) GoString() string { return r.String() }

// Format prints what [KeyRing.String] returns, whatever the verb.
func (r KeyRing) Format(f fmt.State, _ rune) { printRedacted(f, r.String()) }

// LogValue returns what [KeyRing.String] does.
func (r KeyRing) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalText returns what [KeyRing.String] does: keys do not leave through an encoder.
func (r KeyRing) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
