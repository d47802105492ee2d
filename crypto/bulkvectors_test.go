package crypto

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bulkVector is one of fm1-bulk.json, which another implementation made.
type bulkVector struct {
	Direction string
	Epoch     uint32
	Seq       uint64
	Time      int64
	Chain     hexBytes
	Key       hexBytes
	Nonce     hexBytes
	Plaintext hexBytes
	Frame     hexBytes
}

func loadBulkVectors(t testing.TB) (vectors []bulkVector) {
	t.Helper()
	loadVectors(t, "fm1-bulk.json", &vectors)
	return vectors
}

func TestR47_FM1BulkFrames(t *testing.T) {
	session := loadFM1(t).Session
	vectors := loadBulkVectors(t)
	if len(vectors) != 5 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for _, v := range vectors {
		chains := map[string][]hexBytes{"i2r": session.ChainI2R, "r2i": session.ChainR2I}[v.Direction]
		c := chain{key: [32]byte(chains[0])}
		for c.epoch < v.Epoch {
			c.advance()
		}
		key := c.bulkKey()
		wantHex(t, "chain", c.key[:], v.Chain)
		wantHex(t, "key", key[:], v.Key)
		wantHex(t, "nonce", new(bulkCipher).nonceOf(v.Seq), v.Nonce)
		send, receive := newSendCipher(&c, true), newReceiveCipher(&c, true)
		wantHex(t, "frame", send.SealBulk(nil, v.Plaintext, v.Seq, time.Unix(v.Time, 0)), v.Frame)
		plain, sealed, err := receive.OpenBulk(v.Frame, v.Seq)
		if err != nil || sealed.Unix() != v.Time {
			t.Fatalf("%s %d: %v %v", v.Direction, v.Seq, sealed, err)
		}
		wantHex(t, "plaintext", plain, v.Plaintext)
	}
}

func TestR47_PythonMakesTheSameBulkVectors(t *testing.T) {
	python := pythonWithFernet(t)
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	cmd := exec.Command(python, filepath.Join("testdata", "bulk_vectors.py"))
	cmd.Stdin = bytes.NewReader(read("fm1.json"))
	made, err := cmd.Output()
	if err != nil {
		t.Fatalf("python: %v", err)
	}
	if want := bytes.ReplaceAll(read("fm1-bulk.json"), []byte("\r"), nil); !bytes.Equal(bytes.ReplaceAll(made, []byte("\r"), nil), want) {
		t.Errorf("it makes others than fm1-bulk.json:\n%s", made)
	}
}

// Each line in: a key, a sequence number and a frame in hex. Each line out: "-",
// or the message in hex after "+".
const pythonBulkOpener = `
import sys
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
for line in sys.stdin:
    key, seq, frame = line.split()
    frame = bytes.fromhex(frame)
    try:
        if frame[0] != 1:
            raise InvalidTag
        print("+" + AESGCM(bytes.fromhex(key)).decrypt(bytes(4) + int(seq).to_bytes(8, "big"), frame[9:], frame[:9]).hex())
    except InvalidTag:
        print("-")
`

// R48: what we seal, Python opens, and what one of us refuses the other refuses.
func TestR48_PythonOpensOurBulkFrames(t *testing.T) {
	cases := 300
	if *long {
		cases = 20_000
	}
	r := rand.New(rand.NewPCG(52, 0))
	var input strings.Builder
	want := make([]string, cases)
	opened := 0
	for i := range cases {
		c := chain{}
		seededBytes(r, c.key[:])
		key, seq := c.bulkKey(), r.Uint64()
		plain := make([]byte, MinBulkPlain+r.IntN(500))
		seededBytes(r, plain)
		frame := newSendCipher(&c, true).SealBulk(nil, plain, seq, time.Unix(int64(r.Uint32()), 0))
		switch r.IntN(4) {
		case 0:
			frame[r.IntN(len(frame))] ^= 1 << r.IntN(8)
		case 1:
			seq += uint64(r.IntN(2))
		}
		fmt.Fprintf(&input, "%x %d %x\n", key, seq, frame)
		want[i] = "-"
		if plain, _, err := newReceiveCipher(&c, true).OpenBulk(frame, seq); err == nil {
			want[i] = fmt.Sprintf("+%x", plain)
			opened++
		}
	}
	for i, got := range runPython(t, pythonBulkOpener, input.String(), cases) {
		if got != want[i] {
			t.Errorf("case %d: we read %.40s, Python %.40s", i, want[i], got)
		}
	}
	if opened < cases/2 || opened > cases*9/10 {
		t.Errorf("%d of %d frames were good", opened, cases)
	}
}
