package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/relay"
)

// invite is all that somebody needs to join a network. As a line of text it is
// "fernmesh1:" and, in base64url without padding,
//
//	key 32 | length u8 | network | count u8 | relay… | sum 4
//	relay: flags u8 (1: TLS, 2: pinned) | length u16 | authority | pin 32, if pinned
//
// with sum the first bytes of the SHA-256 of "fernmesh invite 1", a zero byte
// and all before it: it tells a line that was cut or mistyped from a whole one,
// and protects against nobody. There is one line for each invite.
type invite struct {
	key     crypto.Key
	network string
	relays  []relay.Address
}

const (
	invitePrefix = "fernmesh1:"
	inviteLabel  = "fernmesh invite 1\x00"
	inviteSum    = 4
	maxInvite    = 8 << 10 // bytes of a line; the longest there is has less
)

const (
	inviteTLS    = 1
	invitePinned = 2
)

// line returns the invite as text. It holds the key.
func (in invite) line() string {
	b := sealInvite(in.payload())
	return invitePrefix + base64.RawURLEncoding.EncodeToString(b)
}

func (in invite) payload() []byte {
	key, _ := base64.URLEncoding.DecodeString(in.key.Reveal()) // a Key is canonical
	b := append(key, byte(len(in.network)))
	b = append(b, in.network...)
	b = append(b, byte(len(in.relays)))
	for _, r := range in.relays {
		var flags byte
		if r.TLS {
			flags |= inviteTLS
		}
		if r.Pinned {
			flags |= invitePinned
		}
		b = append(b, flags)
		b = binary.BigEndian.AppendUint16(b, uint16(len(r.Authority)))
		b = append(b, r.Authority...)
		if r.Pinned {
			b = append(b, r.Pin[:]...)
		}
	}
	return b
}

// sealInvite appends the sum.
func sealInvite(payload []byte) []byte {
	sum := sha256.Sum256(append([]byte(inviteLabel), payload...))
	return append(payload, sum[:inviteSum]...)
}

// errInviteForm says that the sum is right and the content is not: no program
// of ours made it.
var errInviteForm = errors.New("it is not well formed, though nothing of it was lost")

// parseInvite reads a line. Its errors hold nothing of it, since it holds a key.
func parseInvite(text string) (invite, error) {
	text = strings.Trim(text, " \t\r\n")
	if len(text) > maxInvite {
		return invite{}, errors.New("it is too long")
	}
	rest, ok := strings.CutPrefix(text, invitePrefix)
	if !ok {
		if head, _, found := strings.Cut(text, ":"); found && strings.HasPrefix(head, "fernmesh") && strings.Trim(head[len("fernmesh"):], "0123456789") == "" {
			return invite{}, errors.New("it is of a version that this program does not know")
		}
		return invite{}, fmt.Errorf("it does not begin with %s", invitePrefix)
	}
	if strings.ContainsAny(rest, "\r\n") { // which the decoder would pass over
		return invite{}, errors.New("it is broken into several lines")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(b) < inviteSum {
		return invite{}, errors.New("a part of it is missing or was changed")
	}
	payload := b[:len(b)-inviteSum]
	if !bytes.Equal(sealInvite(slices.Clone(payload)), b) {
		return invite{}, errors.New("a part of it is missing or was changed")
	}
	return parseInvitePayload(payload)
}

func parseInvitePayload(b []byte) (in invite, err error) {
	r := inviteReader{rest: b}
	key, err := crypto.ParseKey(base64.URLEncoding.EncodeToString(r.take(32)))
	network := string(r.take(int(r.byte())))
	count := int(r.byte())
	switch {
	case r.short || err != nil || count > maxNamedRelays:
		return invite{}, errInviteForm
	case key.Weak() != nil:
		return invite{}, errors.New("its key is published or trivial, and protects nothing")
	case wire.CheckName("network", network) != nil:
		return invite{}, errInviteForm
	}
	in = invite{key: key, network: network}
	for range count {
		a, ok := r.relay()
		if !ok || slices.ContainsFunc(in.relays, func(o relay.Address) bool { return o.Authority == a.Authority }) {
			return invite{}, errInviteForm
		}
		in.relays = append(in.relays, a)
	}
	if len(r.rest) > 0 {
		return invite{}, errInviteForm
	}
	return in, nil
}

// inviteReader takes an invite apart. After a read beyond the end it gives
// zeros, and short is set.
type inviteReader struct {
	rest  []byte
	short bool
}

func (r *inviteReader) take(n int) []byte {
	if n > len(r.rest) {
		r.short, r.rest = true, nil
		return make([]byte, n)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *inviteReader) byte() byte { return r.take(1)[0] }

// relay reads an address in the one form that ParseAddress gives.
func (r *inviteReader) relay() (relay.Address, bool) {
	flags := r.byte()
	a := relay.Address{TLS: flags&inviteTLS != 0, Pinned: flags&invitePinned != 0}
	a.Authority = string(r.take(int(binary.BigEndian.Uint16(r.take(2)))))
	if a.Pinned {
		a.Pin = relay.ID(r.take(32))
	}
	again, err := relay.ParseAddress(a.String())
	return a, !r.short && flags&^(inviteTLS|invitePinned) == 0 && err == nil && again == a
}
