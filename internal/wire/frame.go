package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// FrameHeader is the length of a frame before its first message.
const FrameHeader = 10

// MessageOverhead is the most that one message adds to its body: its type and
// the length of MaxMessage.
const MessageOverhead = 4

// Why a frame was refused. Each ends the session.
var (
	ErrFrameShort    = errors.New("wire: frame without a message")
	ErrFrameLong     = errors.New("wire: frame too long")
	ErrFrameVersion  = errors.New("wire: frame of another version")
	ErrFrameSequence = errors.New("wire: frame out of sequence")
	ErrFrameMessage  = errors.New("wire: malformed message in frame")
	ErrFrameType     = errors.New("wire: unknown message type in frame")
	ErrFrameHello    = errors.New("wire: HELLO outside sequence 0, or not alone there")
	ErrKeyUpdate     = errors.New("wire: KEYUPDATE not empty or not last in its frame")
)

// Message is one message of a frame. Body is a slice of the frame.
type Message struct {
	Type Type
	Body []byte
}

// Messages are the messages of a frame that was checked as a whole.
type Messages struct {
	encoded []byte
}

// BeginFrame appends the head of the frame with the given sequence number.
// Messages follow it.
func BeginFrame(dst []byte, seq uint64) []byte {
	dst = append(dst, Version, 0)
	return binary.BigEndian.AppendUint64(dst, seq)
}

// AppendMessage appends a message whose body is the parts in order. The caller
// keeps the body within MaxMessage.
func AppendMessage(dst []byte, t Type, parts ...[]byte) []byte {
	n := 0
	for _, part := range parts {
		n += len(part)
	}
	dst = append(dst, byte(t))
	dst = binary.AppendUvarint(dst, uint64(n))
	for _, part := range parts {
		dst = append(dst, part...)
	}
	return dst
}

// ParseFrame checks a whole frame before any of its messages is seen: version,
// sequence equal to wantSeq, well-formed messages of known types, HELLO alone
// in sequence 0 and nowhere else, KEYUPDATE last. Reserved flags are ignored.
func ParseFrame(plain []byte, wantSeq uint64) (Messages, error) {
	switch {
	case len(plain) <= FrameHeader:
		return Messages{}, ErrFrameShort
	case len(plain) > MaxPlain:
		return Messages{}, ErrFrameLong
	case plain[0] != Version:
		return Messages{}, ErrFrameVersion
	}
	if seq := binary.BigEndian.Uint64(plain[2:]); seq != wantSeq {
		return Messages{}, fmt.Errorf("%w: %d where %d was due", ErrFrameSequence, seq, wantSeq)
	}
	encoded := plain[FrameHeader:]
	for rest := encoded; len(rest) > 0; {
		m, tail, err := CutMessage(rest)
		if err != nil {
			return Messages{}, err
		}
		if err := checkPlace(m, wantSeq, len(rest) == len(encoded), len(tail) == 0); err != nil {
			return Messages{}, err
		}
		rest = tail
	}
	return Messages{encoded}, nil
}

// checkPlace checks that m may stand where it stands in its frame.
func checkPlace(m Message, seq uint64, first, last bool) error {
	switch {
	case (m.Type == TypeHello) != (seq == 0), seq == 0 && !(first && last):
		return ErrFrameHello
	case m.Type == TypeKeyUpdate && (len(m.Body) > 0 || !last):
		return ErrKeyUpdate
	case !m.Type.known() && m.Type&ignorable == 0:
		return fmt.Errorf("%w: %v", ErrFrameType, m.Type)
	}
	return nil
}

// CutMessage returns the first of the encoded messages and the rest.
func CutMessage(encoded []byte) (m Message, rest []byte, err error) {
	if len(encoded) < 2 {
		return Message{}, nil, ErrFrameMessage
	}
	n, used := uvarint(encoded[1:])
	if used == 0 || n > MaxMessage || n > uint64(len(encoded)-1-used) {
		return Message{}, nil, ErrFrameMessage
	}
	body := encoded[1+used:]
	return Message{Type(encoded[0]), body[:n:n]}, body[n:], nil
}

// OnlyChunks reports whether all the encoded messages are CHUNKs.
func OnlyChunks(encoded []byte) bool {
	for len(encoded) > 0 {
		m, rest, err := CutMessage(encoded)
		if err != nil || m.Type != TypeChunk {
			return false
		}
		encoded = rest
	}
	return true
}

// uvarint reads a minimal LEB128 number of at most MaxMessage, which has three
// bytes at most. It returns 0 used bytes for anything else.
func uvarint(b []byte) (n uint64, used int) {
	for i := 0; i < len(b) && i < 3; i++ {
		n |= uint64(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			if i > 0 && b[i] == 0 {
				return 0, 0 // a shorter form exists
			}
			return n, i + 1
		}
	}
	return 0, 0
}

// All yields the messages in order, except PAD and types this version does not
// know and may ignore.
func (m Messages) All() iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for {
			msg, ok := m.Next()
			if !ok || !yield(msg) {
				return
			}
		}
	}
}

// Next takes the first message that All would yield; false when there is none.
func (m *Messages) Next() (Message, bool) {
	for len(m.encoded) > 0 {
		msg, tail, err := CutMessage(m.encoded)
		if err != nil {
			break // not reached: ParseFrame cut the same bytes
		}
		m.encoded = tail
		if msg.Type != TypePad && msg.Type.known() {
			return msg, true
		}
	}
	return Message{}, false
}
