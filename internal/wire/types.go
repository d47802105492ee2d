package wire

import "fmt"

// Type is the kind of a message (section 4).
type Type uint8

// The message types, each with its body.
const (
	TypeHello     Type = 0x01 // section 3; the only message of sequence 0
	TypeKeyUpdate Type = 0x02 // empty; the last message of its frame
	TypePing      Type = 0x03 // 8 bytes
	TypePong      Type = 0x04 // the 8 bytes of the PING
	TypeBye       Type = 0x05 // code u16 | come-back-after ms u32 | text
	TypeByeAck    Type = 0x06 // as BYE
	TypeCall      Type = 0x10 // call number u64 | msgpack, see Call
	TypeReply     Type = 0x11 // call number u64 | msgpack value
	TypeFail      Type = 0x12 // call number u64 | msgpack, see Fail
	TypeCancel    Type = 0x13 // call number u64 | mode u8
	TypeChunk     Type = 0x14 // call number u64 | flags u8 | bytes
	TypeCredit    Type = 0x15 // call number u64 (0 = the link) | bytes u32
	TypeGossip    Type = 0x20 // msgpack, see Gossip
	TypePad       Type = 0x7f // anything; ignored
	TypeStatus    Type = 0x90 // msgpack, see Status; may be ignored
)

// ignorable is set in the types that an older receiver may skip.
const ignorable Type = 0x80

var typeNames = map[Type]string{
	TypeHello: "HELLO", TypeKeyUpdate: "KEYUPDATE", TypePing: "PING", TypePong: "PONG",
	TypeBye: "BYE", TypeByeAck: "BYE-ACK", TypeCall: "CALL", TypeReply: "REPLY",
	TypeFail: "FAIL", TypeCancel: "CANCEL", TypeChunk: "CHUNK", TypeCredit: "CREDIT",
	TypeGossip: "GOSSIP", TypePad: "PAD", TypeStatus: "STATUS",
}

// String returns the type's name in the protocol, or its number in hex.
func (t Type) String() string {
	if name, ok := typeNames[t]; ok {
		return name
	}
	return fmt.Sprintf("type %#02x", uint8(t))
}

// known reports whether this version of the protocol defines t.
func (t Type) known() bool {
	switch t {
	case TypeHello, TypeKeyUpdate, TypePing, TypePong, TypeBye, TypeByeAck,
		TypeCall, TypeReply, TypeFail, TypeCancel, TypeChunk, TypeCredit,
		TypeGossip, TypePad, TypeStatus:
		return true
	}
	return false
}
