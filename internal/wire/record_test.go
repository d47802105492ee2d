package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"runtime"
	"testing"
	"testing/iotest"
)

func TestSeveralRecordsComeFromOneRead(t *testing.T) {
	var stream []byte
	for _, body := range []string{"a", "bc", "def"} {
		stream = AppendRecord(stream, []byte(body))
	}
	source := &countingReader{r: bytes.NewReader(stream)}
	r := NewRecordReader(source)
	for _, want := range []string{"a", "bc", "def"} {
		got, err := r.Next(10)
		if err != nil || string(got) != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	if source.reads != 1 {
		t.Errorf("%d reads for three records, want 1", source.reads)
	}
	if _, err := r.Next(10); err != io.EOF {
		t.Errorf("after the last record: %v, want io.EOF", err)
	}
}

type countingReader struct {
	r     io.Reader
	reads int
}

func (c *countingReader) Read(b []byte) (int, error) {
	c.reads++
	return c.r.Read(b)
}

func TestRecordsSurviveAnySplitOfTheStream(t *testing.T) {
	rng := seeded(1)
	var stream []byte
	var bodies [][]byte
	for range 50 {
		body := rng.bytes(1 + rng.below(9000))
		bodies = append(bodies, body)
		stream = AppendRecord(stream, body)
	}
	for name, source := range map[string]io.Reader{
		"byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
		"halves":       iotest.HalfReader(bytes.NewReader(stream)),
		"data and EOF": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		r := NewRecordReader(source)
		for i, want := range bodies {
			got, err := r.Next(MaxRecord)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: record %d: %d bytes, %v", name, i, len(got), err)
			}
		}
	}
}

func TestR28_RecordLengthIsCheckedBeforeItsBytesExist(t *testing.T) {
	for _, n := range []uint32{0, 113, MaxRecord + 1, 1 << 31, 1<<32 - 1} {
		head := binary.BigEndian.AppendUint32(nil, n)
		_, err := NewRecordReader(bytes.NewReader(head)).Next(HandshakeLen)
		if !errors.Is(err, ErrRecordLength) {
			t.Errorf("length %d: %v, want ErrRecordLength", n, err)
		}
	}
}

func TestR28_MemoryFollowsTheBytesThatCame(t *testing.T) {
	// A claim of 64 MiB with ten bytes behind it.
	stream := append(binary.BigEndian.AppendUint32(nil, MaxBig), make([]byte, 10)...)
	allocated := allocatedBy(func() {
		r := NewRecordReader(bytes.NewReader(stream))
		if _, err := r.Next(MaxBig); err != io.ErrUnexpectedEOF {
			t.Errorf("cut record: %v, want io.ErrUnexpectedEOF", err)
		}
	})
	if allocated > 16<<10 {
		t.Errorf("%d bytes allocated for 14 received", allocated)
	}
}

func TestRecordReaderGoesOnAfterATimeout(t *testing.T) {
	stream := AppendRecord(nil, []byte("hello"))
	r := NewRecordReader(io.MultiReader(
		bytes.NewReader(stream[:3]), iotest.ErrReader(os.ErrDeadlineExceeded), bytes.NewReader(stream[3:])))
	// MultiReader stays at the reader that fails, so the rest is set by hand.
	if _, err := r.Next(10); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v, want the timeout", err)
	}
	r.r = bytes.NewReader(stream[3:])
	if got, err := r.Next(10); err != nil || string(got) != "hello" {
		t.Errorf("after the timeout: %q, %v", got, err)
	}
}

func TestRecordsAreReadWithoutAllocating(t *testing.T) {
	stream := AppendRecord(nil, make([]byte, 1000))
	source := &endless{stream: stream}
	r := NewRecordReader(source)
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := r.Next(MaxRecord); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per record", n)
	}
}

// endless repeats a stream.
type endless struct {
	stream []byte
	at     int
}

func (e *endless) Read(b []byte) (int, error) {
	n := copy(b, e.stream[e.at:])
	e.at = (e.at + n) % len(e.stream)
	return n, nil
}

// allocatedBy returns how many bytes f allocates.
func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func FuzzRecordReader(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 'a'}, 112)
	f.Add(AppendRecord(AppendRecord(nil, []byte("one")), []byte("two")), 3)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, MaxRecord)
	f.Fuzz(func(t *testing.T, stream []byte, limit int) {
		r := NewRecordReader(iotest.HalfReader(bytes.NewReader(stream)))
		var again []byte
		for {
			body, err := r.Next(limit)
			if err != nil {
				break
			}
			if len(body) == 0 || len(body) > limit {
				t.Fatalf("record of %d bytes, limit %d", len(body), limit)
			}
			again = AppendRecord(again, body)
		}
		if !bytes.HasPrefix(stream, again) {
			t.Fatal("records do not add up to the stream")
		}
		if len(r.buf) > max(firstRead, 2*len(stream)) {
			t.Fatalf("buffer of %d bytes for a stream of %d", len(r.buf), len(stream))
		}
	})
}

func TestTrimKeepsWhatIsUnread(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 50<<10)
	stream := AppendRecord(nil, large)
	for _, body := range []string{"a", "bc"} {
		stream = AppendRecord(stream, []byte(body))
	}
	r := NewRecordReader(bytes.NewReader(stream))
	if got, err := r.Next(MaxRecord); err != nil || len(got) != len(large) {
		t.Fatalf("the large record: %d bytes, %v", len(got), err)
	}
	for _, want := range []string{"a", "bc"} {
		r.Trim()
		if len(r.buf) > firstRead {
			t.Errorf("%d bytes of buffer are left", len(r.buf))
		}
		if got, err := r.Next(10); err != nil || string(got) != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
}
