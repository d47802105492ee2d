package relay_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/fernmesh/fernmesh/relay"
)

func TestReaderCutsFramesHoweverTheyCome(t *testing.T) {
	var stream []byte
	var want [][]byte
	for i := range 200 {
		body := bytes.Repeat([]byte{byte(i)}, 1+i*i%9000)
		frame := relay.AppendRecv(nil, relay.Record{Peer: a1, Session: s1, Body: body})
		stream = append(stream, frame...)
		want = append(want, frame[relay.HeaderLen:])
	}
	for name, r := range map[string]io.Reader{
		"at once":      bytes.NewReader(stream),
		"by byte":      iotest.OneByteReader(bytes.NewReader(stream)),
		"in halves":    iotest.HalfReader(bytes.NewReader(stream)),
		"with the end": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		frames := relay.NewFrameReader(r, 0)
		for i, body := range want {
			typ, got, err := frames.Next(relay.ToClient)
			if err != nil || typ != relay.FrameRecv || !bytes.Equal(got, body) {
				t.Fatalf("%s: frame %d: %v, %d bytes, %v", name, i, typ, len(got), err)
			}
		}
		if _, _, err := frames.Next(relay.ToClient); err != io.EOF {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}

func TestReaderEndsInsideAFrame(t *testing.T) {
	frame := relay.AppendUp(nil, a1)
	for n := 1; n < len(frame); n++ {
		frames := relay.NewFrameReader(bytes.NewReader(frame[:n]), 0)
		if _, _, err := frames.Next(relay.ToClient); err != io.ErrUnexpectedEOF {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

// SECURITY row 26: the length is judged before any byte of the body.
func TestR28_ReaderRefusesByTheHead(t *testing.T) {
	for _, c := range []struct {
		head    []byte
		allowed relay.FrameSet
		want    error
	}{
		{[]byte{7, 0, 1, 0x55, 0xd1}, relay.ToClient, relay.ErrFrameLength}, // RECV of one more than MaxFrame
		{[]byte{7, 0xff, 0xff, 0xff, 0xff}, relay.ToClient, relay.ErrFrameLength},
		{[]byte{7, 0x80, 0, 0, 30}, relay.ToClient, relay.ErrFrameLength}, // top bit
		{[]byte{7, 0, 0, 0, 24}, relay.ToClient, relay.ErrFrameLength},    // no record
		{[]byte{4, 0, 0, 0, 17}, relay.ToClient, relay.ErrFrameLength},
		{[]byte{8, 0, 0, 5, 121}, relay.ToRelay, relay.ErrFrameLength}, // CAST of 1,401
		{[]byte{2, 0, 0, 2, 0}, relay.AwaitJoin, relay.ErrFrameLength}, // JOIN with a long host
		{[]byte{6, 0, 0, 0, 30}, relay.ToClient, relay.ErrFrameType},   // the other direction
		{[]byte{7, 0, 0, 0, 30}, relay.ToRelay, relay.ErrFrameType},
		{[]byte{6, 0, 0, 0, 30}, relay.AwaitJoin, relay.ErrFrameType}, // before JOIN
		{[]byte{1, 0, 0, 0, 72}, relay.ToClient, relay.ErrFrameType},  // a second HELLO
		{[]byte{0, 0, 0, 0, 1}, relay.ToClient, relay.ErrFrameType},
		{[]byte{0x0f, 0, 0, 0, 1}, relay.ToClient, relay.ErrFrameType},
		{[]byte{0xff, 0, 0, 0, 1}, relay.ToClient, relay.ErrFrameType},
	} {
		rest := &counting{r: bytes.NewReader(append(c.head, make([]byte, 100)...)), most: len(c.head)}
		if _, _, err := relay.NewFrameReader(rest, 0).Next(c.allowed); !errors.Is(err, c.want) {
			t.Errorf("% x: %v, want %v", c.head, err, c.want)
		}
		if rest.reads != 1 {
			t.Errorf("% x: read %d times", c.head, rest.reads)
		}
	}
}

// counting gives at most so many bytes per read.
type counting struct {
	r     io.Reader
	most  int
	reads int
	asked int // the largest buffer it was given
}

func (c *counting) Read(b []byte) (int, error) {
	c.reads++
	c.asked = max(c.asked, len(b))
	return c.r.Read(b[:min(len(b), c.most)])
}

// SECURITY row 26: a claimed length allocates nothing; memory follows the bytes.
func TestR28_ReaderMemoryFollowsTheBytes(t *testing.T) {
	frame := relay.AppendRecv(nil, relay.Record{Peer: a1, Session: s1, Body: make([]byte, 87_480)})
	for _, sent := range []int{5, 100, 5000, 20_000} {
		r := &counting{r: bytes.NewReader(frame[:sent]), most: 1000}
		frames := relay.NewFrameReader(r, 512)
		_, _, _ = frames.Next(relay.ToClient)
		if most := max(512, 2*sent); r.asked > most {
			t.Errorf("after %d bytes of a large frame it asked for %d", sent, r.asked)
		}
	}
}

func TestReaderGivesUpALargeBuffer(t *testing.T) {
	large := relay.AppendRecv(nil, relay.Record{Peer: a1, Session: s1, Body: make([]byte, 87_480)})
	small := relay.AppendUp(nil, a1)
	stream := bytes.Clone(large)
	for range 100 {
		stream = append(stream, small...)
	}
	r := &counting{r: bytes.NewReader(stream), most: len(small)}
	frames := relay.NewFrameReader(r, 512)
	for range 101 {
		if _, _, err := frames.Next(relay.ToClient); err != nil {
			t.Fatal(err)
		}
	}
	r.asked = 0
	_, _, _ = frames.Next(relay.ToClient)
	if r.asked > 512 {
		t.Errorf("it still has a buffer of %d bytes", r.asked)
	}
}

func BenchmarkFrameReader(b *testing.B) {
	frame := relay.AppendRecv(nil, relay.Record{Peer: a1, Session: s1, Body: make([]byte, 256)})
	stream := bytes.Repeat(frame, 1000)
	r := bytes.NewReader(stream)
	frames := relay.NewFrameReader(r, 16<<10)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%1000 == 0 {
			r.Reset(stream)
		}
		if _, _, err := frames.Next(relay.ToClient); err != nil {
			b.Fatal(err)
		}
	}
	runtime.KeepAlive(frames)
}
