package relay

import "fmt"

// ErrorCode is why a relay turned a client away: the code of an ERROR.
type ErrorCode uint16

// The codes of section 8. A relay may send others; they are passed on.
const (
	RefusedProof       ErrorCode = 1 // the signature of JOIN is wrong
	RefusedHost        ErrorCode = 2 // the relay does not go by the dialled host
	RefusedTaken       ErrorCode = 3 // another member of the room has this address
	RefusedFull        ErrorCode = 4 // no more members, rooms or connections
	RefusedNotAdmitted ErrorCode = 5 // the relay does not serve this room
	RefusedRate        ErrorCode = 6 // too many joins
	RefusedDraining    ErrorCode = 7 // the relay is about to stop
)

var errorCodeNames = [...]string{
	RefusedProof: "proof of membership refused", RefusedHost: "host refused", RefusedTaken: "address taken",
	RefusedFull: "full", RefusedNotAdmitted: "room not admitted", RefusedRate: "too many joins",
	RefusedDraining: "draining",
}

// String says in words what the code means.
func (c ErrorCode) String() string {
	if c > 0 && int(c) < len(errorCodeNames) {
		return errorCodeNames[c]
	}
	return fmt.Sprintf("error %d", uint16(c))
}

// GoneCode is why a session ended: the code of a GONE.
type GoneCode uint8

// The codes of section 8. Others may come; they too end the session.
const (
	GoneClosed   GoneCode = 1 // the other end closed it
	GoneUnknown  GoneCode = 2 // the other end does not know it
	GoneAbsent   GoneCode = 3 // no member has the address
	GoneOverflow GoneCode = 4 // records came faster than an end took them
)

var goneCodeNames = [...]string{
	GoneClosed: "closed by the peer", GoneUnknown: "unknown to the peer",
	GoneAbsent: "peer is absent", GoneOverflow: "overflow",
}

// String says in words what the code means.
func (c GoneCode) String() string {
	if c > 0 && int(c) < len(goneCodeNames) {
		return goneCodeNames[c]
	}
	return fmt.Sprintf("code %d", uint8(c))
}
