package relays

import "encoding/binary"

// What a message is about. Each begins with it and two numbers.
const (
	opData   byte = iota + 1 // of a stream: its number; the sink acknowledges
	opFlood                  // of a flood: its number; the sink only counts
	opAck                    // the highest number that came
	opTrip                   // to be sent back as opBack
	opBack                   //
	opAsk                    // how many of data and flood came; the number of the question
	opAnswer                 // the number of the question, and how many
)

const (
	headBytes = 17
	tailBytes = 8 // the first number again, so that what was cut or mixed up shows
)

func putHead(b []byte, op byte, first, second uint64) {
	b[0] = op
	binary.BigEndian.PutUint64(b[1:], first)
	binary.BigEndian.PutUint64(b[9:], second)
}

// put fills in a message that carries a payload.
func put(b []byte, op byte, number uint64) {
	putHead(b, op, number, 0)
	binary.BigEndian.PutUint64(b[len(b)-tailBytes:], number)
}

func head(b []byte) (op byte, first, second uint64) {
	return b[0], binary.BigEndian.Uint64(b[1:]), binary.BigEndian.Uint64(b[9:])
}

// whole tells whether a message with a payload came as it was sent.
func whole(b []byte, size int) bool {
	return len(b) == size && binary.BigEndian.Uint64(b[1:]) == binary.BigEndian.Uint64(b[len(b)-tailBytes:])
}
