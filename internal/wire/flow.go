package wire

import (
	"encoding/binary"
	"math/bits"
)

// Flags of a CHUNK.
const (
	ChunkEnd   uint8 = 1  // the last of its message or stream
	ChunkText  uint8 = 2  // a stream's bytes are text
	ChunkCall  uint8 = 4  // part of a CALL's msgpack
	ChunkReply uint8 = 8  // part of a REPLY's msgpack
	ChunkFail  uint8 = 16 // part of a FAIL's msgpack

	chunkWhole = ChunkCall | ChunkReply | ChunkFail
	chunkKnown = ChunkEnd | ChunkText | chunkWhole
)

// ChunkHeader is the length of a CHUNK before its bytes.
const ChunkHeader = numberLen + 1

// MaxChunk is the most bytes one CHUNK carries.
const MaxChunk = MaxMessage - ChunkHeader

// Chunk is a part of a large message or of a stream.
type Chunk struct {
	Number uint64
	Flags  uint8
	Bytes  []byte
}

// AppendChunkHeader appends what stands before the bytes of a CHUNK.
func AppendChunkHeader(dst []byte, number uint64, flags uint8) []byte {
	return append(binary.BigEndian.AppendUint64(dst, number), flags)
}

// ParseChunk reads the body of a CHUNK message. Flags it does not know are
// cleared.
func ParseChunk(body []byte) (Chunk, error) {
	number, rest, err := cutNumber(TypeChunk, body)
	if err != nil {
		return Chunk{}, err
	}
	if len(rest) == 0 {
		return Chunk{}, &MalformedError{"CHUNK", "flags are missing"}
	}
	flags := rest[0] & chunkKnown
	if bits.OnesCount8(flags&chunkWhole) > 1 {
		return Chunk{}, &MalformedError{"CHUNK", "flags name two messages"}
	}
	return Chunk{number, flags, rest[1:]}, nil
}

// Credit allows the other side to send more CHUNK bytes.
type Credit struct {
	Number uint64 // 0 is the link
	Bytes  uint32
}

// AppendCredit appends the body of a CREDIT message.
func AppendCredit(dst []byte, c Credit) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, c.Number), c.Bytes)
}

// ParseCredit reads the body of a CREDIT message.
func ParseCredit(body []byte) (Credit, error) {
	number, rest, err := cutNumber(TypeCredit, body)
	if err != nil {
		return Credit{}, err
	}
	if len(rest) != 4 {
		return Credit{}, &MalformedError{"CREDIT", "bytes are not a u32"}
	}
	return Credit{number, binary.BigEndian.Uint32(rest)}, nil
}
