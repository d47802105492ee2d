package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Echo is what a PING carries and its PONG returns.
type Echo [8]byte

// ParseEcho reads the body of a PING or PONG message.
func ParseEcho(body []byte) (Echo, error) {
	var e Echo
	if len(body) != len(e) {
		return e, &MalformedError{"PING", fmt.Sprintf("%d bytes", len(body))}
	}
	return Echo(body), nil
}

// ByeCode says why a link is parted (section 4).
type ByeCode uint16

// The reasons of a BYE.
const (
	ByeRebooting      ByeCode = 0
	ByeBusy           ByeCode = 1
	ByeNotNeeded      ByeCode = 2
	ByeNameTaken      ByeCode = 3
	ByeNotAllowed     ByeCode = 4
	ByeDraining       ByeCode = 5
	ByeNoService      ByeCode = 6
	ByeWrongTarget    ByeCode = 7
	ByeElectionLost   ByeCode = 8
	ByeReplaced       ByeCode = 9
	byeCodes                  = 10
	byeHeader                 = 6
	maxComeBackMillis         = math.MaxUint32
)

var byeNames = [byeCodes]string{
	"rebooting", "busy", "not needed", "name taken", "not allowed", "draining",
	"no common service", "wrong target", "election lost", "replaced",
}

// String names the reason.
func (c ByeCode) String() string {
	if c < byeCodes {
		return byeNames[c]
	}
	return fmt.Sprintf("code %d", uint16(c))
}

// Bye parts a link. BYE and BYE-ACK have the same body.
type Bye struct {
	Code ByeCode // may be one that this version does not know
	// ComeBackAfter is when to try again; 0 is no advice.
	ComeBackAfter time.Duration
	// Text is for people; at most MaxText bytes of UTF-8, with control
	// characters possible.
	Text string
}

// AppendBye appends the body of a BYE or BYE-ACK message.
func AppendBye(dst []byte, b Bye) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(b.Code))
	dst = binary.BigEndian.AppendUint32(dst, uint32(min(toMilliseconds(b.ComeBackAfter), maxComeBackMillis)))
	return append(dst, cutText(b.Text)...)
}

// ParseBye reads the body of a BYE or BYE-ACK message.
func ParseBye(body []byte) (Bye, error) {
	if len(body) < byeHeader {
		return Bye{}, &MalformedError{"BYE", "cut short"}
	}
	return Bye{
		Code:          ByeCode(binary.BigEndian.Uint16(body)),
		ComeBackAfter: milliseconds(uint64(binary.BigEndian.Uint32(body[2:]))),
		Text:          cutText(string(body[byeHeader:])),
	}, nil
}

// cutText makes s valid UTF-8 of at most MaxText bytes.
func cutText(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= MaxText {
		return s
	}
	end := MaxText
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// Relay is a relay that a node tells others of.
type Relay struct {
	Address string // not checked here
	ID      [32]byte
	Seen    time.Duration // since it was seen; whole seconds
}

// AppendGossip appends the body of a GOSSIP message: an array of
// [address, relay id, seconds since seen].
func AppendGossip(dst []byte, relays []Relay) []byte {
	dst = AppendArray(dst, len(relays))
	for _, r := range relays {
		dst = AppendArray(dst, 3)
		dst = AppendString(dst, r.Address)
		dst = AppendBytes(dst, r.ID[:])
		dst = AppendUint(dst, uint64(max(r.Seen, 0)/time.Second))
	}
	return dst
}

// ParseGossip reads the body of a GOSSIP message. Of more than MaxGossip
// relays it returns the first.
func ParseGossip(body []byte) ([]Relay, error) {
	a := OpenArray("GOSSIP", body, Control)
	relays := make([]Relay, 0, min(a.Len(), MaxGossip))
	for a.Len() > 0 && len(relays) < MaxGossip {
		one := a.Array("relay", math.MaxInt)
		r := Relay{Address: one.String("address")}
		id := one.Bytes("relay id")
		seen := one.Uint("seconds since seen", math.MaxUint64)
		if one.err == nil && len(id) != len(r.ID) {
			one.fail("relay id is not 32 bytes")
		}
		if one.err != nil {
			return nil, one.err
		}
		copy(r.ID[:], id)
		r.Seen = time.Duration(min(seen, uint64(MaxDuration/time.Second))) * time.Second
		relays = append(relays, r)
	}
	return relays, a.Err()
}
