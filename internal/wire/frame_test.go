package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

// frame builds a frame by hand.
func frame(seq uint64, messages string) []byte {
	b, err := hex.DecodeString(messages)
	if err != nil {
		panic(err)
	}
	return append(BeginFrame(nil, seq), b...)
}

func TestFrameGolden(t *testing.T) {
	b := BeginFrame(nil, 0x0102030405060708)
	b = AppendMessage(b, TypePing, []byte("12345"), nil, []byte("678"))
	b = AppendMessage(b, TypePad, make([]byte, 130))
	b = AppendMessage(b, 0xfe, []byte{9})
	b = AppendMessage(b, TypeKeyUpdate)
	want := "0100" + "0102030405060708" + "0308" + hex.EncodeToString([]byte("12345678")) +
		"7f8201" + hex.EncodeToString(make([]byte, 130)) + "fe0109" + "0200"
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	f, err := ParseFrame(b, 0x0102030405060708)
	if err != nil {
		t.Fatal(err)
	}
	var got []Type
	for m := range f.All() {
		got = append(got, m.Type)
	}
	if len(got) != 2 || got[0] != TypePing || got[1] != TypeKeyUpdate {
		t.Errorf("messages %v, want PING and KEYUPDATE: PAD and unknown high types are skipped", got)
	}
}

func TestFramesThatEndTheSession(t *testing.T) {
	const ping = "03080000000000000000"
	otherVersion := frame(7, ping)
	otherVersion[0] = 2
	long := BeginFrame(nil, 7)
	for len(long) <= MaxPlain {
		long = AppendMessage(long, TypePad, make([]byte, 1000))
	}
	for name, c := range map[string]struct {
		plain []byte
		seq   uint64
		want  error
	}{
		"empty":                   {nil, 7, ErrFrameShort},
		"header cut":              {frame(7, "")[:9], 7, ErrFrameShort},
		"no message":              {frame(7, ""), 7, ErrFrameShort},
		"above 64 KiB":            {long, 7, ErrFrameLong},
		"other version":           {otherVersion, 7, ErrFrameVersion},
		"one behind":              {frame(6, ping), 7, ErrFrameSequence},
		"one ahead":               {frame(8, ping), 7, ErrFrameSequence},
		"far ahead":               {frame(1<<63, ping), 7, ErrFrameSequence},
		"message without length":  {frame(7, "03"), 7, ErrFrameMessage},
		"message cut":             {frame(7, "0308000000"), 7, ErrFrameMessage},
		"second message cut":      {frame(7, ping+"03"), 7, ErrFrameMessage},
		"length not minimal":      {frame(7, "03880000"+"0000000000000000"), 7, ErrFrameMessage},
		"length zero in two":      {frame(7, "7f8000"), 7, ErrFrameMessage},
		"length above 16 KiB":     {append(frame(7, "7f818001"), make([]byte, MaxMessage+1)...), 7, ErrFrameMessage},
		"length of ten bytes":     {frame(7, "7fffffffffffffffffff01"), 7, ErrFrameMessage},
		"unknown low type":        {frame(7, "0900"), 7, ErrFrameType},
		"type zero":               {frame(7, "0000"), 7, ErrFrameType},
		"unknown low after known": {frame(7, ping+"2100"), 7, ErrFrameType},
		"HELLO later":             {frame(7, "010100"), 7, ErrFrameHello},
		"no HELLO at first":       {frame(0, ping), 0, ErrFrameHello},
		"HELLO twice":             {frame(0, "010100010100"), 0, ErrFrameHello},
		"HELLO with another":      {frame(0, "010100"+ping), 0, ErrFrameHello},
		"HELLO after PAD":         {frame(0, "7f00010100"), 0, ErrFrameHello},
		"KEYUPDATE with body":     {frame(7, "020100"), 7, ErrKeyUpdate},
		"KEYUPDATE not last":      {frame(7, "0200"+ping), 7, ErrKeyUpdate},
	} {
		if _, err := ParseFrame(c.plain, c.seq); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestFramesThatAreFine(t *testing.T) {
	flagged := frame(7, "0200")
	flagged[1] = 0xff
	full := AppendMessage(BeginFrame(nil, 7), TypePad, make([]byte, MaxMessage))
	full = AppendMessage(full, TypeKeyUpdate)
	if len(full) > MinMaxPlain {
		t.Errorf("the largest message with a KEYUPDATE takes %d bytes, MinMaxPlain is %d", len(full), MinMaxPlain)
	}
	for name, c := range map[string]struct {
		plain []byte
		seq   uint64
	}{
		"reserved flags are ignored":      {flagged, 7},
		"unknown high type alone":         {frame(7, "8000"), 7},
		"HELLO at first":                  {frame(0, "010100"), 0},
		"largest message and a KEYUPDATE": {full, 7},
	} {
		if _, err := ParseFrame(c.plain, c.seq); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFramesAreReadWithoutAllocating(t *testing.T) {
	plain := AppendMessage(BeginFrame(nil, 1), TypePing, make([]byte, 8))
	plain = AppendMessage(plain, TypePad, make([]byte, 100))
	if n := testing.AllocsPerRun(1000, func() {
		f, err := ParseFrame(plain, 1)
		for m := range f.All() {
			if len(m.Body) != 8 || err != nil {
				t.Fatal(m, err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations per frame", n)
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add(frame(0, "010100"), uint64(0))
	f.Add(frame(7, "03080000000000000000"+"8003000000"+"0200"), uint64(7))
	f.Add(frame(7, "7f818001"), uint64(7))
	f.Fuzz(func(t *testing.T, plain []byte, seq uint64) {
		parsed, err := ParseFrame(plain, seq)
		if err != nil {
			return
		}
		again := BeginFrame(nil, seq)
		for rest := plain[FrameHeader:]; len(rest) > 0; {
			m, tail, err := CutMessage(rest)
			if err != nil {
				t.Fatalf("an accepted frame does not cut: %v", err)
			}
			again, rest = AppendMessage(again, m.Type, m.Body), tail
		}
		if !bytes.Equal(again[2:], plain[2:]) { // the flags may differ
			t.Fatalf("re-encoded as %x, was %x", again, plain)
		}
		for m := range parsed.All() {
			if len(m.Body) > MaxMessage || !m.Type.known() {
				t.Fatalf("delivered %v of %d bytes", m.Type, len(m.Body))
			}
		}
	})
}

func TestOnlyChunks(t *testing.T) {
	chunks := AppendMessage(AppendMessage(nil, TypeChunk, make([]byte, 300)), TypeChunk)
	if !OnlyChunks(chunks) || !OnlyChunks(nil) {
		t.Error("CHUNKs are taken for something else")
	}
	for _, other := range []Type{TypeReply, TypeKeyUpdate, TypePad, 0x93} {
		message := AppendMessage(nil, other, []byte("x"))
		if OnlyChunks(append(message[:len(message):len(message)], chunks...)) || OnlyChunks(append(chunks[:len(chunks):len(chunks)], message...)) {
			t.Errorf("%v is taken for a CHUNK", other)
		}
	}
	for n := 1; n < len(chunks); n++ {
		if OnlyChunks(chunks[:n]) != (n == 303) {
			t.Errorf("of %d bytes the first %d", len(chunks), n)
		}
	}
}
