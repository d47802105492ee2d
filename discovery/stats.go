package discovery

import "fmt"

// Stats are a service's counters since New.
type Stats struct {
	Received uint64 // datagrams read, those refused included
	Accepted uint64 // adverts that counted
	Rounds   uint64 // rounds begun, one per announcement or question, over all interfaces
	Sent     uint64 // datagrams sent in rounds
	Answers  uint64 // questions answered
	Dropped  uint64 // reports that OnReport was too slow for
	// Refused counts what was refused, by cause; causes that did not occur
	// are absent.
	Refused map[Cause]uint64
	// Entries and Remembered are the present sizes of the table and of the
	// memory of counters.
	Entries, Remembered int
}

// Cause is why a datagram, or the answer to a question, was refused.
type Cause uint8

// The causes, in the order in which a receiver checks.
const (
	CauseSize       Cause = iota // longer than an advert may be, or too short to be one
	CauseShape                   // does not begin like a Fernet token
	CauseSourceRate              // too many from one source address
	CauseTotalRate               // too many in all
	CauseToken                   // no usable key opens it: another network, another key, or forged
	CauseForm                    // opens, but is not an advert of this version
	CauseOwn                     // our own, looped back
	CauseAge                     // sealed too long ago or in the future
	CauseCounter                 // counter lower than one already seen: replayed or late
	CauseDuplicate               // same counter and address again: another copy of one round
	CauseIdentity                // instance heard before under another node key, or replaced by a newer one
	CauseSource                  // UDP source is not one of the sender's own addresses
	CauseSignature               // signature by the node key is wrong
	CauseFull                    // table or memory is full
	CauseAnswer                  // question not answered: short, from a strange source, or asked too often
	numCauses
)

var causeNames = [numCauses]string{
	"size", "shape", "source rate", "total rate", "token", "form", "own", "age",
	"counter", "duplicate", "identity", "source", "signature", "full", "answer",
}

// String returns the cause in words.
func (c Cause) String() string {
	if c < numCauses {
		return causeNames[c]
	}
	return fmt.Sprintf("Cause(%d)", uint8(c))
}
