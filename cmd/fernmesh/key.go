package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/fernmesh/fernmesh/crypto"
)

// errKeyAsFile refuses a key where the name of its file belongs. The text is
// not in it, nor is it printed anywhere else.
var errKeyAsFile = errors.New("must be the name of a file, and this is a key itself")

// errKeyAsRelay refuses a key, or an invite, where a relay's address belongs.
var errKeyAsRelay = errors.New("must be the address of a relay, and this is a key or an invite")

const keyAsFileHint = "everybody on this machine can read command lines, so replace that key: \"fernmesh keygen --out FILE\", then --key-file FILE"

// hintOf returns the hint for an error of an option's set function.
func hintOf(err error) string {
	if errors.Is(err, errKeyAsFile) || errors.Is(err, errKeyAsRelay) {
		return keyAsFileHint
	}
	return ""
}

// looksLikeKey reports whether s is 32 bytes in base64 or hex: no sensible name
// of a file, but what somebody types who takes --key-file for --key. A line of
// "invite" holds a key too.
func looksLikeKey(s string) bool {
	s = strings.TrimSpace(s)
	if inviteLike.MatchString(s) {
		return true
	}
	if b, err := hex.DecodeString(s); err == nil && len(b) == 32 {
		return true
	}
	for _, enc := range []*base64.Encoding{base64.URLEncoding, base64.RawURLEncoding, base64.StdEncoding, base64.RawStdEncoding} {
		if b, err := enc.DecodeString(s); err == nil && len(b) == 32 {
			return true
		}
	}
	return false
}

// keys returns the network's key ring. No error holds any part of a key.
func (s *settings) keys() (crypto.KeyRing, error) {
	switch {
	case s.keyFile != "":
		return loadKeys(s.keyFile)
	case s.key != "":
		k, err := crypto.ParseKey(s.key)
		if err != nil {
			return crypto.KeyRing{}, faultf(exitConfig, "copy the key without anything around it; \"fernmesh keygen\" prints a new one",
				"FERNMESH_KEY: %v", err)
		}
		return checkedRing(crypto.Ring(k), "FERNMESH_KEY")
	}
	return crypto.KeyRing{}, faultf(exitConfig,
		"make a key with \"fernmesh keygen --out home.key\", give every node the same file, and name it with --key-file home.key",
		"there is no network key")
}

func loadKeys(file string) (crypto.KeyRing, error) {
	ring, err := crypto.LoadRing(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ring, faultf(exitConfig, "make a key with \"fernmesh keygen --out FILE\", or name the right file with --key-file",
			"there is no key file %s", file)
	case errors.Is(err, crypto.ErrKeyFile):
		return ring, faultf(exitConfig, "a key file is a regular file that only its owner may read: chmod 600 FILE", "%v", err)
	case errors.Is(err, crypto.ErrBadRing):
		return ring, faultf(exitConfig, "a key file has one key per line, each perhaps followed by active, accept or retired; \"fernmesh keygen --out FILE\" makes one", "%v", err)
	case err != nil:
		return ring, faultf(exitConfig, "see that you may read the file", "cannot read the key file: %v", err)
	}
	return checkedRing(ring, "key file "+file)
}

// checkedRing refuses keys that protect nothing, with the name of where they stand.
func checkedRing(ring crypto.KeyRing, where string) (crypto.KeyRing, error) {
	if err := ring.Check(); err != nil {
		return crypto.KeyRing{}, faultf(exitConfig, "make a new key with \"fernmesh keygen --out FILE\"", "%s: %v", where, err)
	}
	return ring, nil
}

var (
	keyLike    = regexp.MustCompile(`[A-Za-z0-9_+/-]{43,}=`)
	inviteLike = regexp.MustCompile(`fernmesh[0-9]+:[A-Za-z0-9_-]{16,}`)
)

const redacted = "[what looks like a key is not shown]"

// redactKeys replaces whatever has the shape of a network key or an invite. Messages are
// written not to hold one; this is the second wall.
func redactKeys(s string) string {
	return inviteLike.ReplaceAllString(keyLike.ReplaceAllString(s, redacted), redacted)
}

// shorten makes a word that somebody typed fit into a message: not too long,
// and no key.
func shorten(s string) string {
	const most = 40
	if looksLikeKey(s) {
		return redacted
	}
	if s = redactKeys(s); len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
