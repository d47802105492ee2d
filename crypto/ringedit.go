package crypto

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrNoSuchKey is wrapped by the error about a key that a ring does not hold, or
// not in the role that a change needs.
var ErrNoSuchKey = errors.New("no such key in the ring")

// Add returns the ring with one more key to accept: the first step of a change
// of keys, done on every node before [KeyRing.Promote] on any. In a full ring it
// takes the place of the oldest retired key; with none there the error wraps
// [ErrBadRing], as it does for a key that is there already or is weak.
func (r KeyRing) Add(k Key) (KeyRing, error) {
	next := r.clone()
	if next.Len() == MaxRingKeys && len(next.retired) > 0 {
		next.retired = next.retired[1:]
	}
	next.usable = append(next.usable, k)
	if err := next.Check(); err != nil {
		return r, err
	}
	return next, nil
}

// Promote returns the ring with an accepted key as the active one; the active
// one becomes accepted. For any other key the error wraps [ErrNoSuchKey].
func (r KeyRing) Promote(k Key) (KeyRing, error) {
	i := slices.IndexFunc(r.usable, k.Equal)
	switch {
	case i < 0:
		return r, fmt.Errorf("%w: %v is not one that it accepts", ErrNoSuchKey, k)
	case i == 0:
		return r, fmt.Errorf("%w: %v is the active key already", ErrNoSuchKey, k)
	}
	next := r.clone()
	next.usable = append([]Key{k}, slices.Delete(next.usable, i, i+1)...)
	return next, nil
}

// Retire returns the ring with an accepted key as a retired one, which opens
// nothing any more. The active key cannot be retired: promote another first. The
// error wraps [ErrNoSuchKey].
func (r KeyRing) Retire(k Key) (KeyRing, error) {
	i := slices.IndexFunc(r.usable, k.Equal)
	switch {
	case i < 0:
		return r, fmt.Errorf("%w: %v is not one that it accepts", ErrNoSuchKey, k)
	case i == 0:
		return r, fmt.Errorf("%w: %v is the active key; promote another one first", ErrNoSuchKey, k)
	}
	next := r.clone()
	next.usable = slices.Delete(next.usable, i, i+1)
	next.retired = append(next.retired, k)
	return next, nil
}

// Find returns the key that goes by a fingerprint, which [Key.String] gives, with
// or without "fernet:". The error wraps [ErrNoSuchKey]: there is none, or there
// are two.
func (r KeyRing) Find(fingerprint string) (Key, error) {
	want := "fernet:" + strings.TrimPrefix(fingerprint, "fernet:")
	found := slices.DeleteFunc(append(r.Usable(), r.retired...), func(k Key) bool { return k.String() != want })
	switch len(found) {
	case 0:
		return Key{}, fmt.Errorf("%w: none has this fingerprint", ErrNoSuchKey)
	case 1:
		return found[0], nil
	}
	return Key{}, fmt.Errorf("%w: two keys have the fingerprint %s", ErrNoSuchKey, want)
}

func (r KeyRing) clone() KeyRing {
	return KeyRing{usable: slices.Clone(r.usable), retired: slices.Clone(r.retired)}
}

// text is the file of the ring, which [ParseRing] reads.
func (r KeyRing) text() []byte {
	var b []byte
	line := func(k Key, role string) { b = append(append(b, k.Reveal()...), " "+role+"\n"...) }
	for i, k := range r.usable {
		if i == 0 {
			line(k, "active")
		} else {
			line(k, "accept")
		}
	}
	for _, k := range r.retired {
		line(k, "retired")
	}
	return b
}
